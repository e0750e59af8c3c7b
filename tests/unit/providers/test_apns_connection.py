"""One APNs connection against a server made of h2, without sockets: what the lab doesn't do, frame by frame."""

from __future__ import annotations

import asyncio
from typing import Any

import h2.config
import h2.connection
import h2.events
import pytest
from h2.errors import ErrorCodes
from h2.settings import SettingCodes, Settings
from hyperframe.frame import GoAwayFrame

from heliograph.core.model import Level
from heliograph.providers.apns_codes import Reply
from heliograph.providers.apns_connection import ApnsConnection
from heliograph.providers.apns_push import Lost, Push
from tests.support.eventually import eventually

HEADERS: list[Any] = [(":method", "POST"), (":scheme", "https"), (":authority", "apns"), (":path", "/3/device/d")]


class Wire(asyncio.Transport):
    """Carries what the connection writes to an h2 server, and back what that answers, when the test says so."""

    def __init__(self, connection: ApnsConnection, **settings: int) -> None:
        super().__init__()
        self.connection = connection
        self.ended = ""
        self.server = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        told = {SettingCodes[name.upper()]: value for name, value in settings.items()}
        self.server.local_settings = Settings(client=False, initial_values=told)
        self.server.initiate_connection()
        self.events: list[h2.events.Event] = []

    def write(self, data: Any) -> None:
        self.events += self.server.receive_data(bytes(data))

    def close(self) -> None:
        self._end("closed")

    def abort(self) -> None:
        self._end("aborted")

    def is_closing(self) -> bool:
        return bool(self.ended)

    def _end(self, how: str) -> None:
        if not self.ended:
            self.ended = how
            asyncio.get_running_loop().call_soon(self.connection.connection_lost, None)

    async def turn(self, raw: bytes = b"") -> None:
        """The server's frames arrive, and the client's answer to them."""
        data = self.server.data_to_send() + raw
        if data:
            self.connection.data_received(data)
        for _ in range(3):
            await asyncio.sleep(0)

    def seen(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def answer(self, stream: int, status: int = 200, body: bytes = b"") -> None:
        self.server.send_headers(stream, [(":status", str(status)), ("apns-id", f"id-{stream}")], end_stream=not body)
        if body:
            self.server.send_data(stream, body, end_stream=True)


class World:
    """A connection that is open, and what it hands back."""

    def __init__(self, ping_after_s: float = 3600, pong_s: float = 3600, **settings: int) -> None:
        self.changes = 0
        self.back: list[tuple[Push, str]] = []
        self.connection = ApnsConnection(
            self._changed, lambda push, why: self.back.append((push, why)), ping_after_s=ping_after_s, pong_s=pong_s
        )
        self.wire = Wire(self.connection, **{"max_concurrent_streams": 3, **settings})
        self.connection.connection_made(self.wire)

    def _changed(self) -> None:
        self.changes += 1

    def push(self, body: bytes = b"{}") -> Push:
        push = Push(HEADERS, body, Level.P1, 1e12, asyncio.get_running_loop().create_future())
        self.connection.start(push)
        return push

    async def ended(self) -> str:
        await asyncio.wait_for(self.connection.gone, 10)
        return self.connection.retired


async def opened(**settings: Any) -> World:
    world = World(**settings)
    assert (world.connection.room, world.connection.ready.done()) == (0, False)
    await world.wire.turn()
    assert world.connection.ready.done()
    return world


async def test_nothing_is_sent_before_the_settings() -> None:
    """A server that hasn't told its limit has none to give; then it is as many as told, less those under way."""
    world = await opened()
    assert world.connection.room == 3
    world.push()
    assert world.connection.room == 2


async def test_answers_find_their_push() -> None:
    """In any order, with a body in several frames, an empty one among them."""
    world = await opened()
    first, second = world.push(), world.push()
    await world.wire.turn()
    world.wire.server.send_headers(3, [(":status", "400")])
    for part in (b'{"reason":', b"", b'"BadTopic"}', b""):
        world.wire.server.send_data(3, part, end_stream=False)
    world.wire.answer(1)
    world.wire.server.end_stream(3)
    await world.wire.turn()
    assert first.end.result() == Reply(200, b"", "id-1")
    assert second.end.result() == Reply(400, b'{"reason":"BadTopic"}')
    assert (world.connection.room, world.connection.proven) == (3, True)


async def test_a_limit_below_what_is_under_way() -> None:
    """Nothing new until enough have ended; nothing that is under way is touched."""
    world = await opened()
    pushes = [world.push() for _ in range(3)]
    world.wire.server.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: 1})
    await world.wire.turn()
    assert world.connection.room == -2
    for stream in (1, 3, 5):
        world.wire.answer(stream)
    await world.wire.turn()
    assert world.connection.room == 1
    assert all(push.end.done() for push in pushes)


async def test_bodies_wait_for_the_windows() -> None:
    """A window smaller than the body: as much as fits, the rest when the server takes it; no push begins meanwhile."""
    world = await opened(initial_window_size=10)
    push = world.push(b"x" * 25)
    await world.wire.turn()
    assert sum(len(event.data) for event in world.wire.seen(h2.events.DataReceived)) == 10
    assert world.connection.room == 0
    world.wire.server.increment_flow_control_window(40, 1)
    await world.wire.turn()
    assert b"".join(event.data for event in world.wire.seen(h2.events.DataReceived)) == b"x" * 25
    assert (push.sent, world.connection.room) == (25, 2)
    assert len(world.wire.seen(h2.events.StreamEnded)) == 1


