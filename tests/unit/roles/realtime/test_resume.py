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
            self.client.connect(**({"since": self.position} if self.position else {}))

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


async def play(moves: list[Step], held: int) -> None:
    world = World(Limits(held=held))
    tabs = [Tab(world), Tab(world)]
    under_way: list[NotificationFrame] = []
    for move, which in moves:
        match move:
            case "append":
                epoch, entries = world.cache.stream(ANNA)
                under_way.append(world.cache.put(ANNA, f"ntf_{epoch}_{len(entries) + 1}"))
            case "deliver" | "again" | "drop" if which < len(under_way):
                if move != "drop":
                    world.node._hub.notify([under_way[which]])
                if move != "again":
                    under_way.pop(which)
            case "leave":
                tabs[which].leave()
            case "connect":
                tabs[which].connect()
            case "turn":
                for _ in range(which):
                    await asyncio.sleep(0)
            case "block":
                world.cache.gate.clear()
            case "unblock":
                world.cache.gate.set()
            case "wipe":
                world.cache.wipe()
            case "visit" if world.cache.gate.is_set():
                await world.node.refresh()
        for tab in tabs:
            tab.look()
    await at_the_end(world, tabs)


async def at_the_end(world: World, tabs: list[Tab]) -> None:
    """Once everything is quiet and three rounds are over, every client has all or was told to come back."""
    world.cache.gate.set()
    for _ in range(3):
        await world.settle()
        await world.node.refresh()
    await world.settle()
    epoch, entries = world.cache.stream(ANNA)
    for tab in tabs:
        tab.look()
        if tab.client is not None and not tab.told_to_come_back:
            assert tab.position == {"epoch": epoch, "offset": len(entries)}
    for tab in tabs:
        tab.leave()
    await world.settle()
    assert world.cache.leases == {}


@settings(max_examples=400, deadline=None)
@given(steps, st.sampled_from([1, 2, 1000]))
def test_consecutive_offsets_whatever_happens(moves: list[Step], held: int) -> None:
    """Any interleaving of appends, lost, doubled and shuffled bus messages, reconnects and wipes: no hole, no double;
    and a client that is still connected in the end has everything."""
    asyncio.run(play(moves, held))
