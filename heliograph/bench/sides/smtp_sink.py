"""The other end of `smtp`: a relay that takes everything and keeps nothing, as fast as asyncio can."""

from __future__ import annotations

import asyncio
import sys
from typing import Final, cast

import uvloop

_ANSWERS: Final = {b"EHLO": b"250-sink\r\n250-SIZE 33554432\r\n250 8BITMIME\r\n", b"DATA": b"354 go on\r\n",
                   b"QUIT": b"221 bye\r\n"}  # fmt: skip
_OK: Final = b"250 2.0.0 ok\r\n"


class _Sink(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._buffer = b""
        self._in_data = False
        self._transport.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while True:
            head, found, rest = self._buffer.partition(b"\r\n.\r\n" if self._in_data else b"\r\n")
            if not found:
                return
            self._buffer = rest
            verb = head[:4].upper()
            self._transport.write(_OK if self._in_data else _ANSWERS.get(verb, _OK))
            self._in_data = not self._in_data and verb == b"DATA"


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Sink, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
