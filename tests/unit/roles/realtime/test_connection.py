"""The connection's state machine, through a node with an in-memory world."""

from __future__ import annotations

from typing import Any

import pytest

from heliograph.roles.realtime import Limits
from tests.unit.roles.realtime.world import ANNA, World

FIRST_FRAMES: list[tuple[bytes, int]] = [
    (b"", 4400),
    (b"hello", 4400),
    (b"[]", 4400),
    (b"null", 4400),
    (b'"connect"', 4400),
    (b"{}", 4400),
    (b'{"t":5}', 4400),
    (b'{"t":"hello"}', 4400),
    (b'{"t":"connect","token":5}', 4400),
    (b'{"t":"connect","token":"x","since":5}', 4400),
    (b'{"t":"connect","token":"x","since":{"epoch":"a"}}', 4400),
    (b'{"t":"connect","token":"x","since":{"epoch":"a","offset":-1}}', 4400),
    (b'{"t":"connect","token":"x","since":{"epoch":"a","offset":"1"}}', 4400),
    (b'{"t":"connect","token":"x","since":{"epoch":"a","offset":99999999999999999999}}', 4400),
    (b'{"t":"connect","token":"x","device":""}', 4400),
    (b'{"t":"connect","token":"\xff"}', 4400),
    (b"[" * 15_000, 4400),
    (b'{"t":"connect"}', 4401),
    (b'{"t":"connect","token":null}', 4401),
    (b'{"t":"connect","token":""}', 4401),
    (b'{"t":"connect","token":"x.y.z"}', 4401),
    (b'{"t":"ping"}', 4401),
    (b'{"t":"ack","offset":1}', 4401),
]


@pytest.mark.parametrize(("text", "code"), FIRST_FRAMES)
async def test_a_bad_first_frame_closes(text: bytes, code: int) -> None:
    """The first frame is connect with a token: 4401 without a good token, 4400 for what is no frame."""
    client = World().arrive()
    client.say(text)
    assert (client.link.closed, client.link.frames) == (code, [])


LATER_FRAMES: list[bytes] = [
    b"",
    b"{",
    b'{"t":"nonsense"}',
    b'{"t":"notification","offset":1}',
    b'{"t":"ack"}',
    b'{"t":"ack","offset":-1}',
    b'{"t":"ack","offset":1.5}',
    b'{"t":"ack","offset":true}',
    b'{"t":"ack","offset":null}',
    b'{"t":"seen"}',
    b'{"t":"seen","id":5}',
    b'{"t":"read","id":""}',
    b'{"t":"connect","token":"x"}',
]


@pytest.mark.parametrize("text", LATER_FRAMES)
async def test_a_bad_later_frame_closes(text: bytes) -> None:
    """4400 for everything the contract has no frame for, a second connect among it."""
    client = await World().connect()
    client.say(text)
    assert client.link.closed == 4400


async def test_unknown_fields_are_ignored() -> None:
    """A newer client may say more than this server understands."""
    client = await World().connect(agent="heliograph-js/9")
    client.say({"t": "ack", "offset": 0, "more": 1})
    assert client.link.closed is None


async def test_connected_says_where_the_client_stands() -> None:
    """CONTRACT section 5: session, epoch, offset, recovered, unread, heartbeat_s; without `since` nothing recovers."""
    world = World()
    await world.inbox.hold(ANNA, "ntf_1", "ntf_2", "ntf_3")
    world.cache.put(ANNA, "ntf_1")
    client = await world.connect()
    frame = client.connected
    assert frame.pop("session")
    assert frame == {
        "t": "connected", "epoch": "epoch-1", "offset": 1, "recovered": False, "unread": 3, "heartbeat_s": 25,
    }  # fmt: skip
    assert client.link.offsets == []


async def test_no_connect_frame_in_time() -> None:
    """The connect frame is due within 5 s."""
    world = World()
    client = world.arrive()
    await world.pass_time(4.9)
    assert client.link.closed is None
    await world.pass_time(0.8)
    assert client.link.closed == 4401


@pytest.mark.parametrize("ttl_s", [3, 30, 100])
async def test_an_expired_token_closes(ttl_s: int) -> None:
    """A connection doesn't outlive its token, however long the heartbeat."""
    world = World()
    client = world.arrive()
    client.connect(ttl_s=ttl_s)
    await world.settle()
    for _ in range(ttl_s - 1):
        await world.pass_time(1)
        client.say({"t": "pong"})
        assert client.link.closed is None
    await world.pass_time(1.6)
    assert client.link.closed == 4401


