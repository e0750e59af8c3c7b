"""One open page: a WebSocket that connects as CONTRACT section 5 says, acknowledges every notification, answers pings.

Reads frames with as little work as a client can; writes acknowledgements. No library: the sockets of a benchmark share
the machine with what it measures.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Final, cast

_PATH: Final = "/v1/realtime"
_OFFSET: Final = b'"offset":'
_OPCODE_TEXT: Final = 1


class Page(asyncio.Protocol):
    """
    Args:
        arrived: called with the text of every notification frame and when it came (`time.perf_counter_ns`).

    Attributes:
        acks: whether it acknowledges.
    """

    def __init__(self, token: str, arrived: Callable[[bytes, int], None]) -> None:
        self._token = token
        self._arrived = arrived
        self._rest = b""
        self._upgraded = False
        self.acks = True
        self.connected: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(
            f"GET {_PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter_ns()
        self._rest += data
        if not self._upgraded and not self._upgrade():
            return
        while (frame := _first_frame(self._rest)) is not None:
            opcode, start, end = frame
            text, self._rest = self._rest[start:end], self._rest[end:]
            if opcode == _OPCODE_TEXT:
                self._text(text, now)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.connected.done():
            self.connected.set_exception(ConnectionError(f"the server closed the WebSocket: {error or 'no reason'}"))

    def close(self) -> None:
        self._transport.close()

    def _upgrade(self) -> bool:
        head, end, rest = self._rest.partition(b"\r\n\r\n")
        if not end:
            return False
        if b" 101 " not in head:
            self.connected.set_exception(ConnectionError(head.decode(errors="replace")))
            self._transport.close()
            return False
        self._rest = rest
        self._upgraded = True
        self._say(json.dumps({"t": "connect", "token": self._token}).encode())
        return True

    def _text(self, text: bytes, now: int) -> None:
        if text.startswith(b'{"t":"notification"'):
            if self.acks:
                at = text.find(_OFFSET) + len(_OFFSET)
                self._say(b'{"t":"ack","offset":%b}' % text[at : text.find(b",", at)])
            self._arrived(text, now)
        elif text.startswith(b'{"t":"ping"'):
            self._say(b'{"t":"pong"}')
        elif text.startswith(b'{"t":"connected"'):
            self.connected.set_result(None)

    def _say(self, text: bytes) -> None:
        """A client's frames must be masked (RFC 6455 section 5.3); with a key of zeros they look the same."""
        size = len(text)
        length = bytes((0x80 | size,)) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
        self._transport.write(b"\x81" + length + b"\0\0\0\0" + text)


def _first_frame(data: bytes) -> tuple[int, int, int] | None:
    """(opcode, where the payload starts, where it ends) of the first frame, if it is there as a whole."""
    if len(data) < 2:
        return None
    start, size = 2, data[1] & 0x7F
    if size == 126:
        start, size = 4, int.from_bytes(data[2:4], "big")
    elif size == 127:
        start, size = 10, int.from_bytes(data[2:10], "big")
    if len(data) < start or len(data) < start + size:
        return None
    return data[0] & 0x0F, start, start + size
