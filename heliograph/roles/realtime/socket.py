"""The raw socket of one client from the HTTP upgrade on: handshake and framing (RFC 6455), nothing of our protocol.

uvicorn hands it the connection (`Config(ws=node.protocol_class())`); there is no ASGI, no task and no queue per client.
Reading is `websockets`' sans-I/O protocol; the header of a frame to the client is two to ten bytes, written here
(measured: 1.25 times the deliveries/s of the library's `send_text`). permessage-deflate is never negotiated.
"""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus
from typing import Any, Final, cast

from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import Protocol, Side, State
from websockets.server import ServerProtocol

from heliograph.core.frames import BAD_FRAME
from heliograph.roles.realtime.connection import Connection
from heliograph.roles.realtime.services import Services

PATH: Final = "/v1/realtime"

_log = logging.getLogger("heliograph.websocket")
_log.setLevel(logging.WARNING)  # the library tells of every connection at level info
_NO_REQUEST: Final = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


def text_frame(text: bytes) -> bytes:
    """One unmasked, final text frame (RFC 6455 section 5.2)."""
    size = len(text)
    if size < 126:
        return bytes((0x81, size)) + text
    if size < 65_536:
        return b"\x81\x7e" + size.to_bytes(2, "big") + text
    return b"\x81\x7f" + size.to_bytes(8, "big") + text


class RealtimeSocket(asyncio.Protocol):
    """An `asyncio.Protocol` and the `Link` of its connection."""

    __slots__ = ("_connection", "_fragments", "_node", "_protocol", "_transport")

    def __init__(self, node: Services[Connection]) -> None:
        self._node = node
        self._connection: Connection | None = None
        self._fragments: list[bytes] | None = None
        self._protocol: Protocol = ServerProtocol(
            origins=cast("Any", node.limits.origins), max_size=node.limits.frame_bytes, logger=_log
        )

    # --- from the transport -------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        protocol = self._protocol
        protocol.receive_data(data)
        for event in protocol.events_received():
            if isinstance(event, Frame):
                self._frame(event)
            elif isinstance(event, Request):
                self._handshake(event)
        if isinstance(protocol, ServerProtocol):
            self._answer_handshake(protocol)
            return
        self._flush()
        if protocol.state is not State.OPEN and self._connection is not None:
            self._connection.closing()

    def pause_writing(self) -> None:
        """More than `write_buffer_bytes` wait for the client to read them."""
        if self._connection is not None:
            self._connection.too_slow()

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - however it ended, it ended
        if self._connection is not None:
            self._connection.lost()

    # --- from the connection ------------------------------------------------------------------------------------------

    def send(self, text: bytes) -> None:
        self._transport.write(text_frame(text))

    def close(self, code: int, reason: str) -> None:
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(code, reason)
            self._flush()

    def abort(self) -> None:
        self._transport.abort()

    # --- handshake ----------------------------------------------------------------------------------------------------

    def _handshake(self, request: Request) -> None:
        protocol = cast("ServerProtocol", self._protocol)
        if request.path.partition("?")[0] != PATH:
            response = protocol.reject(HTTPStatus.NOT_FOUND, f"WebSockets live at {PATH}.\n")
        elif self._node.draining:
            response = protocol.reject(HTTPStatus.SERVICE_UNAVAILABLE, "Restarting, come back.\n")
            response.headers["Retry-After"] = "1"
        else:
            response = protocol.accept(request)
        protocol.send_response(response)

    def _answer_handshake(self, protocol: ServerProtocol) -> None:
        """Writes the response, if there was a whole request; an open connection gets a protocol without its memory."""
        answer = b"".join(protocol.data_to_send())
        if protocol.state is State.OPEN:
            self._transport.write(answer)
            limits = self._node.limits
            self._transport.set_write_buffer_limits(high=limits.write_buffer_bytes)
            self._protocol = Protocol(Side.SERVER, state=State.OPEN, max_size=limits.frame_bytes, logger=_log)
            self._connection = Connection(self._node, self)
        elif protocol.close_expected():
            self._transport.write(answer or _NO_REQUEST)
            self._transport.close()

    # --- frames -------------------------------------------------------------------------------------------------------

    def _frame(self, frame: Frame) -> None:
        connection = self._connection
        if connection is None or not connection.admit():
            return
        match frame.opcode:
            case Opcode.TEXT if frame.fin:
                connection.received(bytes(frame.data))
            case Opcode.TEXT:
                self._fragments = [bytes(frame.data)]
            case Opcode.CONT if self._fragments is not None:
                self._fragments.append(bytes(frame.data))
                if frame.fin:
                    text, self._fragments = b"".join(self._fragments), None
                    connection.received(text)
            case Opcode.BINARY:
                connection.close(BAD_FRAME, "binary frames are not of this protocol")
            case _:
                pass  # pings, pongs and the end are the library's

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self._transport.write(data)
            elif self._transport.can_write_eof():
                self._transport.write_eof()


def socket_factory(node: Services[Connection]) -> Any:
    """What `uvicorn.Config(ws=…)` takes: called with config, server_state and app_state, answers a protocol."""

    def protocol(**_: object) -> RealtimeSocket:
        return RealtimeSocket(node)

    return protocol
