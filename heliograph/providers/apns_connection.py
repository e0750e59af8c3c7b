"""APNs: one HTTP/2 connection (RFC 9113) that carries many pushes. Reads frames, writes frames; retries nothing.

It opens as many streams as the server allows at this moment, however often that changes, and tells for each push that
got no answer whether APNs may have processed it. h2 keeps the protocol; sockets and TLS are asyncio's.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, cast

from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)
from h2.exceptions import ProtocolError

from heliograph.providers.apns_codes import reason_of
from heliograph.providers.apns_http2 import Http2
from heliograph.providers.apns_push import Push

PING_AFTER_S: Final = 3600.0
"""Apple's advice: a PING after an hour of silence."""
PONG_S: Final = 10.0
MOST_STREAMS: Final = 1_000
"""Where the server names no limit or a larger one."""
_LAST_STREAM: Final = 2**31 - 3
_MOST_ANSWER: Final = 4096


class ApnsConnection(asyncio.Protocol):
    """Made by the loop for one socket.

    Args:
        on_change: called when there may be room for a push, or when this connection takes none any more.
        on_unprocessed: takes back a push that APNs has not looked at: it is safe to send again.
    """

    def __init__(
        self, on_change: Callable[[], None], on_unprocessed: Callable[[Push, str], None],
        ping_after_s: float = PING_AFTER_S, pong_s: float = PONG_S,
    ) -> None:  # fmt: skip
        self._on_change = on_change
        self._on_unprocessed = on_unprocessed
        self._ping_after_s = ping_after_s
        self._pong_s = pong_s
        self._loop = asyncio.get_running_loop()
        self._pushes: dict[int, Push] = {}
        self._bodies: deque[Push] = deque()
        self._h2 = Http2(self._pushes)
        self._limit = 0  # until the server has told its settings
        self._transport: asyncio.Transport | None = None
        self._flushing = self._blocked = False
        self._heard_at = self._pinged_at = 0.0
        self._alarm: asyncio.TimerHandle | None = None
        self.ready: asyncio.Future[None] = self._loop.create_future()
        """Done when the server has told its settings, or the connection ended before."""
        self.gone: asyncio.Future[None] = self._loop.create_future()
        self.retired = ""
        """Why it takes no new push; empty while it does."""
        self.proven = False
        """A push was taken here, so that the limit is a real one (APNs begins with a single stream)."""

    # --- what the pool asks of it ------------------------------------------------------------------------------------

    @property
    def room(self) -> int:
        """How many pushes may be started now; below zero where APNs has lowered the limit beneath those under way."""
        return 0 if self.retired or self._blocked or self._bodies else self._limit - len(self._pushes)

    def start(self, push: Push) -> None:
        """Opens a stream for a push; only while there is `room`."""
        stream = self._h2.get_next_available_stream_id()
        self._h2.send_headers(stream, push.headers)
        push.start(stream, self._loop.time())
        push.connection = self
        self._pushes[stream] = push
        self._bodies.append(push)
        self._send_bodies()
        self._flush_soon()
        if stream >= _LAST_STREAM:
            self.retire("no stream numbers are left")

    def abandon(self, push: Push) -> None:
        """Nobody waits for it any longer. If nothing at all was heard meanwhile, nothing new goes this way."""
        if self._pushes.get(push.stream) is not push:
            return
        self._drop(push, ErrorCodes.CANCEL)
        if self._heard_at < push.started_at:
            self.retire("silent")
        self._after_change()

    def retire(self, why: str) -> None:
        """No new pushes; closes when those under way have ended."""
        self.retired = self.retired or why
        self._after_change()

    def close(self) -> None:
        """Ends it at once; what is under way is lost."""
        self.retired = self.retired or "closed"
        if self._transport is not None and not self._transport.is_closing():
            self._h2.close_connection()
            self._flush()
            self._transport.close()

    def abort(self) -> None:
        """Ends it without a word."""
        if self._transport is not None:
            self._transport.abort()

    # --- what the loop tells it --------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._heard_at = self._loop.time()
        self._h2.initiate_connection()
        self._flush()
        self._alarm = self._loop.call_later(self._ping_after_s, self._watch)

    def data_received(self, data: bytes) -> None:
        self._heard_at = self._loop.time()
        try:
            for event in self._h2.receive_data(data):
                self._handle(event)
        except ProtocolError as error:
            self.retired = self.retired or f"protocol error: {error}"
            self.close()
            return
        self._send_bodies()
        self._flush_soon()
        self._after_change()

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002
        self.retired = self.retired or "connection lost"
        if self._alarm is not None:
            self._alarm.cancel()
        pushes = list(self._pushes.values())
        self._pushes.clear()
        for push in pushes:
            push.finish(f"connection lost ({self.retired})" if self.retired != "connection lost" else self.retired)
        for future in (self.ready, self.gone):
            if not future.done():
                future.set_result(None)
        self._on_change()

    def pause_writing(self) -> None:
        self._blocked = True

    def resume_writing(self) -> None:
        self._blocked = False
        self._on_change()

    # --- frames that come --------------------------------------------------------------------------------------------

    def _handle(self, event: Event) -> None:
        match event:
            case ResponseReceived():
                self._answered(event)
            case DataReceived():
                self._content(event)
            case StreamEnded():
                self._ended(event)
            case StreamReset():
                self._cut_off(event)
            case RemoteSettingsChanged():
                self._limit = min(self._h2.remote_settings.max_concurrent_streams, MOST_STREAMS)
                if not self.ready.done():
                    self.ready.set_result(None)
            case ConnectionTerminated():
                self._going_away(event)

    def _answered(self, event: ResponseReceived) -> None:
        push = self._pushes.get(event.stream_id)
        if push is None:
            return
        for name, value in event.headers:
            if name == b":status" and value.isdigit():
                push.status = int(value)
            elif name == b"apns-id":
                push.apns_id = value.decode("latin-1")
        self.proven = self.proven or push.status == 200

    def _content(self, event: DataReceived) -> None:
        stream = event.stream_id
        push = self._pushes.get(stream)
        if push is not None and len(push.answer) < _MOST_ANSWER:
            push.answer += event.data
        if event.flow_controlled_length:
            self._h2.acknowledge_received_data(event.flow_controlled_length, stream)

    def _ended(self, event: StreamEnded) -> None:
        push = self._pushes.get(event.stream_id)
        if push is None:
            return
        if push.sent < len(push.body):  # answered before it was read
            self._drop(push, ErrorCodes.NO_ERROR)
        else:
            del self._pushes[push.stream]
        push.finish("no status")

    def _cut_off(self, event: StreamReset) -> None:
        push = self._pushes.pop(event.stream_id, None)
        if push is None:
            return
        self._forget_body(push)
        if event.error_code == ErrorCodes.REFUSED_STREAM and not push.status:
            self._on_unprocessed(push, "stream refused")  # RFC 9113 section 8.7: not processed
        else:
            push.finish("stream reset")

    def _going_away(self, event: ConnectionTerminated) -> None:
        """Streams after the last one that APNs names were not processed; the others may still be answered."""
        reason = reason_of(event.additional_data or b"") or "going away"
        self.retired = self.retired or reason
        last = event.last_stream_id or 0
        for push in [push for stream, push in self._pushes.items() if stream > last]:
            self._drop(push, None)
            self._on_unprocessed(push, reason)

    # --- frames that go ----------------------------------------------------------------------------------------------

    def _send_bodies(self) -> None:
        """As much of the waiting bodies as the windows of connection and streams allow (RFC 9113 section 5.2)."""
        while self._bodies:
            push = self._bodies[0]
            room = min(self._h2.local_flow_control_window(push.stream), self._h2.max_outbound_frame_size)
            if room <= 0 < len(push.body):
                return
            chunk = push.body[push.sent : push.sent + room]
            push.sent += len(chunk)
            whole = push.sent == len(push.body)
            self._h2.send_data(push.stream, chunk, end_stream=whole)
            if whole:
                self._bodies.popleft()

    def _drop(self, push: Push, code: ErrorCodes | None) -> None:
        """Forgets a push; with a code, also tells the server."""
        del self._pushes[push.stream]
        self._forget_body(push)
        if code is not None:
            self._h2.reset_stream(push.stream, code)
            self._flush_soon()

    def _forget_body(self, push: Push) -> None:
        if push in self._bodies:
            self._bodies.remove(push)

    def _flush_soon(self) -> None:
        """One write for all that happens in one turn of the loop."""
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        data = self._h2.data_to_send()
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _after_change(self) -> None:
        if self.retired and not self._pushes:
            self.close()
        self._on_change()

    def _watch(self) -> None:
        """Pings after a long silence; ends the connection if nothing comes back."""
        now = self._loop.time()
        if self._heard_at < self._pinged_at:
            self.retired = self.retired or "no answer to a ping"
            self.abort()
            return
        left_s = self._heard_at + self._ping_after_s - now
        if left_s <= 0:
            self._h2.ping(b"heliogra")
            self._pinged_at = now
            self._flush_soon()
            left_s = self._pong_s
        self._alarm = self._loop.call_later(left_s, self._watch)
