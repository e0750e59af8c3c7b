"""A keep-alive HTTP/1.1 client that costs next to nothing: one request in flight per connection, answers barely parsed.

Writes prepared requests, reads status and length of the answers. A benchmark measures its own client as soon as that
does more (an ordinary asyncio client takes longer for a request than the server it measures).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final, cast

_LENGTH: Final = b"content-length:"


class Connection(asyncio.Protocol):
    """One connection.

    Args:
        answered: called with the connection, the status and the nanoseconds since what `send` was given.
        lost: called when the connection ends, asked for or not.
    """

    def __init__(self, answered: Callable[[Connection, int, int], None], lost: Callable[[], None]) -> None:
        self._answered = answered
        self._lost = lost
        self._rest = b""
        self._since = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def send(self, request: bytes, since_ns: int | None = None) -> None:
        """`since_ns` = when it was meant to be sent (`time.perf_counter_ns`), if not now."""
        self._since = time.perf_counter_ns() if since_ns is None else since_ns
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
        head = data.find(b"\r\n\r\n")
        if head < 0 or len(data) < head + 4 + _length(data, head):
            self._rest = data
            return
        self._rest = b""
        self._answered(self, int(data[9:12]), time.perf_counter_ns() - self._since)

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - however it ended
        self._lost()

    def close(self) -> None:
        self._transport.close()


def _length(data: bytes, head: int) -> int:
    at = data.find(_LENGTH, 0, head)
    if at < 0:
        at = data.lower().find(_LENGTH, 0, head)
    end = data.find(b"\r", at)
    return int(data[at + len(_LENGTH) : end]) if at >= 0 else 0


def request(method: str, path: str, key: str, body: bytes) -> bytes:
    """A whole request as bytes."""
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
