"""Who is connected, what they get, and how holes are filled."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from heliograph.core.errors import PresenceUnavailable
from heliograph.core.frames import InboxFrame, NotificationFrame, pack_inbox, read_all_text
from heliograph.core.model import Key
from heliograph.core.ports import Position, StreamEntry
from heliograph.roles.realtime import Limits, holes
from tests.unit.roles.realtime.world import ANNA, BERT, World


async def test_every_tab_of_the_user_and_nobody_else() -> None:
    """A notification goes to all connections of its user."""
    world = World()
    tabs = [await world.connect(), await world.connect()]
    other = await world.connect(BERT)
    await world.push(ANNA, "ntf_1")
    assert [tab.link.offsets for tab in (*tabs, other)] == [[1], [1], []]
    assert tabs[0].link.got("notification")[0]["notification"] == {"id": "ntf_1"}


async def test_doubles_are_dropped() -> None:
    """At most once per offset, however often the bus delivers."""
    world = World()
    client = await world.connect()
    frame = world.cache.put(ANNA, "ntf_1")
    await world.notify(frame, frame)
    await world.notify(frame)
    assert client.link.offsets == [1]


async def test_a_hole_is_filled_from_the_stream() -> None:
    """A frame whose predecessors were lost makes one fetch, after which all come in order."""
    world = World()
    client, second = await world.connect(), await world.connect()
    lost = [world.cache.put(ANNA, f"ntf_{number}") for number in range(1, 4)]
    await world.push(ANNA, "ntf_4")
    await world.notify(*lost)
    assert client.link.offsets == second.link.offsets == [1, 2, 3, 4]
    assert world.cache.calls.count("since") == 1


async def test_one_fetch_per_user_at_a_time() -> None:
    """Frames that arrive during a fetch make no second one."""
    world = World()
    client = await world.connect()
    world.cache.put(ANNA, "ntf_1")
    world.cache.gate.clear()
    for number in range(2, 6):
        await world.push(ANNA, f"ntf_{number}")
    world.cache.gate.set()
    await world.settle()
    assert client.link.offsets == [1, 2, 3, 4, 5]
    assert world.cache.calls.count("since") == 1


async def test_a_hole_that_cannot_be_filled() -> None:
    """The stream no longer has it: the client must come back, and gets nothing out of order meanwhile."""
    world = World()
    client = await world.connect()
    world.cache.keep(2)
    for number in range(1, 5):
        frame = world.cache.put(ANNA, f"ntf_{number}")
    await world.notify(frame)
    assert [frame["t"] for frame in client.link.frames] == ["connected", "reconnect"]
    assert 0 <= client.link.frames[-1]["after_ms"] <= 2000
    await world.pass_time(2.5)
    assert client.link.closed == 1012


async def test_a_stream_that_lacks_what_the_bus_showed() -> None:
    """Fetching without progress ends: the client must come back."""
    world = World()
    client = await world.connect()
    stream = world.cache.server.stream(ANNA)
    await world.notify(NotificationFrame(ANNA, stream.epoch, StreamEntry(7, "ntf_7", True, b"{}")))
    assert client.link.got("reconnect")
    assert world.cache.calls.count("since") == 1


async def test_a_fetch_that_gets_only_part() -> None:
    """Progress is progress: fetched again from where the client stands then."""
    world = World()
    client = await world.connect()
    working = world.cache.since

    async def part(user: Key, position: Position) -> Sequence[StreamEntry] | None:
        found = await working(user, position)
        return found[:2] if found else found

    world.cache.since = part  # type: ignore[method-assign]
    for number in range(1, 5):
        frame = world.cache.put(ANNA, f"ntf_{number}")
    await world.notify(frame)
    assert client.link.offsets == [1, 2, 3, 4]
    assert not client.link.got("reconnect")


async def test_a_fetch_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache is away for a moment: the hole is filled when it is back."""
    monkeypatch.setattr(holes, "_FIRST_WAIT_S", 0)
    world = World()
    client = await world.connect()
    working, failures = world.cache.since, [PresenceUnavailable(), PresenceUnavailable()]

    async def shaky(*arguments: object) -> object:
        if failures:
            raise failures.pop()
        return await working(*arguments)  # type: ignore[arg-type]

    world.cache.since = shaky  # type: ignore[method-assign,assignment]
    world.cache.put(ANNA, "ntf_1")
    await world.push(ANNA, "ntf_2")
    assert client.link.offsets == [1, 2]


async def test_another_epoch_makes_the_client_come_back() -> None:
    """The stream began anew: reconnect within 2 s, so that the client reloads."""
    world = World()
    client = await world.connect()
    await world.push(ANNA, "ntf_1")
    world.cache.server.flush()
    await world.push(ANNA, "ntf_2")
    assert client.link.offsets == [1]
    assert len(client.link.got("reconnect")) == 1
    await world.push(ANNA, "ntf_3")
    again = await world.connect(since=client.position)
    assert again.connected["recovered"] is False


