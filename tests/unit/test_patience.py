"""Clients that send too slowly are cut; everybody else has all the time they need."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn

from heliograph.cli import patience
from heliograph.cli.patience import LEAST_BYTES_PER_S, WITHIN_S, PatientProtocol, is_late
from heliograph.cli.serving import listen


@pytest.mark.parametrize(
    ("waited_s", "received", "has_headers", "late"),
    [
        (WITHIN_S, 0, False, False), (WITHIN_S + 1, 0, False, True), (WITHIN_S + 1, 10**6, False, True),
        (WITHIN_S + 1, 0, True, True), (WITHIN_S + 1, LEAST_BYTES_PER_S, True, False),
        (WITHIN_S + 2, LEAST_BYTES_PER_S, True, True), (15, 15, True, True), (100, 5 * 1024**2, True, False),
    ],
)  # fmt: skip
def test_who_is_late(waited_s: float, received: int, has_headers: bool, late: bool) -> None:
    """Headers within ten seconds; a body at 1 KiB/s after that, so that one byte a second ends within fifteen."""
    assert is_late(waited_s, received, has_headers=has_headers) is late


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answers when it has the whole body."""
    event: dict[str, Any] = {"more_body": True}
    while event.get("more_body"):
        event = await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@asynccontextmanager
async def serving() -> AsyncIterator[int]:
    listener = listen("127.0.0.1", 0)
    config = uvicorn.Config(app, http=PatientProtocol, ws="none", lifespan="off", log_config=None, loop="asyncio")
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup([listener])
    try:
        yield int(listener.getsockname()[1])
    finally:
        await server.shutdown([listener])


@pytest.fixture
def in_haste(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds become hundredths."""
    monkeypatch.setattr(patience, "WITHIN_S", 0.1)
    monkeypatch.setattr(patience, "_LOOK_EVERY_S", 0.02)


@pytest.mark.usefixtures("in_haste")
@pytest.mark.parametrize(
    "begun",
    [b"", b"G", b"POST / HTTP/1.1\r\nhost: x\r\n", b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 50\r\n\r\nabc"],
)
async def test_an_unfinished_request_is_cut(begun: bytes) -> None:
    """Nothing at all, half a line, half the headers, half a body."""
    async with serving() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(begun)
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(reader.readexactly(1), 10)
        writer.close()


@pytest.mark.usefixtures("in_haste")
async def test_who_finished_may_idle() -> None:
    """Between two requests of one connection there is no hurry: uvicorn's own keep-alive holds."""
    async with serving() as port:
        idle = await asyncio.open_connection("127.0.0.1", port)
        slow = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(2):
            idle[1].write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            assert (await idle[0].readuntil(b"ok")).startswith(b"HTTP/1.1 200")
            with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):  # a whole delay goes by
                await asyncio.wait_for(slow[0].readexactly(1), 10)
            slow[1].close()
            slow = await asyncio.open_connection("127.0.0.1", port)
        idle[1].close()
        slow[1].close()
