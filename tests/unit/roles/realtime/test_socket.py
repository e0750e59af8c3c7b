"""Handshake and framing, byte by byte (RFC 6455), against the client side of `websockets`."""

from __future__ import annotations

import asyncio
import json
import struct
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import CloseCode, Frame, Opcode
from websockets.uri import parse_uri

from heliograph.roles.realtime import Limits
from heliograph.roles.realtime.socket import RealtimeSocket, text_frame
from tests.unit.roles.realtime.world import ANNA, World

HEAD = (
    b"GET %b HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n%b\r\n"
)


class Transport(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.eof = self.is_closed = self.aborted = False
        self.limit: int | None = None

    def write(self, data: Any) -> None:
        assert not self.is_closed
        self.written += data

    def write_eof(self) -> None:
        self.eof = True

    def can_write_eof(self) -> bool:
        return True

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.aborted = True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.limit = high

    def take(self) -> bytes:
        written, self.written = self.written, b""
        return written


class Peer:
    """A socket of ours, and the library's client at the other end."""

    def __init__(self, world: World) -> None:
        self.transport = Transport()
        self.socket = RealtimeSocket(world.node)
        self.socket.connection_made(self.transport)
        self.client = ClientProtocol(parse_uri("ws://localhost/v1/realtime"))
        self.client.send_request(self.client.connect())
        self.carry()
        assert self.client.handshake_exc is None

    def carry(self, size: int | None = None) -> None:
        """What the client has to send reaches us, `size` bytes at a time; our answer reaches it."""
        data = b"".join(self.client.data_to_send())
        for start in range(0, len(data), size or max(len(data), 1)):
            self.socket.data_received(data[start : start + (size or len(data))])
        answer = self.transport.take()
        if answer:
            self.client.receive_data(answer)

    def frames(self) -> list[Frame]:
        return [event for event in self.client.events_received() if isinstance(event, Frame)]

    @property
    def code(self) -> int | None:
        return self.client.close_rcvd.code if self.client.close_rcvd else None


def answer_to(world: World, head: bytes) -> tuple[bytes, Transport]:
    transport = Transport()
    socket = RealtimeSocket(world.node)
    socket.connection_made(transport)
    socket.data_received(head)
    return transport.written.split(b"\r\n")[0], transport


async def test_handshake() -> None:
    """101 with the accept key of RFC 6455 section 1.3; compression is never agreed to."""
    world = World()
    offer = b"sec-websocket-extensions: permessage-deflate; client_max_window_bits\r\n"
    status, transport = answer_to(world, HEAD % (b"/v1/realtime?x=1", offer))
    assert status == b"HTTP/1.1 101 Switching Protocols"
    assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in transport.written
    assert b"extensions" not in transport.written.lower()
    assert transport.limit == 1024 * 1024
    assert world.node.counters.connections == 1


REFUSED: list[tuple[bytes, bytes]] = [
    (HEAD % (b"/", b""), b"404"),
    (HEAD % (b"/v1/realtime/", b""), b"404"),
    (HEAD % (b"/v1/realtimes", b""), b"404"),
    ((HEAD % (b"/v1/realtime", b"")).replace(b"sec-websocket-key", b"x-key"), b"400"),
    ((HEAD % (b"/v1/realtime", b"")).replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"c2hvcnQ="), b"400"),
    ((HEAD % (b"/v1/realtime", b"")).replace(b"version: 13", b"version: 8"), b"400"),
    ((HEAD % (b"/v1/realtime", b"")).replace(b"host: localhost", b"host : localhost"), b"400"),
    ((HEAD % (b"/v1/realtime", b"")).replace(b"GET", b"POST"), b"405"),
    (b"\x00\x01\x02\r\n\r\n", b"400"),
]


