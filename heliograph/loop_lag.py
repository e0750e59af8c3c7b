"""How late the event loop wakes: the first sign that a process has more to do than it can.

Reads the loop's own clock ten times a second; sets one gauge and logs when it stays high. Who admits work asks
`LAG.sustained_s`. Never decides anything itself.
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
_SUSTAINED: Final = 3
"""Looks in a row: a single late one (a pause of the whole machine, say) is over when it is seen."""
HIGH_S: Final = 0.5
"""Worth a line in the log."""

log = telemetry.logger("loop")


class LoopLag:
    """One event loop's lag, in seconds. `now_s` = at the last look, `worst_s` = the worst of the last 15 s,
    `sustained_s` = the least of the last three looks."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._recent: deque[float] = deque(maxlen=_WINDOW)
        self._high = False

    @property
    def worst_s(self) -> float:
        return max(self._recent, default=0.0)

    @property
    def sustained_s(self) -> float:
        if len(self._recent) < _SUSTAINED:
            return 0.0
        return min(self._recent[-1 - back] for back in range(_SUSTAINED))

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
        if self._high != (self.sustained_s >= HIGH_S):
            self._high = not self._high
            if self._high:
                log.warning("loop_lags", action="watch", lag_s=round(self.sustained_s, 3))


LAG: Final = LoopLag()
"""This process's: it has one loop."""
