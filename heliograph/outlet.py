"""One lane's way out: accounts at providers in the order they are tried, asked before the item is chosen.

The gate of the push worker's and the e-mail sender's consumers. A token comes first, the most urgent item after, so a
P0 that arrives during the wait goes next. Traffic moves on to the next account while one is down, and comes back when
it is up. Never more than `most` items are in hand per account: a provider that hangs must not take all of a process.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec

from heliograph.core.model import Level, Millis
from heliograph.core.ports import Clock
from heliograph.gate import Admission, Gate
from heliograph.guard import Guard

MOST: Final = 512
"""Twice the connections that a provider has: enough to keep them busy while the store is written."""
_SHARE: Final = 0.8
"""Of what may be in hand, for P1 and P2: some room is P0's own."""
_TICK_S: Final = 0.05
"""A P0 that arrives may use the reserve: whoever waits for a token looks up that often."""
_MOVES_ON_MS: Final = 5_000
"""A pause longer than this moves traffic to the next account, as an open breaker does."""
_SPARE_MS: Final = 1_000


class _Spare(msgspec.Struct):
    admission: Admission
    guard: Guard
    at: Millis


class Outlet(Gate):
    """Args:
    guards: in order of preference.
    most: items in hand at once, per account.
    """

    def __init__(
        self, guards: Sequence[Guard], clock: Clock, *, most: int = MOST,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:  # fmt: skip
        self._guards = guards
        self._clock = clock
        self._most = most
        self._sleep = sleep
        self._in_hand: Counter[str] = Counter()
        self._spare: _Spare | None = None

    @property
    def slots(self) -> int:
        """Batches in hand at once, at most: one more than can be, so that somebody always looks up."""
        return self._most * max(1, len(self._guards)) + 1

    async def admit(self, wanted: int, level: Level) -> Admission:
        spare = self._take_spare(wanted, level)
        if spare:
            return spare
        wait_s = _TICK_S
        for guard in self._guards:
            await guard.watch()
            room = self._room(guard, level)
            if room > 0:
                admitted = await guard.admit(min(wanted, room), level)
                if admitted.count:
                    self._in_hand[guard.provider] += admitted.count
                    return Admission(admitted.count, guard, admitted.probe, level)
                wait_s = min(wait_s, admitted.wait_s)
            if not _away(guard):
                break  # it is only slow: that is no reason to pay the next one
        await self._sleep(wait_s)
        return Admission(0)

    def unused(self, admission: Admission, count: int) -> None:
        self.ended(admission, count)
        if count > 0 and admission.guard and not admission.probe:
            self._give_back()
            self._spare = _Spare(msgspec.structs.replace(admission, count=count), admission.guard, self._clock())

    def ended(self, admission: Admission, count: int) -> None:
        if admission.guard:
            self._in_hand[admission.guard.provider] -= count

    def _room(self, guard: Guard, level: Level) -> int:
        most = self._most if level is Level.P0 else int(self._most * _SHARE)
        return most - self._in_hand[guard.provider]

    def _take_spare(self, wanted: int, level: Level) -> Admission | None:
        """Tokens that weren't needed serve the next second's items, unless they were granted to more urgent ones. Those
        that don't serve go back: a trickle of P0 that takes a batch's tokens each must not keep everybody from sending.
        """
        spare = self._spare
        if spare is None or not self._serves(spare, level):
            self._give_back()
            return None
        admission = msgspec.structs.replace(spare.admission, count=min(wanted, spare.admission.count), level=level)
        spare.admission = msgspec.structs.replace(spare.admission, count=spare.admission.count - admission.count)
        self._give_back()
        self._in_hand[spare.guard.provider] += admission.count
        return admission

    def _serves(self, spare: _Spare, level: Level) -> bool:
        if spare.at + _SPARE_MS <= self._clock() or level > spare.admission.level:
            return False
        guard = next((guard for guard in self._guards if not _away(guard)), None)
        return guard is spare.guard and not guard.held() and self._room(guard, level) >= spare.admission.count

    def _give_back(self) -> None:
        spare, self._spare = self._spare, None
        if spare and spare.admission.count:
            spare.guard.give_back(spare.admission.count, spare.at)


def _away(guard: Guard) -> bool:
    """Down, or silent for longer than mails should wait while another provider is there."""
    return guard.is_open or guard.paused_for_ms() > _MOVES_ON_MS
