"""Ends HTTP connections whose client sends too slowly (slowloris): each holds a socket and memory for nothing.

Stands between uvicorn and its own protocol, which waits for ever for the rest of a request. Reads when bytes come and
how many; closes the connection, says nothing. A request that is complete, an idle connection between two requests and a
WebSocket are none of its business. Behind nginx slow clients don't get this far; here they may.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

WITHIN_S: Final = 10.0
"""For a request's headers, and the grace before a body must come at `LEAST_BYTES_PER_S` (Apache's mod_reqtimeout has
the same two numbers)."""
LEAST_BYTES_PER_S: Final = 1_024
_LOOK_EVERY_S: Final = 2.0


class PatientProtocol(HttpToolsProtocol):
    """uvicorn's protocol that looks now and then whether the request it is waiting for still makes progress.

    One timer a connection, not one a request: what a request costs are three attributes.
    """

    _waiting_since: float | None = None
    """Loop time since which a request is awaited; None = none is: it is complete, or the connection idles."""
    _received: int = 0
    """Bytes of the body that is being awaited."""
    _has_headers: bool = False
    _look: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._waiting_since = self.loop.time()
        self._look = self.loop.call_later(_LOOK_EVERY_S, self._on_look)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_looking()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        self._stop_looking()
        super().handle_websocket_upgrade()

    def on_message_begin(self) -> None:
        self._waiting_since, self._received, self._has_headers = self.loop.time(), 0, False
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._has_headers = True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._received += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._waiting_since = None
        super().on_message_complete()

    def _on_look(self) -> None:
        if self._waiting_since is not None and is_late(
            self.loop.time() - self._waiting_since, self._received, has_headers=self._has_headers
        ):
            self._stop_looking()
            self.transport.abort()
        elif not self.transport.is_closing():
            self._look = self.loop.call_later(_LOOK_EVERY_S, self._on_look)

    def _stop_looking(self) -> None:
        if self._look is not None:
            self._look.cancel()
            self._look = None


def is_late(waited_s: float, received: int, *, has_headers: bool) -> bool:
    """Whether a request that began `waited_s` ago, with `received` bytes of its body here, comes too slowly."""
    return waited_s > WITHIN_S + (received / LEAST_BYTES_PER_S if has_headers else 0)
