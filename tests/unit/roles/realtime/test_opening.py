"""From the connect frame to `connected`: what is resumed, and what happens when backends are away."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from heliograph.core.model import Key
from heliograph.core.ports import StreamEntry
from heliograph.roles.realtime import Limits
from heliograph.roles.realtime.opening import whole
from tests.unit.roles.realtime.world import ANNA, BERT, World


async def test_the_gap_comes_before_connected() -> None:
    """A client that gives its position gets what it missed, then `connected` with recovered, then what came since."""
    world = World()
    for number in range(1, 4):
        world.cache.put(ANNA, f"ntf_{number}")
    client = await world.connect(since={"epoch": "epoch-1", "offset": 1})
    await world.push(ANNA, "ntf_4")
    assert [(frame["t"], frame["offset"]) for frame in client.link.frames] == [
        ("notification", 2), ("notification", 3), ("connected", 3), ("notification", 4),
    ]  # fmt: skip
    assert client.connected["recovered"] is True
    client.say({"t": "ack", "offset": 4})
    await world.settle()
    assert world.inbox.acknowledged == ["ntf_2", "ntf_3", "ntf_4"]


SINCE: list[tuple[dict[str, Any], bool]] = [
    ({"epoch": "epoch-1", "offset": 3}, True),
    ({"epoch": "epoch-1", "offset": 1}, True),
    ({"epoch": "epoch-1", "offset": 0}, False),  # too long ago: two entries are kept
    ({"epoch": "epoch-1", "offset": 4}, False),  # from the future
    ({"epoch": "epoch-0", "offset": 3}, False),
    ({"epoch": "", "offset": 0}, False),
]


@pytest.mark.parametrize(("since", "recovered"), SINCE)
async def test_what_can_be_resumed(since: dict[str, Any], recovered: bool) -> None:
    """No gap frames unless the whole gap can be given; then the client must reload."""
    world = World()
    world.cache.keep(2)
    for number in range(1, 4):
        world.cache.put(ANNA, f"ntf_{number}")
    client = await world.connect(since=since)
    assert client.connected["recovered"] is recovered
    assert client.connected["offset"] == 3
    assert client.link.offsets == (list(range(since["offset"] + 1, 4)) if recovered else [])


@pytest.mark.parametrize(
    ("offsets", "after", "until", "accepted"),
    [
        ([], 3, 3, True),
        ([4, 5], 3, 5, True),
        ([4, 5, 6], 3, 5, True),
        ([], 3, 4, False),
        ([5], 3, 5, False),
        ([4, 6], 3, 6, False),
        ([4], 3, 5, False),
        ([], 5, 3, False),
        ([3, 4], 3, 4, False),
    ],
)
def test_whole(offsets: list[int], after: int, until: int, accepted: bool) -> None:
    """A gap counts only if nothing is missing in it."""
    entries = [StreamEntry(offset, "n", True, b"{}") for offset in offsets]
    assert whole(entries, after, until) == (entries if accepted else None)


async def test_what_arrives_while_opening_is_not_lost() -> None:
    """Appended after the position was read, delivered before `connected`: it follows `connected`, once."""
    world = World()
    client = world.arrive()
    world.cache.gate.clear()
    client.connect()
    await world.settle()
    await world.push(ANNA, "ntf_1")
    assert client.link.frames == []
    frame = world.cache.put(ANNA, "ntf_2")
    world.cache.gate.set()
    await world.notify(frame)
    await world.push(ANNA, "ntf_3")
    assert client.link.frames[0]["t"] == "connected"
    seen = range(client.connected["offset"] + 1, 4)
    assert client.link.offsets == list(seen)


@pytest.mark.parametrize("held", [1, 1000])
async def test_what_arrives_between_position_and_connected(held: int) -> None:
    """Kept, and sent after `connected`, in order; what was not kept is fetched."""
    world = World(Limits(held=held))
    world.inbox.gate.clear()
    client = await world.connect()
    first, second, third = (world.cache.put(ANNA, f"ntf_{number}") for number in (1, 2, 3))
    await world.notify(third, second, first)
    assert client.link.frames == []
    world.inbox.gate.set()
    await world.settle()
    assert [frame["t"] for frame in client.link.frames] == ["connected", *["notification"] * 3]
    assert client.link.offsets == [1, 2, 3]


async def test_the_lease_is_taken_before_the_position_is_read() -> None:
    """The other way round a notification could fall in between."""
    world = World()
    await world.connect(since={"epoch": "epoch-1", "offset": 0})
    assert world.cache.calls == ["renew 1", "open_stream"]


async def test_connects_while_the_cache_is_away() -> None:
    """Presence and streams are down: connected all the same, with nothing recovered."""
    world = World()
    world.cache.server.away = True
    client = await world.connect(since={"epoch": "epoch-1", "offset": 0})
    frame = client.connected
    assert (frame["epoch"], frame["offset"], frame["recovered"]) == ("", 0, False)
    world.cache.server.away = False
    for _ in range(3):
        await world.node.refresh()
    assert world.cache.online(ANNA, world.time.clock())
    assert client.link.got("reconnect"), "it must come back to get a position"


async def test_nobody_queues_for_a_cache_that_is_away() -> None:
    """After one failure the next clients don't even try for a second."""
    world = World()
    world.cache.server.away = True
    await world.connect()
    calls = len(world.cache.calls)
    client = await world.connect(BERT)
    assert client.connected["epoch"] == ""
    assert len(world.cache.calls) == calls
    world.cache.server.away = False
    world.time.now += 1.1
    assert (await world.connect(BERT)).connected["epoch"] != ""


async def test_connects_while_the_store_is_away() -> None:
    """No unread count then: null, and the client keeps its own."""
    world = World()
    world.inbox.failures = 1
    client = await world.connect()
    assert client.connected["unread"] is None


async def test_a_storm_costs_few_reads() -> None:
    """A hundred clients at once share their count reads and lease writes."""
    world = World()
    clients = [world.arrive() for _ in range(100)]
    for number, client in enumerate(clients):
        client.connect(Key("default", f"u{number}"))
    for _ in range(20):
        await world.settle()
    assert all(client.connected for client in clients)
    assert len(world.inbox.counted) <= 50
    assert [call for call in world.cache.calls if call.startswith("renew")] == ["renew 100"]


async def test_leaving_while_opening() -> None:
    """A client that is gone before its position is known leaves no lease and breaks nothing."""
    world = World()
    world.cache.gate.clear()
    client = world.arrive()
    client.connect()
    await world.settle()
    client.leave()
    world.cache.gate.set()
    await world.settle()
    assert world.cache.leases == set()
    assert client.link.frames == []


async def test_a_bug_reaches_one_client_only(caplog: pytest.LogCaptureFixture) -> None:
    """What a backend raises against its declaration closes this client with 1011."""
    world = World()
    working = world.cache.open_stream

    async def broken(user: object) -> Any:
        raise RuntimeError("bug")

    world.cache.open_stream = broken  # type: ignore[method-assign]
    client = await world.connect()
    assert client.link.closed == 1011
    world.cache.open_stream = working  # type: ignore[method-assign]
    assert (await world.connect()).connected


async def test_opens_run_a_few_at_a_time() -> None:
    """A storm waits in the node, not for the cache's connections, where waiting ends in an error."""
    world = World()
    running = most = 0
    working = world.cache.open_stream

    async def watched(user: Any) -> Any:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return await working(user)

    world.cache.open_stream = watched  # type: ignore[method-assign]
    for _ in range(20):
        world.arrive().connect()
    for _ in range(10):
        await world.settle()
    assert 1 < most <= 8
