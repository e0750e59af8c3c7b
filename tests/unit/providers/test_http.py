"""Provider HTTP over real sockets: what comes back, and what a failure says about the request's fate."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest

from heliograph.providers.http import (
    CLOSED,
    CROWDED,
    FORBIDDEN,
    LOST,
    MAX_ANSWER,
    NO_CONNECTION,
    NO_URL,
    SILENT,
    Answer,
    Failed,
    Http,
    PublicAddresses,
)

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Thing: a\r\n\r\nok"
Behaviour = Callable[["Peer", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Peer:
    """A server that does with every request what the test says, and counts."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.connections = 0
        self.requests: list[bytes] = []
        self.arrived = asyncio.Event()
        self.release = asyncio.Event()
        self.port = 0
        self.tasks: list[asyncio.Task[None]] = []

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.tasks.append(asyncio.create_task(self.serve(reader, writer)))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while not reader.at_eof():
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                self.requests.append(head + await reader.readexactly(length))
                self.arrived.set()
                await self.behaviour(self, reader, writer)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/x"


@contextlib.asynccontextmanager
async def serving(behaviour: Behaviour) -> AsyncIterator[Peer]:
    peer = Peer(behaviour)
    server = await asyncio.start_server(peer.accept, "127.0.0.1", 0)
    peer.port = server.sockets[0].getsockname()[1]
    try:
        yield peer
    finally:
        server.close()
        for task in peer.tasks:
            task.cancel()
        await asyncio.gather(*peer.tasks, return_exceptions=True)
        await asyncio.sleep(0)


def replying(raw: bytes) -> Behaviour:
    async def reply(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)

    return reply


