"""One durable consumer as seen from here: what it has given us, and the one pull request that is open at the server.

Reads the consumer's messages; writes pull requests. Two kinds of request: a *standing* one waits at the server for a
single message, so that an idle worker hears of work at once and hoards nothing; a *sweep* takes many, and ends with a
clear word from the server when there is no more. That word is what makes the levels strict: see `lane_puller.py`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
import structlog
from nats.aio.msg import Msg

from heliograph.backends.jetstream import api
from heliograph.backends.jetstream.envelope import TERM, Book, Envelope
from heliograph.backends.jetstream.link import NatsLink
from heliograph.core.errors import QueueUnavailable
from heliograph.core.lanes import Lane
from heliograph.core.model import Level, Millis
from heliograph.core.ports import Pulled

_STANDING_S: Final = 3.0
"""A standing pull is renewed this often: after a broker restart pulls were seen to go silent for good."""
_GRACE_S: Final = 1.0
_SWEEP_MOST: Final = 256
_SWEEP_BYTES: Final = 8 * 1024**2
"""Above the server's largest message (4 MB), or a pull could never be answered."""
_CALM_S: Final = 0.1
"""Pause after a refused request."""
_UNKNOWN: Final = 1
"""To ask with a sweep is how to find out: its answer is a clear one."""

log = structlog.get_logger(component="queue")


class Source:
    """Args:
    changed: awaited after every message and every answer, to decide what to ask for next.
    missing: called when the stream or consumer doesn't exist.
    crowd: what it gives belongs to the bursts of single tenants.
    """

    def __init__(
        self, link: NatsLink, book: Book, lane: Lane, level: Level, stream: str, consumer: str, *,
        changed: Callable[[], Awaitable[None]], missing: Callable[[], None], crowd: bool = False,
    ) -> None:  # fmt: skip
        self.level = level
        self.crowd = crowd
        self.waiting = 0
        """Items in hand that nobody has yet."""
        self._queue: deque[Envelope] = deque()
        self._link = link
        self._book = book
        self._lane = lane
        self._next = api.next_message(stream, consumer)
        self._inbox = f"{link.new_inbox()}."
        self._changed = changed
        self._missing = missing
        self._request = 0
        self._left = 0
        self._sweeping = False
        self._until = 0.0
        self._not_before = 0.0
        self._pending = _UNKNOWN
        self._per_message = 1.0

    @property
    def filled(self) -> bool:
        return bool(self._queue)

    @property
    def oldest_at(self) -> Millis:
        return self._queue[0].published_at

    @property
    def asking(self) -> bool:
        """A request is open."""
        return self._left > 0

    @property
    def unsure(self) -> bool:
        """The server may have something for us right now, and we are about to hear."""
        return self._left > 0 and self._sweeping

    async def listen(self) -> None:
        await self._link.subscribe(self._inbox + "*", self._on_message)

    async def leave(self) -> None:
        await self._link.unsubscribe(self._inbox + "*")

    async def ask(self, items: int) -> None:
        """Opens a request for about that many items, if none is open."""
        now = asyncio.get_running_loop().time()
        if self.asking or now < self._not_before:
            return
        self._sweeping = self._pending > 0
        if self._sweeping:
            batch = max(1, min(_SWEEP_MOST, round(items / self._per_message)))
            body: dict[str, object] = {"batch": batch, "no_wait": True, "max_bytes": _SWEEP_BYTES}
            self._until = now + _GRACE_S
        else:
            batch, body = 1, {"batch": 1, "expires": int(_STANDING_S * 1e9)}
            self._until = now + _STANDING_S + _GRACE_S
        self._request += 1
        self._left = batch
        try:
            await self._link.send(self._next, msgspec.json.encode(body), f"{self._inbox}{self._request}")
        except QueueUnavailable:
            self.forget()

    async def hand_out(self, limit: int) -> list[Pulled]:
        """Items of the oldest message in hand; none if that can't be read, it's thrown away then."""
        envelope = self._queue[0]
        self.waiting -= envelope.waiting
        try:
            envelope.unpack()
        except msgspec.DecodeError as error:
            self._queue.popleft()
            await self._reject(envelope, error)
            return []
        handed = envelope.hand_out(limit)
        if envelope.waiting:
            self.waiting += envelope.waiting
        else:
            self._queue.popleft()
        return handed

    def drop(self, envelope: Envelope) -> None:
        """Forgets what is left of a message that is on its way back."""
        if envelope in self._queue:
            self._queue.remove(envelope)
            self.waiting -= envelope.waiting

    def forget(self) -> None:
        """No request is open any more, as far as we know, and what the server has for us is unknown."""
        self._left = 0
        self._pending = _UNKNOWN

    def overdue(self, now: float) -> bool:
        """The server owes us a word on the open request, or a pause has passed; in both cases it's time to ask."""
        if self.asking and now > self._until:
            self.forget()
        return not self.asking and now >= self._not_before

    async def _on_message(self, message: Msg) -> None:
        if message.reply:
            self._take_in(message)
        elif message.subject == f"{self._inbox}{self._request}":
            self._on_status(message.headers or {})
        await self._changed()

    def _take_in(self, message: Msg) -> None:
        envelope = Envelope(self._lane, self.level, message.subject, message.reply, message.data)
        self._left = max(0, self._left - 1)
        self._pending = envelope.pending
        self._per_message += (envelope.count - self._per_message) / 8
        if self._book.enter(envelope):
            self._queue.append(envelope)
            self.waiting += envelope.count

    def _on_status(self, headers: dict[str, str]) -> None:
        """Source of the codes: nats-server server/consumer.go, processNextMsgRequest and processWaiting."""
        status, why = headers.get("Status", ""), headers.get("Description", "")
        if "Batch Completed" in why:
            self._left = 0
            return
        self.forget()
        if status in {"404", "408"}:
            self._pending = 0
        elif "MaxBytes" in why:
            return  # what comes next didn't fit into this sweep any more
        elif status == "503" or "Deleted" in why:
            self._pause()
            self._missing()
        else:
            log.info("pull_refused", action="pull", lane=self._lane.name, status=status, error=why)
            self._pause()

    async def _reject(self, envelope: Envelope, error: msgspec.DecodeError) -> None:
        log.error("undecodable", action="terminate", subject=envelope.subject, id=envelope.id, error=str(error))
        self._book.strike(envelope)
        await self._link.send(envelope.reply, TERM)

    def _pause(self) -> None:
        self._not_before = asyncio.get_running_loop().time() + _CALM_S
