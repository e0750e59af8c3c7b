"""How many notifications somebody may ask for: so many a second, so many a day. Pure.

The rate is a leaky bucket that one number describes, the time at which all that was taken will have been earned
(GCRA, ITU-T I.371): a request goes through while there is room for one in a window's worth, and may itself be larger;
the next one then waits for it.
"""

from __future__ import annotations

import math
from typing import Final, Literal

import msgspec

from heliograph.core.model import Millis

_DAY_MS: Final = 86_400_000
_ROUNDING_MS: Final = 1e-2
"""A float that counts milliseconds since 1970 is right to a few ten-thousandths."""


class Quota(msgspec.Struct, frozen=True):
    """0 = no limit.

    Attributes:
        rate: notifications a second.
        window_s: so many seconds' worth may come at once.
        daily: notifications a UTC day.
    """

    rate: float = 0.0
    window_s: float = 1.0
    daily: int = 0

    @property
    def limits(self) -> bool:
        return self.rate > 0 or self.daily > 0


class Usage(msgspec.Struct, frozen=True, array_like=True):
    """`earned_at`: when everything taken so far is earned. `count` notifications were taken on `day`."""

    earned_at: float = 0.0
    day: int = 0
    count: int = 0


class Exceeded(msgspec.Struct, frozen=True):
    """Which limit, and when one more may come."""

    limit: Literal["rate", "daily"]
    retry_after_s: int


def spend(usage: Usage, quota: Quota, count: int, now: Millis) -> tuple[Usage, Exceeded | None]:
    """Takes `count` notifications out of the quota, or nothing."""
    day = now // _DAY_MS
    taken = usage.count if usage.day == day else 0
    if quota.daily and taken + count > quota.daily:
        return usage, Exceeded("daily", math.ceil(((day + 1) * _DAY_MS - now) / 1000))
    earned_at = max(usage.earned_at, now)
    if quota.rate:
        one_ms = 1000 / quota.rate
        over_ms = earned_at + one_ms - now - max(one_ms, quota.window_s * 1000)
        # Nobody owes a day's worth, unless somebody's clock was wrong: that must not lock anybody out.
        if over_ms > _ROUNDING_MS and earned_at < now + _DAY_MS:
            return usage, Exceeded("rate", max(1, math.ceil(over_ms / 1000)))
        earned_at = (now if earned_at >= now + _DAY_MS else earned_at) + count * one_ms
    return Usage(earned_at, day, taken + count), None