async def test_an_answer_before_the_whole_body() -> None:
    """Too large, says the server and stops reading: the answer counts, the rest is not sent."""
    world = await opened(initial_window_size=10)
    push = world.push(b"x" * 25)
    await world.wire.turn()
    world.wire.answer(1, 413, b'{"reason":"PayloadTooLarge"}')
    await world.wire.turn()
    assert push.end.result() == Reply(413, b'{"reason":"PayloadTooLarge"}', "id-1")
    assert world.connection.room == 3


def goaway(last: int, debug: bytes = b'{"reason":"Shutdown"}', code: int = 0) -> bytes:
    frame = GoAwayFrame(0, last_stream_id=last, error_code=code)
    frame.additional_data = debug
    return bytes(frame.serialize())


async def test_goaway() -> None:
    """Streams after the last one come back to be sent elsewhere; the others are answered; then it closes."""
    world = await opened()
    first, second, third = world.push(), world.push(), world.push()
    await world.wire.turn(goaway(3))
    assert (world.back, world.connection.room) == ([(third, "Shutdown")], 0)
    assert not first.end.done()
    world.wire.answer(1)
    world.wire.answer(3, 410, b"{}")
    await world.wire.turn()
    assert (first.end.result().status, second.end.result().status) == (200, 410)
    assert await world.ended() == "Shutdown"
    assert world.wire.ended == "closed"


async def test_goaway_and_then_the_end() -> None:
    """What APNs had looked at and didn't answer is unknown; the reason is told."""
    world = await opened()
    first, second = world.push(), world.push()
    await world.wire.turn(goaway(1, b"no json", 11))
    world.wire.abort()
    assert await world.ended() == "going away"
    assert world.back == [(second, "going away")]
    assert first.end.result() == Lost("connection lost (going away)", unknown=True)


@pytest.mark.parametrize(
    ("code", "end"),
    [
        (ErrorCodes.REFUSED_STREAM, None),
        (ErrorCodes.INTERNAL_ERROR, Lost("stream reset", unknown=True)),
        (ErrorCodes.ENHANCE_YOUR_CALM, Lost("stream reset", unknown=True)),
    ],
)
async def test_resets(code: ErrorCodes, end: Lost | None) -> None:
    """Only a refused stream is certainly not processed (RFC 9113 section 8.7)."""
    world = await opened()
    push = world.push()
    await world.wire.turn()
    world.wire.server.reset_stream(1, code)
    await world.wire.turn()
    assert world.back == ([] if end else [(push, "stream refused")])
    assert (push.end.result() if push.end.done() else None) == end
    assert world.connection.room == 3


async def test_a_status_alone_counts() -> None:
    """The connection breaks while the body is read: what became of the push is known."""
    world = await opened()
    push = world.push()
    await world.wire.turn()
    world.wire.server.send_headers(1, [(":status", "410")])
    await world.wire.turn()
    world.wire.abort()
    assert await world.ended() == "connection lost"
    assert push.end.result() == Reply(410)


async def test_who_gives_up_frees_the_place() -> None:
    """The server is told; an answer that comes all the same harms nobody; silence retires the connection."""
    world = await opened()
    push = world.push()
    world.wire.server.ping(b"anything")
    await world.wire.turn()
    world.wire.answer(1)
    late = world.wire.server.data_to_send()
    world.connection.abandon(push)
    world.connection.data_received(late)
    assert (world.connection.room, push.end.done()) == (3, False)
    again = world.push()
    await asyncio.sleep(0.001)
    world.connection.abandon(again)
    assert await world.ended() == "silent"
    assert [event.error_code for event in world.wire.seen(h2.events.StreamReset)] == [ErrorCodes.CANCEL]


async def test_a_server_that_breaks_the_protocol() -> None:
    """Ended at once; what was under way is unknown."""
    world = await opened()
    push = world.push()
    await world.wire.turn(b"\x00\x00\x05\x06\x00\x00\x00\x00\x01hello")
    assert (await world.ended()).startswith("protocol error")
    assert push.end.result().unknown


async def test_a_ping_that_nobody_answers() -> None:
    """The other side is gone without a word: the connection is ended, not trusted with a push."""
    world = await opened(ping_after_s=0.01, pong_s=0.01)
    assert await world.ended() == "no answer to a ping"
    assert (len(world.wire.seen(h2.events.PingReceived)), world.wire.ended) == (1, "aborted")


async def test_a_ping_that_is_answered() -> None:
    """It lives, and is asked again after the next silence."""
    world = await opened(ping_after_s=0.01)
    for count in (1, 2):
        await eventually(lambda count=count: _pinged(world, count))
        await world.wire.turn()
        world.connection._watch()  # whose time has come, an hour later
    assert world.connection.retired == ""
    world.connection.close()
    assert await world.ended() == "closed"


async def _pinged(world: World, count: int) -> bool:
    return len(world.wire.seen(h2.events.PingReceived)) >= count


async def test_a_full_socket_takes_no_push() -> None:
    """Back-pressure: what is written and not yet sent has its limit."""
    world = await opened()
    world.connection.pause_writing()
    assert world.connection.room == 0
    changes = world.changes
    world.connection.resume_writing()
    assert (world.connection.room, world.changes) == (3, changes + 1)


async def test_thousands_of_pushes_leave_nothing_behind() -> None:
    """A connection lives for days: ended streams are forgotten."""
    world = await opened()
    for number in range(2_000):
        world.push()
        await world.wire.turn()
        world.wire.answer(2 * number + 1)
        await world.wire.turn()
    assert len(world.connection._h2.streams) < 200
    assert world.connection.room == 3
