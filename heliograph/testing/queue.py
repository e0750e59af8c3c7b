"""The twin of the message queue: the port `Queue` in memory, for tests of what stands on it.

Keeps messages in a `MemoryBroker` that several queues share as processes share a server. It can lose everything
(`wipe`), go away (`away`), and a queue can die with items in hand (`crash`). Never touches a file or a socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import GenericAlias
from typing import Final, cast

import msgspec

from heliograph.core.crowding import FairTurns, crowds_share
from heliograph.core.errors import QueueUnavailable
from heliograph.core.lanes import LANES, Lane, LaneItem
from heliograph.core.model import Level, Millis
from heliograph.core.ports import Clock, LaneState, Pulled

_LOOK_AGAIN_S: Final = 0.005
_WORN: Final = 3
"""What is given back after so many deliveries counts as new: many deliveries shall mean workers that died of it."""


class _Message:
    """One item, never packed with others. `holder` = the queue that has it in hand."""

    def __init__(self, lane: Lane, item: LaneItem, at: Millis, due: Millis, *, crowd: bool = False) -> None:
        self.lane = lane
        self.payload = msgspec.msgpack.encode([item])
        self.level = item.level
        self.at = at
        self.due = due
        self.crowd = crowd
        self.deliveries = 0
        self.holder: MemoryQueue | None = None

    def read(self) -> LaneItem:
        """A copy, as it would come out of a wire."""
        items = msgspec.msgpack.decode(self.payload, type=GenericAlias(list, (self.lane.item,)))
        return cast("LaneItem", items[0])


class MemoryBroker:
    """What a queue server is to its clients."""

    def __init__(self) -> None:
        self.away = False
        self.limits = {lane.name: lane.max_bytes for lane in LANES}
        self.births = 0
        self._messages: dict[tuple[str, Level], list[_Message]] = {}
        self._changed = asyncio.Event()

    def wipe(self) -> None:
        """Loses everything, as when a server's disk is deleted."""
        self._messages.clear()
        self.births += 1

    def put(self, messages: Sequence[_Message]) -> None:
        """Raises `QueueUnavailable` when the lane is full."""
        for message in messages:
            if self._size(message.lane) + len(message.payload) > self.limits[message.lane.name]:
                raise QueueUnavailable("maximum bytes exceeded")
            self.of(message.lane, message.level).append(message)
        self.wake()

    def remove(self, message: _Message) -> None:
        waiting = self.of(message.lane, message.level)
        if message in waiting:
            waiting.remove(message)

    def of(self, lane: Lane, level: Level) -> list[_Message]:
        return self._messages.setdefault((lane.name, level), [])

    def held_by(self, holder: MemoryQueue) -> list[_Message]:
        return [message for messages in self._messages.values() for message in messages if message.holder is holder]

    def wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def change(self, within_s: float) -> None:
        """Returns when something changed, or when the time is up."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), within_s)

    def _size(self, lane: Lane) -> int:
        return sum(len(message.payload) for level in Level for message in self.of(lane, level))


class MemoryQueue:
    """Implements `Queue`.

    Args:
        clock: decides when what was published for later may be pulled.
        broker: shared with other queues; one of its own if there is none.
    """

    def __init__(self, clock: Clock, broker: MemoryBroker | None = None) -> None:
        self.broker = broker or MemoryBroker()
        self._clock = clock
        self._turns = FairTurns()
        self._crowd_was_last = False

    async def connect(self) -> None:
        """Nothing to do."""

    async def close(self) -> None:
        """Gives back what nobody settled."""
        self._give_back(self.broker.held_by(self))

    async def crash(self) -> None:
        """Ends without a word, as a killed process does."""
        self._release(self.broker.held_by(self))

    async def publish(self, lane: Lane, items: Sequence[LaneItem]) -> None:
        self._reach()
        now = self._clock()
        quiet, crowd = self._turns.apart(lane, items, now)
        self.broker.put(
            [
                *(_Message(lane, item, now, now) for item in quiet),
                *(_Message(lane, item, now, now, crowd=True) for item in crowd),
            ]
        )

    async def publish_later(self, lane: Lane, items: Sequence[tuple[LaneItem, Millis]]) -> None:
        self._reach()
        now = self._clock()
        self.broker.put([_Message(lane, item, max(now, at), at) for item, at in items])

    async def ready(self, lane: Lane) -> Level:
        return (await self._first(lane))[0].level

    async def pull(self, lane: Lane, limit: int) -> Sequence[Pulled]:
        pulled: list[Pulled] = []
        for message in self._in_turn(await self._first(lane), limit):
            pulled.append(self._hand_out(message))
            limit -= pulled[-1].item.weight
            if limit <= 0:
                break
        return pulled

    async def settle(self, pulled: Sequence[Pulled]) -> None:
        for message in _messages(pulled):
            self.broker.remove(message)

    async def give_back(self, pulled: Sequence[Pulled]) -> None:
        self._give_back(_messages(pulled))

    async def lanes(self) -> Mapping[tuple[str, Level], LaneState]:
        self._reach()
        return {(lane.name, level): self._state(lane, level) for lane in LANES for level in Level}

    async def incarnation(self) -> str:
        self._reach()
        return str(self.broker.births)

    def _reach(self) -> None:
        if self.broker.away:
            raise QueueUnavailable("away, as the test wants it")

    async def _first(self, lane: Lane) -> list[_Message]:
        """What can be pulled of the most urgent level that has anything; waits for it."""
        while True:
            for level in Level:
                waiting = [message for message in self._due(lane, level) if message.holder is None]
                if waiting and not self.broker.away:
                    return waiting
            await self.broker.change(_LOOK_AGAIN_S)

    def _in_turn(self, waiting: list[_Message], limit: int) -> list[_Message]:
        """Of what waits, what is served first."""
        quiet = [message for message in waiting if not message.crowd]
        crowd = [message for message in waiting if message.crowd]
        quiet_at, crowd_at = (side[0].at if side else None for side in (quiet, crowd))
        share = crowds_share(limit, quiet_at, crowd_at, math.inf, crowd_was_last=self._crowd_was_last)
        taken = quiet[: limit - share.least]
        of_crowd = crowd[: min(share.most, limit - len(taken))]
        self._crowd_was_last = bool(of_crowd)
        return taken + of_crowd

    def _due(self, lane: Lane, level: Level) -> Iterator[_Message]:
        now = self._clock()
        return (message for message in self.broker.of(lane, level) if message.due <= now)

    def _hand_out(self, message: _Message) -> Pulled:
        message.holder = self
        message.deliveries += 1
        return Pulled(message.read(), message.level, message.deliveries > 1, message.deliveries, message)

    def _give_back(self, messages: Sequence[_Message]) -> None:
        for message in messages:
            message.deliveries %= _WORN
        self._release(messages)

    def _release(self, messages: Iterable[_Message]) -> None:
        for message in messages:
            message.holder = None
        self.broker.wake()

    def _state(self, lane: Lane, level: Level) -> LaneState:
        due = [*self._due(lane, level)]
        return LaneState(
            depth=len(due),
            in_flight=sum(message.holder is not None for message in due),
            oldest_at=min((message.at for message in due), default=None),
        )


def _messages(pulled: Sequence[Pulled]) -> list[_Message]:
    return [cast("_Message", each.receipt) for each in pulled]