async def test_held_frames_are_limited() -> None:
    """A flood during a slow opening takes little memory; what wasn't held is fetched."""
    world = World(Limits(held=2))
    client = world.arrive()
    world.cache.gate.clear()
    client.connect(since={"epoch": "epoch-1", "offset": 0})
    await world.settle()
    frames = [world.cache.put(ANNA, f"ntf_{number}") for number in range(1, 8)]
    await world.notify(*frames[3:], frames[1])
    assert len(client.connection._held or []) == 2
    world.cache.gate.set()
    await world.settle()
    assert client.link.offsets == [1, 2, 3, 4, 5, 6, 7]


async def test_a_round_finds_what_the_bus_lost() -> None:
    """A lost message that nothing follows is found by the next visits; so is a stream that is gone."""
    world = World()
    anna, bert = await world.connect(), await world.connect(BERT)
    world.cache.put(ANNA, "ntf_1")
    del world.cache.server.streams[BERT]
    for _ in range(3):
        await world.node.refresh()
    await world.settle()
    assert anna.link.offsets == [1]
    assert bert.link.got("reconnect")


async def test_a_round_visits_everybody_in_shares() -> None:
    """A third of the users with every refresh: nobody is left out, nobody comes twice."""
    world = World()
    for number in range(10):
        await world.connect(Key("default", f"u{number}"))
    world.cache.calls.clear()
    per_refresh = []
    for _ in range(3):
        before = world.cache.calls.count("open_stream")
        await world.node.refresh()
        per_refresh.append(world.cache.calls.count("open_stream") - before)
    assert per_refresh == [4, 4, 2]


async def test_inbox_frames_carry_a_fresh_count() -> None:
    """Frames for users here get the count of now, in order; others cost nothing."""
    world = World()
    client = await world.connect()
    world.inbox.counted.clear()
    await world.inbox.hold(ANNA, "ntf_1", "ntf_2")
    texts = [read_all_text(1000), read_all_text(2000)]
    for payload in pack_inbox([*(InboxFrame(ANNA, text) for text in texts), InboxFrame(BERT, texts[0])]):
        await world.node._receive(payload)
    await world.settle()
    assert client.link.got("inbox") == [json.loads(text) | {"unread": 2} for text in texts]
    assert world.inbox.counted == [[ANNA]]


async def test_garbage_on_the_bus_is_refused() -> None:
    """Nobody can end a node by sending it something."""
    world = World()
    client = await world.connect()
    for payload in (b"", b"\x00", b"garbage", b"\x92\xa1n", b"\x92\xa1x\x90"):
        await world.node._receive(payload)
    await world.push(ANNA, "ntf_1")
    assert client.link.offsets == [1]


async def test_leases_follow_connections() -> None:
    """One lease per user, one per device; each ends with the last connection that is a reason for it."""
    world = World()
    user, phone = (ANNA, "n1", ""), (ANNA, "n1", "dev_1")
    web, app, app_too = await world.connect(), await world.connect(device="dev_1"), await world.connect(device="dev_1")
    assert world.cache.leases == {user, phone}
    for client, left in ((app, {user, phone}), (app_too, {user}), (web, set())):
        client.leave()
        await world.settle()
        assert world.cache.leases == left


async def test_tabs_share_a_lease() -> None:
    """Twenty tabs of one user at once: one lease is written."""
    world = World()
    for _ in range(20):
        world.arrive().connect()
    await world.settle()
    assert [call for call in world.cache.calls if call.startswith("renew")] == ["renew 1"]


async def test_leaving_and_coming_back_keeps_the_lease() -> None:
    """A release that is late must not take the lease of the next connection."""
    world = World()
    first = await world.connect()
    world.cache.gate.clear()
    first.leave()
    await world.settle()
    world.arrive().connect()
    await world.settle()
    world.cache.gate.set()
    await world.settle()
    assert world.cache.leases == {(ANNA, "n1", "")}


async def test_refresh_renews_in_chunks_and_after_data_loss() -> None:
    """One pipeline call per thousand leases; a cache that lost its data has them again."""
    world = World(Limits(connections_per_user=1))
    for number in range(1001):
        world.arrive().connect(Key("default", f"u{number}"))
    for _ in range(80):
        await world.settle()
    assert len(world.cache.leases) == 1001
    world.cache.server.flush()
    world.cache.calls.clear()
    await world.node.refresh()
    assert [call for call in world.cache.calls if call.startswith("renew")] == ["renew 1000", "renew 1"]
    assert len(world.cache.leases) == 1001


async def test_a_cache_that_is_away_does_not_end_the_refresh() -> None:
    """Neither an exception nor a lost client; the leases are there when it is back."""
    world = World()
    client = await world.connect()
    world.cache.server.away = True
    await world.node.refresh()
    await world.node.refresh()
    world.cache.server.flush()
    world.cache.server.away = False
    await world.node.refresh()
    assert world.cache.leases == {(ANNA, "n1", "")}
    assert client.link.closed is None