@pytest.mark.parametrize(("head", "status"), REFUSED)
async def test_a_bad_handshake(head: bytes, status: bytes) -> None:
    """Answered in plain HTTP and closed; no connection comes of it."""
    world = World()
    line, transport = answer_to(world, head)
    assert line.split()[1] == status
    assert transport.is_closed
    assert world.node.counters.accepted == 0


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (b"origin: https://shop.example\r\n", b"101"), (b"origin: https://evil.example\r\n", b"403"),
        (b"origin: null\r\n", b"403"), (b"", b"403"), (b"origin: https://shop.example.evil.example\r\n", b"403"),
        (b"origin: https://shop.example\r\norigin: https://evil.example\r\n", b"400"),
    ],
)  # fmt: skip
async def test_pages_that_may_connect(origin: bytes, status: bytes) -> None:
    """With a list of origins, every other page is refused before the upgrade, and so is who names none."""
    world = World(Limits(origins=("https://shop.example",)))
    line, transport = answer_to(world, HEAD % (b"/v1/realtime", origin))
    assert line.split()[1] == status
    assert world.node.counters.accepted == (status == b"101")
    assert transport.is_closed is (status != b"101")


@pytest.mark.parametrize("origins", [None, (None, "https://shop.example")])
async def test_apps_name_no_page(origins: tuple[str | None, ...] | None) -> None:
    """Without a list, and with `none` in it, clients without an Origin are welcome."""
    line, _ = answer_to(World(Limits(origins=origins)), HEAD % (b"/v1/realtime", b""))
    assert line.split()[1] == b"101"


async def test_draining_answers_503() -> None:
    world = World()
    await world.node.drain(0.1)
    line, transport = answer_to(world, HEAD % (b"/v1/realtime", b""))
    assert line.split()[1] == b"503"
    assert b"Retry-After: 1" in transport.written
    assert transport.is_closed


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 300_000])
def test_frame_headers(size: int) -> None:
    """Our frames are what the library's client reads, at every length of the header."""
    client = ClientProtocol(parse_uri("ws://localhost/"), state=1, max_size=None)  # type: ignore[arg-type]
    client.receive_data(text_frame(b"x" * size))
    (frame,) = client.events_received()
    assert isinstance(frame, Frame)
    assert (frame.opcode, frame.fin, frame.data) == (Opcode.TEXT, True, b"x" * size)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.lists(st.integers(0, 60), max_size=4), st.booleans())
def test_messages_in_any_pieces(size: int, cuts: list[int], with_pings: bool) -> None:
    """A message may come in fragments, with pings between them, and in TCP segments of any size."""
    asyncio.run(in_pieces(size, cuts, with_pings))


async def in_pieces(size: int, cuts: list[int], with_pings: bool) -> None:
    world = World()
    peer = Peer(world)
    text = json.dumps({"t": "connect", "token": world.tokens.mint(ANNA, 60)[0]}).encode()
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    parts = [text[a:b] for a, b in pairwise(places)]
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        if number == 0:
            peer.client.send_text(part, fin=last)
        else:
            peer.client.send_continuation(part, fin=last)
        if with_pings:
            peer.client.send_ping(b"here")
    peer.carry(size)
    await world.settle()
    peer.carry()
    frames = peer.frames()
    assert [frame.data for frame in frames if frame.opcode is Opcode.PONG] == [b"here"] * (len(parts) * with_pings)
    (answer,) = [frame for frame in frames if frame.opcode is Opcode.TEXT]
    assert json.loads(bytes(answer.data))["t"] == "connected"


async def connected(world: World) -> Peer:
    peer = Peer(world)
    peer.client.send_text(json.dumps({"t": "connect", "token": world.tokens.mint(ANNA, 60)[0]}).encode())
    peer.carry()
    await world.settle()
    peer.carry()
    return peer


async def test_sizes() -> None:
    """16 KiB are fine, one byte more is 1009; fragments count together."""
    world = World()
    fits, over, pieces = [await connected(world) for _ in range(3)]
    pong = b'{"t":"pong","x":"%b"}'
    fits.client.send_text(pong % (b"x" * (16 * 1024 - len(pong) + 2)))
    over.client.send_text(pong % (b"x" * (16 * 1024 - len(pong) + 3)))
    pieces.client.send_text(b"x" * 9000, fin=False)
    pieces.client.send_continuation(b"x" * 9000, fin=True)
    for peer in (fits, over, pieces):
        peer.carry()
    assert [peer.code for peer in (fits, over, pieces)] == [None, 1009, 1009]


