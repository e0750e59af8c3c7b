"""Whether a process takes one more request: its load against its high-water marks. Pure.

Before the memory grows, not after. A share of everything is P0's own: whoever sends P1 or P2 is refused earlier.
"""

from __future__ import annotations

from typing import Final

import msgspec

from heliograph.core.model import Level

RESERVE: Final = 0.2
"""Share that only P0 may take (stripe.com/blog/rate-limiters: the fleet usage load shedder)."""


class Load(msgspec.Struct, frozen=True):
    """What a process has in hand: requests, the bytes of their bodies, and by how much its event loop lags."""

    requests: int = 0
    bytes: int = 0
    lag_s: float = 0.0


class Marks(msgspec.Struct, frozen=True):
    """Where each of them is full."""

    requests: int
    bytes: int
    lag_s: float


def fullness(load: Load, marks: Marks) -> float:
    """1 = one of the marks is reached."""
    return max(load.requests / marks.requests, load.bytes / marks.bytes, load.lag_s / marks.lag_s)


def admits(load: Load, marks: Marks, level: Level | None = None) -> bool:
    """`level`: of what is sent; None = not known yet, or no send."""
    most = 1.0 if level in (None, Level.P0) else 1.0 - RESERVE
    return fullness(load, marks) < most