async def cut(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def hang(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await peer.release.wait()


async def hang_then_answer(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await peer.release.wait()
    writer.write(OK)


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    pool = Http(timeout_s=0.3)
    yield pool
    await pool.close()


async def test_answers_with_status_headers_and_body(http: Http) -> None:
    """The request arrives as it was given; header names ignore case."""
    async with serving(replying(OK)) as peer:
        answer = await http.post(peer.url, {"Authorization": "Bearer x"}, b"hello")
    assert isinstance(answer, Answer)
    assert (answer.status, answer.body, answer.headers["x-thing"]) == (200, b"ok", "a")
    assert peer.requests[0].startswith(b"POST /x HTTP/1.1\r\n")
    assert b"Authorization: Bearer x\r\n" in peer.requests[0]
    assert peer.requests[0].endswith(b"\r\n\r\nhello")


async def test_connections_are_kept(http: Http) -> None:
    """One request after the other costs one connection."""
    async with serving(replying(OK)) as peer:
        for _ in range(5):
            await http.post(peer.url, {}, b"x")
        assert (peer.connections, len(peer.requests)) == (1, 5)


async def test_redirects_are_answers(http: Http) -> None:
    """A key or a mail never goes to where somebody points."""
    redirect = b"HTTP/1.1 307 Go\r\nLocation: /y\r\nContent-Length: 0\r\n\r\n"
    async with serving(replying(redirect)) as peer:
        answer = await http.post(peer.url, {}, b"x")
    assert isinstance(answer, Answer)
    assert (answer.status, len(peer.requests)) == (307, 1)


async def test_no_proxy_from_the_environment(http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a machine's environment says about proxies is not for provider traffic."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with serving(replying(OK)) as peer:
        assert isinstance(await http.post(peer.url, {}, b"x"), Answer)


async def test_cookies_are_not_kept(http: Http) -> None:
    """One tenant's answer leaves nothing for the next request."""
    baked = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"
    async with serving(replying(baked)) as peer:
        for _ in range(2):
            await http.post(peer.url, {}, b"x")
    assert b"cookie" not in peer.requests[1].lower()


async def test_a_refused_connection_sent_nothing(http: Http) -> None:
    """Nobody listens: certainly not processed."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert await http.post(f"http://127.0.0.1:{unused.getsockname()[1]}/", {}, b"x") == NO_CONNECTION
    assert not NO_CONNECTION.unknown


async def test_an_unknown_host_sent_nothing(http: Http) -> None:
    """A name that can't exist: certainly not processed."""
    assert await http.post("http://nowhere.invalid./", {}, b"x") == NO_CONNECTION


async def test_a_peer_without_tls_sent_nothing(http: Http) -> None:
    """A failed handshake ends before the request."""
    async with serving(replying(OK)) as peer:
        failed = await http.post(peer.url.replace("http:", "https:"), {}, b"x")
    assert isinstance(failed, Failed)
    assert not failed.unknown


@pytest.mark.parametrize("url", ["ftp://a.example/", "nonsense", "http://", ""])
async def test_what_is_no_url_sent_nothing(http: Http, url: str) -> None:
    """A wrong setting is told as such."""
    assert await http.post(url, {}, b"x") == NO_URL


async def test_silence_after_the_request_is_unknown(http: Http) -> None:
    """The peer has the request and says nothing: it may have acted on it."""
    async with serving(hang) as peer:
        assert await http.post(peer.url, {}, b"x") == SILENT
        assert len(peer.requests) == 1
    assert SILENT.unknown


async def test_a_break_after_the_request_is_unknown_and_not_repeated(http: Http) -> None:
    """The peer has the request and hangs up: sending it again could do it twice."""
    async with serving(cut) as peer:
        assert await http.post(peer.url, {}, b"x") == LOST
        assert len(peer.requests) == 1
    assert LOST.unknown


async def test_nonsense_for_an_answer_is_unknown(http: Http) -> None:
    """Not HTTP, but something took the request."""
    async with serving(replying(b"220 smtp.example ESMTP\r\n\r\n")) as peer:
        assert await http.post(peer.url, {}, b"x") == LOST


async def test_a_status_without_its_body_is_an_answer(http: Http) -> None:
    """202 says that it was taken, even if the connection breaks right after."""

    async def half(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 202 Accepted\r\nX-Message-Id: m\r\nContent-Length: 50\r\n\r\nhalf")
        writer.close()

    async with serving(half) as peer:
        answer = await http.post(peer.url, {}, b"x")
    assert isinstance(answer, Answer)
    assert (answer.status, answer.headers["X-Message-Id"], answer.body) == (202, "m", b"")


async def test_more_requests_than_connections_take_turns() -> None:
    """The pool's size is kept, and everyone is served."""
    http = Http(timeout_s=5, connections=3)
    async with serving(hang_then_answer) as peer:
        waiting = [asyncio.create_task(http.post(peer.url, {}, b"x")) for _ in range(9)]
        await peer.arrived.wait()
        peer.release.set()
        answers = await asyncio.gather(*waiting)
        assert peer.connections <= 3
    assert [answer.status for answer in answers if isinstance(answer, Answer)] == [200] * 9
    await http.close()


async def test_a_turn_that_doesnt_come_in_time_sent_nothing() -> None:
    """While all connections are busy, the next request gives up unsent."""
    http = Http(timeout_s=0.1, connections=0)
    async with serving(replying(OK)) as peer:
        assert await http.post(peer.url, {}, b"x") == CROWDED
        assert peer.requests == []
    assert not CROWDED.unknown
    await http.close()


async def test_a_deadline_replaces_the_usual_time() -> None:
    """A caller with less time left gets its answer by then; with none left, nothing is sent."""
    http = Http(timeout_s=60)
    async with serving(hang) as peer:
        now = asyncio.get_running_loop().time()
        assert await http.post(peer.url, {}, b"x", deadline=now + 0.1) == SILENT
        assert await http.post(peer.url, {}, b"x", deadline=now) == CROWDED
        assert len(peer.requests) == 1
    await http.close()


async def test_closing_leaves_no_connection_and_refuses_more() -> None:
    """After close every socket is gone, what was under way has failed, and closing again is harmless."""
    http = Http(timeout_s=5)
    async with serving(hang) as peer:
        waiting = asyncio.create_task(http.post(peer.url, {}, b"x"))
        await peer.arrived.wait()
        await http.close()
        assert await waiting == LOST
        assert await http.post(peer.url, {}, b"x") == CLOSED
        await http.close()


async def test_closing_an_unused_pool_is_fine() -> None:
    """Nothing was opened, nothing is to be closed."""
    await Http().close()


async def test_a_cancelled_request_gives_its_turn_back() -> None:
    """A worker that is stopped blocks nobody."""
    http = Http(timeout_s=5, connections=1)
    async with serving(hang_then_answer) as peer:
        first = asyncio.create_task(http.post(peer.url, {}, b"x"))
        await peer.arrived.wait()
        first.cancel()
        peer.release.set()
        assert isinstance(await http.post(peer.url, {}, b"x"), Answer)
    await http.close()


async def test_public_addresses_only() -> None:
    """A name that leads to ourselves is refused before anything is sent; one that was allowed isn't."""

    async def answer(peer: Peer, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)

    async with serving(answer) as peer:
        for allowed in (frozenset[str](), frozenset({"localhost:1"})):
            guarded = Http(resolver=PublicAddresses(allowed))
            assert await guarded.post(f"http://localhost:{peer.port}/x", {}, b"") == FORBIDDEN
            await guarded.close()
        assert peer.connections == 0
        open_to_lab = Http(resolver=PublicAddresses(frozenset({f"localhost:{peer.port}"})))
        found = await open_to_lab.post(f"http://localhost:{peer.port}/x", {}, b"")
        assert isinstance(found, Answer)
        await open_to_lab.close()


async def test_it_connects_to_the_address_it_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Public ones among several are kept, the others dropped: a name can't slip one in beside."""

    async def addresses(self: object, host: str, port: int, family: object) -> list[dict[str, object]]:
        return [{"host": one, "port": port} for one in ("10.0.0.1", "8.8.8.8", "::1", "2606:4700::1")]

    monkeypatch.setattr(aiohttp.ThreadedResolver, "resolve", addresses)
    found = await PublicAddresses().resolve("push.example", 443)
    assert [one["host"] for one in found] == ["8.8.8.8", "2606:4700::1"]


async def test_a_name_that_is_none() -> None:
    """Not forbidden, only not there now."""
    http = Http(resolver=PublicAddresses())
    assert await http.post("http://no-such-host.invalid/x", {}, b"") == NO_CONNECTION
    await http.close()


async def test_an_answer_without_end_is_cut() -> None:
    """Whoever answers can't fill our memory; the status still counts."""

    async def flood(peer: Peer, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            for _ in range(64):
                writer.write(b"x" * 65_536)
                await writer.drain()

    async with serving(flood) as peer:
        http = Http()
        found = await http.post(peer.url, {}, b"")
        assert isinstance(found, Answer)
        assert (found.status, len(found.body)) == (200, MAX_ANSWER)
        await http.close()
