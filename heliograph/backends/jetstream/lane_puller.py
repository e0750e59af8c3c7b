"""One lane's worker side: strict levels over six consumers (three levels, each fresh and retried).

Reads the lane's and its retry lane's consumers. An item of a level is handed out only when no more urgent one is in
hand and the server has said that it has none; then the next level is asked. So a p2 that was fetched early waits here,
kept alive, while p0 after p0 goes by.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from heliograph.backends.jetstream.envelope import Book, Envelope
from heliograph.backends.jetstream.link import NatsLink
from heliograph.backends.jetstream.source import Source
from heliograph.backends.jetstream.topology import KINDS, consumer_of, stream_of
from heliograph.core.lanes import Lane
from heliograph.core.model import Level
from heliograph.core.ports import Pulled

_AHEAD: Final = 2
"""A sweep asks for so many batches: one to hand out, one to have at hand when the worker comes back."""


class LanePuller:
    def __init__(self, link: NatsLink, book: Book, lane: Lane, missing: Callable[[], None]) -> None:
        self._link = link
        self._book = book
        self._lane = lane
        self._batch = 1
        self._arrived = asyncio.Event()
        self._levels = [
            [
                Source(
                    link, book, lane, level, stream_of(kind, lane.name), consumer_of(lane, level),
                    changed=self.tend, missing=missing,
                )
                for kind in KINDS
            ]
            for level in Level
        ]  # fmt: skip

    async def start(self) -> None:
        for source in self._sources():
            await source.listen()
        await self.tend()

    async def leave(self) -> None:
        """Takes nothing in any more."""
        for source in self._sources():
            await source.leave()

    async def ready(self) -> Level:
        while (serving := self._serving()) is None:
            self._arrived.clear()
            await self._arrived.wait()
        return serving[0].level

    async def pull(self, limit: int) -> list[Pulled]:
        self._batch = max(1, limit)
        while True:
            await self.ready()
            taken = await self._take(limit)
            await self.tend()
            if taken:
                return taken

    def forget(self) -> None:
        """The connection is gone, and every open request with it."""
        for source in self._sources():
            source.forget()

    async def check(self, now: float) -> None:
        """To be called now and then: asks again where an answer is overdue."""
        overdue = [source for source in self._sources() if source.overdue(now)]
        if overdue:
            await self.tend()

    async def tend(self) -> None:
        """Asks for what should be asked for now: the most urgent level always, another only when all above are dry."""
        for level in self._levels if self._link.is_up else ():
            for source in level:
                if source.waiting < self._batch:
                    await source.ask(self._batch * _AHEAD)
            if any(source.filled or source.unsure for source in level):
                break
        if self._serving() is not None:
            self._arrived.set()

    def drop(self, envelope: Envelope) -> None:
        """Forgets what is left of a message that is on its way back."""
        for source in self._levels[envelope.level]:
            source.drop(envelope)

    def _serving(self) -> list[Source] | None:
        """The level whose turn it is; None = nothing in hand, or the server still owes word of a more urgent one."""
        for level in self._levels:
            if any(source.filled for source in level):
                return level
            if any(source.unsure for source in level):
                return None
        return None

    async def _take(self, limit: int) -> list[Pulled]:
        taken: list[Pulled] = []
        level = self._serving() or []
        while limit > 0 and (filled := [source for source in level if source.filled]):
            oldest = min(filled, key=lambda source: source.oldest_at)
            handed = await oldest.hand_out(limit)
            limit -= sum(pulled.item.weight for pulled in handed)
            taken += handed
        return taken

    def _sources(self) -> list[Source]:
        return [source for level in self._levels for source in level]
