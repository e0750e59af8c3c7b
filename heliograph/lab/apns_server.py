"""Lab: APNs' side of HTTP/2 over TLS: streams, settings, GOAWAY. Reads frames, writes what apns.py answers.

Clients that don't negotiate ALPN are taken to speak HTTP/2, as some APNs clients do. h2 keeps the protocol, except for
what it can't do: refuse a single stream, and go on after a GOAWAY.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import Sized
from typing import cast

import msgspec
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, Event, PingReceived, RequestReceived, SettingsAcknowledged, StreamEnded, StreamReset
from h2.exceptions import H2Error
from h2.settings import SettingCodes, Settings
from hyperframe.frame import GoAwayFrame, SettingsFrame

from heliograph.lab.apns import Apns, ApnsAnswer
from heliograph.lab.apns_conduct import STREAMS, Conduct
from heliograph.lab.apns_rules import ApnsRequest
from heliograph.lab.apns_tokens import Acquaintance
from heliograph.lab.faults import Fault, Verdict

ANY = 2**31 - 1
MAX_BODY = 64 * 1024
SWEEP = 128
CONFIG = H2Configuration(client_side=False, header_encoding="utf-8")


class ApnsServer:
    """Makes a protocol for each connection, and reaches them all."""

    def __init__(self, service: Apns) -> None:
        self.service = service
        self.connections: set[ApnsSession] = set()
        self.streams = STREAMS
        self.made = 0
        """Connections so far."""
        self.pings = 0
        service.gate.on_change.append(self._faulted)

    def session(self) -> ApnsSession:
        return ApnsSession(self)

    def allow(self, streams: int) -> None:
        """The most streams of every connection, from now on (one until the first push was taken)."""
        self.streams = streams
        for connection in list(self.connections):
            connection.allow(streams)

    def say_goodbye(self, reason: str = "Shutdown", drop: int = 0) -> None:
        """GOAWAY to every connection; the `drop` youngest pushes not answered yet are not processed."""
        for connection in list(self.connections):
            connection.say_goodbye(reason, drop)

    def close(self) -> None:
        for connection in list(self.connections):
            connection.cut()

    def _faulted(self, fault: Fault) -> None:
        for connection in list(self.connections):
            connection.faulted(fault)


class _Http2(H2Connection):
    """Lets in any number of streams (who comes too many is refused alone), and counts them without walking."""

    def __init__(self, under_way: Sized) -> None:
        super().__init__(CONFIG)
        self._under_way = under_way
        first = {SettingCodes.MAX_CONCURRENT_STREAMS: 1, SettingCodes.MAX_HEADER_LIST_SIZE: 8000}
        self.local_settings = Settings(client=False, initial_values=first)

    @property
    def open_inbound_streams(self) -> int:
        if len(self.streams) > 2 * len(self._under_way) + SWEEP:
            self._open_streams(1)
        return 0


class ApnsSession(asyncio.Protocol):
    """One connection."""

    def __init__(self, server: ApnsServer) -> None:
        self._server = server
        self._service = server.service
        self._conduct = Conduct(server.streams)
        self._met = Acquaintance()
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._requests: dict[int, ApnsRequest] = {}
        self._waits: dict[int, asyncio.TimerHandle] = {}
        self._hanging: set[int] = set()
        self._h2 = _Http2(self._requests)
        self._told: deque[int] = deque()
        self._enforced = ANY
        self._newest = 0
        self._last = ANY
        self._flushing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if self._service.gate.fault.mode == "down":
            self._transport.abort()
            return
        self._server.connections.add(self)
        self._server.made += 1
        self._h2.initiate_connection()
        self._told.append(self._conduct.limit)
        self._flush()

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002
        self._server.connections.discard(self)
        for stream in list(self._requests):
            self._forget(stream)

    def data_received(self, data: bytes) -> None:
        try:
            for event in self._h2.receive_data(data):
                self._handle(event)
        except (H2Error, UnicodeDecodeError):
            self._flush()
            self.leave()
            return
        self._flush_soon()

    def allow(self, streams: int) -> None:
        self._conduct.allow(streams)
        self._tell()

    def say_goodbye(self, reason: str, drop: int = 0) -> None:
        """GOAWAY (RFC 9113 section 6.8), written past h2, which would end the connection for both sides."""
        self._last = self._newest
        for stream in sorted(self._requests, reverse=True)[:drop]:
            self._last = stream - 2
            self._forget(stream)
        frame = GoAwayFrame(0, last_stream_id=max(self._last, 0), error_code=int(ErrorCodes.NO_ERROR))
        frame.additional_data = msgspec.json.encode({"reason": reason})
        self._write(frame.serialize())
        self._leave_when_done()

    def leave(self) -> None:
        """Closes after what has been written."""
        if self._transport is not None:
            self._transport.close()

    def cut(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def faulted(self, fault: Fault) -> None:
        """What hangs is released, by a reset: nobody will answer it."""
        if fault.mode == "down":
            self.cut()
            return
        for stream in list(self._hanging):
            self._reset(stream, ErrorCodes.INTERNAL_ERROR)
        self._leave_when_done()

    # --- frames that come ---------------------------------------------------------------------------------------------

    def _handle(self, event: Event) -> None:
        match event:
            case RequestReceived():
                self._began(event)
            case DataReceived():
                self._content(event)
            case StreamEnded() if event.stream_id in self._requests:
                self._complete(event.stream_id)
            case StreamReset() if event.stream_id in self._requests:
                self._forget(event.stream_id)
            case PingReceived():
                self._server.pings += 1
            case SettingsAcknowledged() if self._told:
                self._enforced = self._told.popleft()

    def _began(self, event: RequestReceived) -> None:
        stream = event.stream_id
        if stream > self._last:
            return  # after our GOAWAY: never looked at
        self._newest = stream
        headers: dict[str, str] = {}
        twice = ""
        for name, value in cast("list[tuple[str, str]]", event.headers):
            twice = twice or (name if name in headers else "")
            headers[name] = value
        self._requests[stream] = ApnsRequest(headers, twice=twice)
        if len(self._requests) > self._enforced:
            self._reset(stream, ErrorCodes.REFUSED_STREAM)

    def _content(self, event: DataReceived) -> None:
        request = self._requests.get(event.stream_id)
        if request is not None and len(request.body) <= MAX_BODY:
            request.body += event.data
        if event.flow_controlled_length:
            self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)

    def _complete(self, stream: int) -> None:
        """A whole push: answered now, or after the fault's latency, or never."""
        gate, request = self._service.gate, self._requests[stream]
        verdict = gate.judge()
        if verdict.kind in ("drop", "hang"):
            self._service.record(request, ApnsAnswer(0))
            self._hanging.add(stream)
            if verdict.kind == "drop":
                self.cut()
        elif gate.fault.latency_ms:
            self._waits[stream] = self._loop.call_later(gate.fault.latency_ms / 1000, self._answer, stream, verdict)
        else:
            self._answer(stream, verdict)

    # --- frames that go -----------------------------------------------------------------------------------------------

    def _answer(self, stream: int, verdict: Verdict) -> None:
        self._waits.pop(stream, None)
        answer = self._service.answer(self._requests[stream], self._met, verdict)
        if answer.lost or answer.refused:
            self._reset(stream, ErrorCodes.INTERNAL_ERROR if answer.lost else ErrorCodes.REFUSED_STREAM)
            return
        self._conduct.answered(answer.status, answer.reason)
        self._send(stream, answer)
        self._forget(stream)
        self._tell()
        if self._conduct.goodbye and self._last == ANY:
            self.say_goodbye(self._conduct.goodbye)
        self._leave_when_done()

    def _send(self, stream: int, answer: ApnsAnswer) -> None:
        """A success is HEADERS alone; an error HEADERS and one DATA frame (Apple)."""
        headers = [(":status", str(answer.status)), ("apns-id", answer.apns_id)]
        if answer.status == 200:
            headers.append(("apns-unique-id", str(uuid.uuid4())))  # as the sandbox does
        self._h2.send_headers(stream, headers, end_stream=not answer.body)
        if answer.body:
            self._h2.send_data(stream, answer.body, end_stream=True)
        self._flush_soon()

    def _tell(self) -> None:
        """A new stream limit, written past h2, which would enforce it by ending the connection."""
        told = self._told[-1] if self._told else self._enforced
        if self._conduct.limit != told:
            self._told.append(self._conduct.limit)
            self._flush()
            limit = {int(SettingCodes.MAX_CONCURRENT_STREAMS): self._conduct.limit}
            self._write(SettingsFrame(0, settings=limit).serialize())

    def _reset(self, stream: int, code: ErrorCodes) -> None:
        self._forget(stream)
        self._h2.reset_stream(stream, code)
        self._flush_soon()

    def _forget(self, stream: int) -> None:
        self._requests.pop(stream, None)
        self._hanging.discard(stream)
        wait = self._waits.pop(stream, None)
        if wait is not None:
            wait.cancel()

    def _leave_when_done(self) -> None:
        if self._last != ANY and not self._requests:
            self._flush()
            self.leave()

    def _flush_soon(self) -> None:
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        self._write(self._h2.data_to_send())

    def _write(self, data: bytes) -> None:
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)
