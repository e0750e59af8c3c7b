"""How late the event loop wakes: the first sign that a process has more to do than it can.

Reads the loop's own clock ten times a second; sets one gauge. Who admits work asks `LAG.now_s` and `LAG.worst_s`.
Never decides anything itself.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from heliograph import telemetry

_EVERY_S: Final = 0.1
_WINDOW: Final = 150
"""Looks that `worst_s` remembers, 15 s: no less than the usual time between two scrapes, or a stall between them would
never be seen."""


class LoopLag:
    """One event loop's lag, in seconds. `now_s` = at the last look, `worst_s` = the worst of the last 15 s."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._recent: deque[float] = deque(maxlen=_WINDOW)

    @property
    def worst_s(self) -> float:
        return max(self._recent, default=0.0)

    async def watch(self, pause: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Until it is cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + _EVERY_S
            await pause(_EVERY_S)
            self.saw(loop.time() - due)

    def saw(self, late_s: float) -> None:
        """A wake-up was this late."""
        self.now_s = max(0.0, late_s)
        self._recent.append(self.now_s)
        telemetry.loop_lag_seconds.set(self.worst_s)


LAG: Final = LoopLag()
"""This process's: it has one loop."""
