"""What the real-time service asks of its clients, out of the settings: which pages may connect.

Reads settings; what a client may do beyond that stands in roles/realtime/services.py.
"""

from __future__ import annotations

from heliograph.roles.realtime.services import Limits
from heliograph.settings import Settings


def limits_of(settings: Settings) -> Limits:
    return Limits(origins=realtime_origins(settings))


def realtime_origins(settings: Settings) -> tuple[str | None, ...] | None:
    """The pages that may open a WebSocket; None = every one."""
    named = [origin.strip().rstrip("/") for origin in settings.realtime_origins.split(",") if origin.strip()]
    return None if "*" in named else tuple(None if origin == "none" else origin for origin in named)
