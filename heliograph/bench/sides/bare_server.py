"""The limit of the load generator: a bare asyncio server that answers 202 to whatever arrives, unseen."""

from __future__ import annotations

import asyncio
import sys
from typing import Final, cast

import uvloop

_BODY: Final = b'{"id":"ntf_00000000000000000000000000","status":"accepted"}'
_ANSWER: Final = b"HTTP/1.1 202 Accepted\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
    len(_BODY),
    _BODY,
)


class _Always(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:  # noqa: ARG002 - a request fits into one segment here
        self._transport.write(_ANSWER)


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Always, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