async def test_two_missed_pings_close() -> None:
    """The server pings every heartbeat; two without any answer end it."""
    world = World()
    client = await world.connect()
    await world.pass_time(26)
    assert len(client.link.got("ping")) == 1
    client.say({"t": "pong"})
    await world.pass_time(51)
    assert client.link.closed is None
    await world.pass_time(30)
    assert client.link.closed == 4408
    assert len(client.link.got("ping")) <= 4


@pytest.mark.parametrize("frame", [{"t": "pong"}, {"t": "ping"}, {"t": "ack", "offset": 0}])
async def test_any_frame_is_a_sign_of_life(frame: dict[str, Any]) -> None:
    """Whoever talks need not answer pings."""
    world = World()
    client = await world.connect()
    for _ in range(20):
        await world.pass_time(20)
        client.say(frame)
    assert client.link.closed is None


async def test_ping_is_answered() -> None:
    client = await World().connect()
    client.say({"t": "ping"})
    assert client.link.frames[-1] == {"t": "pong"}


async def test_the_client_has_ten_seconds_to_answer_a_close() -> None:
    """A socket whose client doesn't answer our close frame is aborted."""
    world = World()
    client = world.arrive()
    client.say(b"x")
    await world.pass_time(9.9)
    assert not client.link.aborted
    await world.pass_time(0.9)
    assert client.link.aborted


async def test_frames_beyond_the_allowance_close() -> None:
    """200 frames at once and 100 a second are fine; more is 4429."""
    world = World()
    client = await world.connect()
    for _ in range(199):
        client.say({"t": "pong"})
    for _ in range(5):
        await world.pass_time(1)
        for _ in range(100):
            client.say({"t": "pong"})
    assert client.link.closed is None
    for _ in range(110):
        client.say({"t": "pong"})
    assert client.link.closed == 4429


async def test_the_twenty_first_connection_of_a_user_is_refused() -> None:
    """More than 20 connections of one user on a node: 4429 for the new one, the others stay; another user may come."""
    world = World()
    clients = [await world.connect() for _ in range(21)]
    assert [client.link.closed for client in clients] == [None] * 20 + [4429]
    assert world.cache.online(ANNA, world.time.clock())
    clients[0].leave()
    assert (await world.connect()).link.closed is None


async def test_acknowledged_once_per_notification() -> None:
    """A cumulative ack makes every planned notification up to it delivered, once per node, whatever tabs repeat."""
    world = World()
    first, second = await world.connect(), await world.connect()
    for number in range(1, 5):
        await world.push(ANNA, f"ntf_{number}", planned=number != 2)
    first.say({"t": "ack", "offset": 3})
    first.say({"t": "ack", "offset": 1})
    second.say({"t": "ack", "offset": 2})
    await world.settle()
    assert world.inbox.acknowledged == ["ntf_1", "ntf_3"]
    second.say({"t": "ack", "offset": 4})
    await world.settle()
    assert [(e.notification_id, e.kind, e.target, e.tenant) for e in world.inbox.recorded][2:] == [
        ("ntf_4", "delivered", "in_app", "default")
    ]


async def test_what_was_not_sent_is_not_acknowledged() -> None:
    """An offset from the future makes nothing delivered that comes later."""
    world = World()
    client = await world.connect()
    client.say({"t": "ack", "offset": 1000})
    await world.push(ANNA, "ntf_1")
    assert world.inbox.recorded == []
    client.say({"t": "ack", "offset": 1000})
    await world.settle()
    assert world.inbox.acknowledged == ["ntf_1"]


async def test_acks_wait_for_a_limited_number() -> None:
    """A client that never acknowledges doesn't fill the memory: the oldest count as unseen."""
    world = World(Limits(unacked=3))
    client = await world.connect()
    for number in range(1, 6):
        await world.push(ANNA, f"ntf_{number}")
    client.say({"t": "ack", "offset": 5})
    await world.settle()
    assert world.inbox.acknowledged == ["ntf_3", "ntf_4", "ntf_5"]


async def test_a_client_sent_away_may_still_acknowledge() -> None:
    """Drain: the ack that crosses our close frame counts, so that a deploy causes no e-mails."""
    world = World()
    client = await world.connect()
    await world.push(ANNA, "ntf_1")
    client.connection.depart(100)
    await world.pass_time(1)
    assert client.link.closed == 1012
    client.say({"t": "ack", "offset": 1})
    client.say({"t": "ping"})
    await world.settle()
    assert world.inbox.acknowledged == ["ntf_1"]


async def test_too_slow_is_counted_once() -> None:
    """4408, and telemetry sees it."""
    world = World()
    client = await world.connect()
    client.connection.too_slow()
    client.connection.too_slow()
    assert (client.link.closed, world.node.counters.slow_closed) == (4408, 1)
    await world.push(ANNA, "ntf_1")
    assert client.link.offsets == []
