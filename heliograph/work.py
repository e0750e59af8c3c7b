"""What a role's processes do, told to all: how much they end, and how much one could end if it were always busy.

Reads the tallies of this process's consumers; writes one cell per role in the cache, where each process has its row.
Of no importance to any delivery: the autoscaler reads it.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final, Protocol

import msgspec

from heliograph.core.errors import PresenceUnavailable
from heliograph.core.model import Millis
from heliograph.core.ports import Cells, Clock

EVERY_S: Final = 1.0
_WINDOW: Final = 5
"""Looks over which a rate is taken."""
_SILENT_MS: Final = 5_000
"""A process that told nothing for so long is gone."""
_BUSY: Final = 0.5
"""With less of its time taken a process doesn't show what it can: small batches cost more an item."""
_KEPT_MS: Final = 60_000


class Work:
    """A consumer's tally. `busy_s` is time with at least one batch in hand."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.done = 0
        self._monotonic = monotonic
        self._busy_s = 0.0
        self._in_hand = 0
        self._since = 0.0

    def begin(self) -> None:
        if not self._in_hand:
            self._since = self._monotonic()
        self._in_hand += 1

    def end(self, items: int) -> None:
        self._in_hand -= 1
        self.done += items
        if not self._in_hand:
            self._busy_s += self._monotonic() - self._since

    @property
    def busy_s(self) -> float:
        return self._busy_s + (self._monotonic() - self._since if self._in_hand else 0.0)


class Row(msgspec.Struct, frozen=True, array_like=True):
    """One process: when it told, what it ends a second, what it would end if it were always busy (0 = can't tell)."""

    at: Millis
    done_per_s: float
    each_per_s: float


_rows: Final = msgspec.msgpack.Decoder(dict[str, Row])


class Worker(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def work(self) -> Work: ...


class WorkReports:
    """A service: tells every second, and leaves no row behind when it is stopped."""

    name = "work-reports"

    def __init__(self, workers: Sequence[Worker], cells: Cells, clock: Clock) -> None:
        self._cells = cells
        self._clock = clock
        self._process = secrets.token_hex(6)
        self._works: Mapping[str, list[Work]] = defaultdict(list)
        for worker in workers:
            self._works[worker.name].append(worker.work)
        self._looks: dict[str, deque[tuple[Millis, int, float]]] = defaultdict(lambda: deque(maxlen=_WINDOW + 1))

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self.tell()
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), EVERY_S)
        for role in self._works:
            await self._put(role, None)

    async def tell(self) -> None:
        for role, works in self._works.items():
            look = (self._clock(), sum(work.done for work in works), max(work.busy_s for work in works))
            self._looks[role].append(look)
            await self._put(role, _row(self._looks[role]))

    async def _put(self, role: str, row: Row | None) -> None:
        def step(was: bytes) -> bytes:
            others = {name: each for name, each in rows_of(was, self._clock()).items() if name != self._process}
            return msgspec.msgpack.encode(others | ({self._process: row} if row else {}))

        with suppress(PresenceUnavailable):
            await self._cells.change(f"work:{role}", step, _KEPT_MS)


def _row(looks: Sequence[tuple[Millis, int, float]]) -> Row:
    (began, done, busy_s), (now, done_now, busy_now) = looks[0], looks[-1]
    passed_s = max(0.001, (now - began) / 1000)
    items, took_s = done_now - done, busy_now - busy_s
    return Row(now, items / passed_s, items / took_s if took_s >= _BUSY * passed_s else 0.0)


def rows_of(cell: bytes, now: Millis) -> dict[str, Row]:
    """The living processes of a role's cell, by their names."""
    rows = _rows.decode(cell) if cell else {}
    return {name: row for name, row in rows.items() if now - row.at <= _SILENT_MS}


async def work_of(cells: Cells, role: str, now: Millis) -> list[Row]:
    """What a role's living processes told last. Raises `PresenceUnavailable`."""
    return [*rows_of(await cells.change(f"work:{role}", lambda was: was, _KEPT_MS), now).values()]
