"""One lane's worker side: strict levels over nine consumers (three levels, each fresh, retried and crowded).

Reads the consumers of the lane and of the two beside it. An item of a level is handed out only when no more urgent one
is in hand and the server has said that it has none; then the next level is asked. So a p2 that was fetched early waits
here, kept alive, while p0 after p0 goes by.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from typing import Final

from heliograph.backends.jetstream.envelope import Book, Envelope
from heliograph.backends.jetstream.link import NatsLink
from heliograph.backends.jetstream.source import Source
from heliograph.backends.jetstream.topology import KINDS, consumer_of, stream_of
from heliograph.core.crowding import Share, crowds_share
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
        self._crowd_was_last = False
        self._overtaken_at = -math.inf
        self._levels = [
            [
                Source(
                    link, book, lane, level, stream_of(kind, lane.name), consumer_of(lane, level),
                    changed=self.tend, missing=missing, crowd=kind == "crowd",
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
        """Of the level whose turn it is: the quiet ones, oldest first, then its share of the crowd."""
        level = self._serving() or []
        quiet = [source for source in level if not source.crowd]
        crowd = next((source for source in level if source.crowd and source.filled), None)
        share = self._share(limit, quiet, crowd)
        taken = await _oldest_first(quiet, limit - share.least)
        left = limit - sum(pulled.item.weight for pulled in taken)
        of_crowd = await _oldest_first([crowd], min(share.most, left)) if crowd else []
        self._crowd_was_last = bool(of_crowd)
        return taken + of_crowd

    def _share(self, limit: int, quiet: Sequence[Source], crowd: Source | None) -> Share:
        quiet_at = min((source.oldest_at for source in quiet if source.filled), default=None)
        crowd_at = crowd.oldest_at if crowd else None
        now = asyncio.get_running_loop().time()
        if quiet_at is not None and crowd_at is not None and crowd_at < quiet_at:
            self._overtaken_at = now
        return crowds_share(limit, quiet_at, crowd_at, now - self._overtaken_at, crowd_was_last=self._crowd_was_last)

    def _sources(self) -> list[Source]:
        return [source for level in self._levels for source in level]


async def _oldest_first(sources: Sequence[Source], limit: int) -> list[Pulled]:
    taken: list[Pulled] = []
    while limit > 0 and (filled := [source for source in sources if source.filled]):
        oldest = min(filled, key=lambda source: source.oldest_at)
        handed = await oldest.hand_out(limit)
        limit -= sum(pulled.item.weight for pulled in handed)
        taken += handed
    return taken
