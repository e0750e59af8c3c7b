"""APNs: one push on its way through the pool: what is sent, where it is, and how it ended. Does nothing by itself."""

from __future__ import annotations

import asyncio
from typing import Protocol

import msgspec
from hpack import NeverIndexedHeaderTuple

from heliograph.core.model import Level
from heliograph.providers.apns_codes import Reply

Header = tuple[str, str] | NeverIndexedHeaderTuple
Headers = list[Header]


class Lost(msgspec.Struct, frozen=True):
    """No answer. `unknown` = APNs may have processed the push; else it certainly has not."""

    cause: str
    unknown: bool


class Carrier(Protocol):
    """What a push needs to know of the connection that carries it."""

    def abandon(self, push: Push) -> None: ...
    def retire(self, why: str) -> None: ...


class Push:
    """A request and its end. `connection` and `stream` say where it is while it is under way."""

    __slots__ = (
        *("body", "connection", "deadline", "end", "headers", "level", "resends"),
        *("answer", "apns_id", "sent", "started_at", "status", "stream"),
    )

    def __init__(
        self, headers: Headers, body: bytes, level: Level, deadline: float, end: asyncio.Future[Reply | Lost]
    ) -> None:
        self.headers = headers
        self.body = body
        self.level = level
        self.deadline = deadline
        self.end = end
        self.resends = 0
        self.connection: Carrier | None = None
        self.start(0, 0.0)

    def start(self, stream: int, now: float) -> None:
        """As if never sent before."""
        self.stream = stream
        self.started_at = now
        self.sent = 0
        self.status = 0
        self.apns_id: str | None = None
        self.answer = b""

    def finish(self, lost: str, *, unknown: bool = True) -> None:
        """Ends it: with the answer, as far as there is one (a status alone says what became of it), else as lost."""
        if not self.end.done():
            reply = Reply(self.status, self.answer, self.apns_id) if self.status else Lost(lost, unknown)
            self.end.set_result(reply)
