"""Every frame and close code of CONTRACT section 5, through the real `websockets` client."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.e2e.realtime.conftest import Cluster, Node, Tab
from tests.support.eventually import eventually


async def test_connected(cluster: Cluster, node: Node) -> None:
    """Session, epoch, offset, recovered, unread and heartbeat; the user is online on this node."""
    await cluster.notify("anna")  # nobody is connected: it waits in the inbox only
    async with node.tab() as tab:
        frame = dict(tab.connected)
        assert isinstance(frame.pop("session"), str)
        assert isinstance(frame.pop("epoch"), str)
        assert frame == {"t": "connected", "offset": 0, "recovered": False, "unread": 1, "heartbeat_s": 25}
        assert (await cluster.online("anna")).nodes == {node.realtime.node_id}
    await cluster.comes_true(lambda presence: not presence.online)


async def test_a_notification_and_its_ack(cluster: Cluster, node: Node) -> None:
    """The inbox item comes with consecutive offsets; the cumulative ack makes the in-app delivery delivered."""
    async with node.tab() as tab, node.tab("bert") as other:
        first, second, _ = await cluster.notify("anna", "anna", "bert", body='quote " and 🌻 und ß\n')
        frames = [await tab.frame(), await tab.frame()]
        assert [frame["t"] for frame in frames] == ["notification"] * 2
        assert [frame["offset"] for frame in frames] == [1, 2]
        assert [frame["notification"]["id"] for frame in frames] == [first, second]
        assert frames[0]["notification"]["body"] == 'quote " and 🌻 und ß\n'
        assert set(frames[0]["notification"]) == {
            "id", "type", "category", "title", "body", "data", "action_url", "created_at", "seen_at", "read_at",
            "archived_at",
        }  # fmt: skip
        assert (await other.frame())["offset"] == 1
        await tab.say({"t": "ack", "offset": 2})
        await cluster.delivered(first)
        await cluster.delivered(second)


@pytest.mark.parametrize("length", [10, 200, 70_000])
async def test_bodies_of_every_size(cluster: Cluster, node: Node, length: int) -> None:
    """All three lengths of a frame's header; 16 KiB limits what clients send, not what they get."""
    body = "ü" * length
    async with node.tab() as tab:
        await cluster.notify("anna", body=body)
        assert (await tab.frame())["notification"]["body"] == body


async def test_marks(cluster: Cluster, node: Node) -> None:
    """seen, read, unread, archive, unarchive: stored, and told to every tab with the new count."""
    async with node.tab() as tab, node.tab() as second:
        (notification_id,) = await cluster.notify("anna")
        await tab.frame()
        await second.frame()
        wanted: list[tuple[str, int, tuple[bool, bool, bool]]] = [
            ("seen", 1, (True, False, False)),
            ("read", 0, (True, True, False)),
            ("unread", 1, (True, False, False)),
            ("archive", 0, (True, False, True)),
            ("unarchive", 1, (True, False, False)),
        ]
        for mark, unread, marks in wanted:
            await tab.say({"t": mark, "id": notification_id})
            frames = [await tab.frame(), await second.frame()]
            assert frames[0] == frames[1]
            names = ("seen_at", "read_at", "archived_at")
            assert tuple(frames[0][name] is not None for name in names) == marks
            assert (frames[0]["t"], frames[0]["id"], frames[0]["unread"]) == ("inbox", notification_id, unread)
            state = await cluster.state("anna", notification_id)
            assert tuple(getattr(state, name) is not None for name in names) == marks


async def test_an_unknown_id_is_ignored(cluster: Cluster, node: Node) -> None:
    """Another user's item, or none at all: no frame, and the connection stays."""
    async with node.tab() as tab, node.tab("bert") as other:
        (theirs,) = await cluster.notify("bert")
        await other.frame()
        await tab.say({"t": "read", "id": theirs}, {"t": "read", "id": "ntf_nothing"}, {"t": "ping"})
        assert await tab.frame() == {"t": "pong"}
        assert (await cluster.state("bert", theirs)).read_at is None


async def test_ping_both_ways(strict: Node) -> None:
    """The server pings as JSON; the client's pings are answered, the protocol's own too."""
    async with strict.tab() as tab:
        await tab.say({"t": "ping"})
        assert await tab.frame() == {"t": "pong"}
        await asyncio.wait_for(await tab.connection.ping(), 5)
        frame = json.loads(await asyncio.wait_for(tab.connection.recv(), 5))
        assert frame == {"t": "ping"}
        assert tab.connected["heartbeat_s"] == 0.4


async def test_two_missed_pings(strict: Node) -> None:
    """Whoever answers stays, whoever doesn't is closed."""
    async with strict.tab() as silent, strict.tab() as talking:

        async def talk() -> None:
            while True:
                assert json.loads(await talking.connection.recv()) == {"t": "ping"}
                await talking.say({"t": "pong"})

        chat = asyncio.create_task(talk())
        assert await silent.closed() == 4408
        assert not chat.done()
        chat.cancel()
        await talking.alive()