async def test_what_is_no_text_closes() -> None:
    """Binary is 4400, a breach of RFC 6455 (an unmasked frame) 1002."""
    world = World()
    binary, unmasked = await connected(world), await connected(world)
    binary.client.send_binary(b"{}")
    binary.carry()
    unmasked.socket.data_received(struct.pack("!BB", 0x81, 2) + b"{}")
    unmasked.carry()
    assert (binary.code, unmasked.code) == (4400, 1002)
    assert world.cache.online(ANNA, world.time.clock())
    await world.settle()
    assert not world.cache.online(ANNA, world.time.clock()), "closing ones hold no lease"


async def test_the_client_closes() -> None:
    """Its close frame is answered, TCP half-closed, the lease released at once."""
    world = World()
    peer = await connected(world)
    peer.client.send_close(CloseCode.GOING_AWAY)
    peer.carry()
    await world.settle()
    assert (peer.code, peer.transport.eof) == (1001, True)
    assert world.cache.leases == set()
    peer.socket.connection_lost(None)
    assert world.node.counters.connections == 0


async def test_a_full_buffer_is_4408() -> None:
    """The transport says that too much waits for the client: closed, then cut if it goes on not reading."""
    world = World(Limits(write_buffer_bytes=1000))
    peer = await connected(world)
    peer.socket.pause_writing()
    peer.carry()
    assert peer.code == 4408
    assert world.node.counters.slow_closed == 1
    await world.pass_time(11)
    assert peer.transport.aborted


async def test_a_socket_that_is_lost_before_its_handshake() -> None:
    socket = RealtimeSocket(World().node)
    socket.connection_made(Transport())
    socket.data_received(b"GET /v1/rea")
    socket.pause_writing()
    socket.connection_lost(None)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(max_size=200), max_size=8))
def test_any_bytes(chunks: list[bytes]) -> None:
    """Whatever bytes come after the handshake: no exception, and nothing is written after the end."""

    async def run() -> None:
        peer = await connected(World())
        for chunk in chunks:
            peer.socket.data_received(chunk)
        peer.socket.connection_lost(None)

    asyncio.run(run())


FRAMES = st.lists(
    st.tuples(
        st.booleans(),  # fin
        st.integers(0, 7),  # the reserved bits
        st.integers(0, 15),  # opcode
        st.booleans(),  # masked, as a client must
        st.one_of(st.none(), st.sampled_from([0, 125, 126, 65_535, 2**63 - 1, 2**64 - 1])),  # a length that is a lie
        st.one_of(
            st.binary(max_size=140),
            st.sampled_from([
                b'{"t":"ping"}', b'{"t":"ack","offset":-1}', b'{"t":"read","id":5}', b'{"t":' * 50, b"[" * 16_000,
                b'{"t":"ack","offset":1e999}', b"\xff\xfe", b"\x03\xe8", b'{"t":"connect","token":"x"}', b"null",
            ]),
        ),
    ),
    max_size=10,
)  # fmt: skip


def raw_frame(fin: bool, reserved: int, opcode: int, masked: bool, said: int | None, payload: bytes) -> bytes:
    """RFC 6455 section 5.2, with anything in any of its fields; the mask is zeros."""
    size = len(payload) if said is None else said
    short = size if size < 126 else 126 if size < 65_536 else 127
    length = b"" if short < 126 else size.to_bytes(2 if short == 126 else 8, "big")
    return bytes((fin << 7 | reserved << 4 | opcode, masked << 7 | short)) + length + b"\0" * 4 * masked + payload


@settings(max_examples=300, deadline=None)
@given(FRAMES)
def test_any_frames(frames: list[tuple[bool, int, int, bool, int | None, bytes]]) -> None:
    """Frames with something wrong in any field: no exception, at most one close code, and one that may be sent; a
    client beside it is served on."""

    async def run() -> None:
        world = World()
        peer, beside = await connected(world), await connected(world)
        for frame in frames:
            peer.socket.data_received(raw_frame(*frame))
        peer.carry()
        if peer.code == CloseCode.NO_STATUS_RCVD:  # only a bare Close is answered by one (RFC 6455 section 5.5.1)
            assert peer.socket._protocol.close_rcvd.code == CloseCode.NO_STATUS_RCVD
        else:
            assert peer.code is None or (1000 <= peer.code < 5000 and peer.code not in (1006, 1015))
        beside.client.send_text(b'{"t":"ping"}')
        beside.carry()
        assert [bytes(frame.data) for frame in beside.frames()][-1] == b'{"t":"pong"}'
        peer.socket.connection_lost(None)

    asyncio.run(run())
