"""Resume (G4): whatever happens to bus messages and connections, a client sees consecutive offsets."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.core.frames import NotificationFrame
from heliograph.roles.realtime import Limits
from tests.unit.roles.realtime.world import ANNA, Client, World

Step = tuple[str, int]
steps = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.just(0)),
        st.tuples(st.just("deliver"), st.integers(0, 5)),  # the n-th message under way, whatever its age
        st.tuples(st.just("again"), st.integers(0, 5)),  # the same, but it stays under way: a double
        st.tuples(st.just("drop"), st.integers(0, 5)),
        st.tuples(st.just("leave"), st.integers(0, 1)),
        st.tuples(st.just("connect"), st.integers(0, 1)),
        st.tuples(st.just("turn"), st.integers(1, 4)),  # the event loop runs a little
        st.tuples(st.just("block"), st.just(0)),  # the cache answers nobody
        st.tuples(st.just("unblock"), st.just(0)),
        st.tuples(st.just("wipe"), st.just(0)),  # the cache loses its data
        st.tuples(st.just("visit"), st.just(0)),
    ),
    max_size=60,
)


class Tab:
    """A client with a memory: what it has seen of the stream, over all its connections."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.position: dict[str, Any] | None = None
        self.client: Client | None = None
        self.read = 0
        self.seen: list[int] = []

    def connect(self) -> None:
        if self.client is None:
            self.client, self.read = self.world.arrive(), 0
            self.client.connect(since=self.position)

    def leave(self) -> None:
        if self.client is not None:
            self.look()
            self.client.leave()
            self.client = None

    def look(self) -> None:
        """Checks what came: offsets without hole or double from where it stood, or told to reload."""
        if self.client is None:
            return
        frames, self.read = self.client.link.frames[self.read :], len(self.client.link.frames)
        for frame in frames:
            if frame["t"] == "notification":
                # Before `connected` these are the gap, and continue what it had.
                assert self.position is not None
                assert frame["offset"] == self.position["offset"] + 1
                self.position = {**self.position, "offset": frame["offset"]}
                assert frame["notification"] == {"id": f"ntf_{self.position['epoch']}_{frame['offset']}"}
            elif frame["t"] == "connected":
                if frame["recovered"]:
                    assert self.position == {"epoch": frame["epoch"], "offset": frame["offset"]}
                self.position = {"epoch": frame["epoch"], "offset": frame["offset"]}

    @property
    def told_to_come_back(self) -> bool:
        return self.client is not None and bool(self.client.link.got("reconnect"))


class Play:
    """Two tabs of one user, and the bus messages that are under way."""

    def __init__(self, held: int) -> None:
        self.world = World(Limits(held=held))
        self.tabs = [Tab(self.world), Tab(self.world)]
        self.under_way: list[NotificationFrame] = []

    async def step(self, move: str, which: int) -> None:
        await getattr(self, move)(which)
        for tab in self.tabs:
            tab.look()

    async def append(self, _: int) -> None:
        stream = self.world.cache.server.stream(ANNA)
        self.under_way.append(self.world.cache.put(ANNA, f"ntf_{stream.epoch}_{len(stream.entries) + 1}"))

    async def again(self, which: int) -> None:
        if which < len(self.under_way):
            self.world.node._hub.notify([self.under_way[which]])

    async def drop(self, which: int) -> None:
        if which < len(self.under_way):
            self.under_way.pop(which)

    async def deliver(self, which: int) -> None:
        await self.again(which)
        await self.drop(which)

    async def leave(self, which: int) -> None:
        self.tabs[which].leave()

    async def connect(self, which: int) -> None:
        self.tabs[which].connect()

    async def turn(self, times: int) -> None:
        for _ in range(times):
            await asyncio.sleep(0)

    async def block(self, _: int) -> None:
        self.world.cache.gate.clear()

    async def unblock(self, _: int) -> None:
        self.world.cache.gate.set()

    async def wipe(self, _: int) -> None:
        self.world.cache.server.flush()

    async def visit(self, _: int) -> None:
        if self.world.cache.gate.is_set():
            await self.world.node.refresh()


async def at_the_end(world: World, tabs: list[Tab]) -> None:
    """Once everything is quiet and three rounds are over, every client has all or was told to come back."""
    world.cache.gate.set()
    for _ in range(3):
        await world.settle()
        await world.node.refresh()
    await world.settle()
    stream = world.cache.server.stream(ANNA)
    for tab in tabs:
        tab.look()
        if tab.client is not None and not tab.told_to_come_back:
            assert tab.position == {"epoch": stream.epoch, "offset": len(stream.entries)}
    for tab in tabs:
        tab.leave()
    await world.settle()
    assert world.cache.leases == set()


@settings(max_examples=400, deadline=None)
@given(steps, st.sampled_from([1, 2, 1000]))
def test_consecutive_offsets_whatever_happens(moves: list[Step], held: int) -> None:
    """Any interleaving of appends, lost, doubled and shuffled bus messages, reconnects and wipes: no hole, no double;
    and a client that is still connected in the end has everything."""
    asyncio.run(play(moves, held))


async def play(moves: list[Step], held: int) -> None:
    game = Play(held)
    for move, which in moves:
        await game.step(move, which)
    await at_the_end(game.world, game.tabs)