FIRST: list[tuple[Any, int]] = [
    ("hello", 4400),
    ("[]", 4400),
    ({"t": "hello"}, 4400),
    (b"\x00\x01", 4400),
    (json.dumps({"t": "connect", "token": "x"}).encode(), 4400),  # right, but binary
    ({"t": "connect"}, 4401),
    ({"t": "connect", "token": "x.y.z"}, 4401),
    ({"t": "ping"}, 4401),
    ("x" * 16_385, 1009),
]


@pytest.mark.parametrize(("frame", "code"), FIRST)
async def test_a_bad_first_frame(node: Node, frame: Any, code: int) -> None:
    async with node.open() as connection:
        tab = Tab(connection)
        await tab.say(frame)
        assert await tab.closed() == code


@pytest.mark.parametrize("frame", ["{", '{"t":"nonsense"}', '{"t":"ack","offset":-1}', b"\xff", '{"t":"seen"}'])
async def test_a_bad_later_frame(node: Node, frame: Any) -> None:
    async with node.tab() as tab:
        await tab.say(frame)
        assert await tab.closed() == 4400


async def test_tokens(cluster: Cluster, node: Node) -> None:
    """Of another secret, or expired: 4401; one that expires while connected: 4401 then."""
    async with node.open() as first, node.open() as second, node.tab() as stays:
        wrong = type(cluster.tokens)("another-secret-of-at-least-32-bytes", lambda: 0)
        await Tab(first).say({"t": "connect", "token": wrong.mint(cluster.key("anna"), 60)[0]})
        assert await Tab(first).closed() == 4401
        short = await Tab(second).hello(cluster.token("anna", ttl_s=2))
        assert await short.closed() == 4401
        await stays.alive()


async def test_no_connect_frame(strict: Node) -> None:
    async with strict.open() as connection:
        assert await Tab(connection).closed() == 4401


async def test_too_many_frames(strict: Node) -> None:
    """4429 for the one who floods; its neighbour doesn't notice."""
    async with strict.tab() as flooding, strict.tab("bert") as other:
        with contextlib.suppress(ConnectionClosed):
            await flooding.say(*[{"t": "pong"}] * 10_000)
        assert await flooding.closed() == 4429
        await other.alive()


async def test_too_many_connections(node: Node) -> None:
    """The twenty-first of one user is 4429; the others stay."""
    async with AsyncExitStack() as stack:
        tabs = [await stack.enter_async_context(node.tab()) for _ in range(20)]
        late = Tab(await stack.enter_async_context(node.open()))
        await late.say({"t": "connect", "token": node.cluster.token("anna")})
        assert await late.closed() == 4429
        for tab in tabs:
            await tab.alive()


async def test_the_upgrade(node: Node) -> None:
    """Other paths are 404, a bad handshake 400, and plain HTTP on the same port is the API's."""
    for path, status in (("/", 404), ("/v1/realtime/x", 404), ("/v1/realtime", 400)):
        headers = {"Sec-WebSocket-Version": "7"} if status == 400 else {}
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"ws://127.0.0.1:{node.port}{path}", additional_headers=headers)
        assert refused.value.response.status_code == status
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{node.port}/v1/realtime") as response:
        assert await response.text() == "ok"


async def test_compression_is_never_agreed_to(node: Node) -> None:
    async with connect(node.url, compression="deflate") as connection:
        assert connection.response is not None
        assert "Sec-WebSocket-Extensions" not in connection.response.headers


def random_frame(draw: random.Random) -> str | bytes:
    """Something a broken or hostile client might send."""
    words: list[Any] = [
        "connect",
        "ack",
        "seen",
        "ping",
        "t",
        "id",
        "",
        None,
        True,
        -1,
        2**70,
        1e400,
        [],
        {},
        "\0",
        "é",
    ]
    kind = draw.randrange(6)
    if kind == 0:
        return draw.randbytes(draw.randrange(200))
    if kind == 1:
        return draw.randbytes(draw.randrange(200)).decode("latin-1")
    if kind == 2:
        return "[" * draw.randrange(16_000)
    frame = {draw.choice(["t", "id", "offset", "token", "since", "device"]): draw.choice(words) for _ in range(4)}
    if kind >= 4:
        frame["t"] = draw.choice(["connect", "ack", "seen", "read", "archive", "pong"])
    text = json.dumps(frame, default=str)
    return text[: draw.randrange(len(text))] if kind == 3 else text


async def test_hundreds_of_broken_clients(cluster: Cluster, node: Node) -> None:
    """Random frames, before and after connect: every one of them ends with a code of the contract or goes on, and
    the process and its other clients don't notice."""
    draw = random.Random(20260101)
    codes: set[int | None] = set()
    async with node.tab() as witness:
        for number in range(300):
            async with node.open() as connection:
                tab = Tab(connection)
                if number % 2:
                    await tab.hello(cluster.token("mallory"))
                try:
                    for _ in range(draw.randrange(1, 6)):
                        await tab.say(random_frame(draw))
                    await tab.say("end")
                except ConnectionClosed:
                    pass
                codes.add(await tab.closed())
        await witness.alive()
        (notification_id,) = await cluster.notify("anna")
        assert (await witness.frame())["notification"]["id"] == notification_id
    assert codes <= {4400, 4401}

    async def nobody() -> bool:
        return node.realtime.counters.connections == 0

    await eventually(nobody)
