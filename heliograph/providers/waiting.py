"""Provider answers: how long one tells us to wait. Pure: reads header values, answers in seconds.

Never says more than an hour, whatever a header claims: a wrong clock on the other side must not park a message.
"""

from __future__ import annotations

import math
import time
from email.utils import parsedate_to_datetime
from typing import Final

from heliograph.core.model import Millis

LONGEST_S: Final = 3600.0


def wall_clock() -> Millis:
    """The default `Clock` of a provider."""
    return time.time_ns() // 1_000_000


def retry_after_s(value: str | None, now: Millis) -> float | None:
    """Seconds from a `Retry-After` header: a number of seconds or an HTTP date (RFC 9110 section 10.2.3)."""
    seconds = _number(value)
    if seconds is not None or value is None:
        return seconds
    try:
        return _bounded(parsedate_to_datetime(value).timestamp() - now / 1000)
    except (ValueError, OverflowError):
        return None


def until_s(value: str | None, now: Millis) -> float | None:
    """Seconds until a Unix time in seconds, such as SendGrid's `X-RateLimit-Reset`."""
    try:
        return None if value is None else _bounded(float(value) - now / 1000)
    except ValueError:
        return None


def _number(value: str | None) -> float | None:
    try:
        return None if value is None else _bounded(float(value))
    except ValueError:
        return None


def _bounded(seconds: float) -> float | None:
    return min(max(seconds, 0.0), LONGEST_S) if math.isfinite(seconds) else None
