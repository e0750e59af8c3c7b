"""Makes the guards of the configured providers: which ceilings, pauses and ramps hold for which of them.

Reads settings; the rules' meaning stands in core/pacing.py and core/breaker.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final

from pydantic import SecretStr

from heliograph.cli.backends import now
from heliograph.core.account import Rules
from heliograph.core.breaker import BreakerRules
from heliograph.core.pacing import PaceRules
from heliograph.core.ports import Cells
from heliograph.guard import Guard
from heliograph.pausing import Pauses
from heliograph.settings import Settings

_SILENT: Final = 0.4
"""Of the time-out: when calls pile up unanswered for so long, the breaker doesn't wait for them to fail."""


def guards_of(
    settings: Settings, cells: Cells, providers: Iterable[str], pauses: Pauses | None = None
) -> dict[str, Guard]:
    """By provider: what stands between this process and each account that it may send with."""
    breaker = BreakerRules(
        silent_s=_SILENT * settings.provider_timeout_s,
        first_probe_s=min(1.0, settings.breaker_probe_s),
        longest_probe_s=settings.breaker_probe_s,
    )
    return {
        name: Guard(name, cells, now, Rules(_pace_of(name, settings), breaker), _account_of(name, settings), pauses)
        for name in providers
    }


def _pace_of(provider: str, settings: Settings) -> PaceRules:
    match provider:
        case "fcm":
            # Nothing sooner than 10 s after a refusal, 60 s for a quota, and from 0 to the peak over 60 s:
            # firebase.google.com/docs/cloud-messaging/scale-fcm.
            return PaceRules(settings.fcm_rate, kept=0.0, restart=0.0, pause_s=60.0, least_pause_s=10.0)
        case "apns":
            return PaceRules(settings.apns_rate)
        case "webpush":
            return PaceRules(settings.webpush_rate)
        case "expo":
            return PaceRules(settings.expo_rate)
        case _:
            return PaceRules(settings.email_rate)


def _account_of(provider: str, settings: Settings) -> str:
    """A digest of the provider's own settings: other credentials are another account, which nobody has paused yet."""
    prefixes = ("webpush_", "vapid_") if provider == "webpush" else (f"{provider}_",)
    own = {name: value for name, value in settings.model_dump().items() if name.startswith(prefixes)}
    text = "|".join(
        value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        for name, value in sorted(own.items())
        if not name.endswith("_rate")
    )
    return hashlib.sha256(text.encode()).hexdigest()[:12]
