"""One connection to NATS that never gives up, and many requests over it at a time.

Reads and writes whatever subjects it is given; knows nothing of lanes. Reconnects for ever in the background. Never
blocks a caller on a dead server: what can't be sent or isn't answered in time raises `QueueUnavailable`.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import count
from typing import Final
from urllib.parse import urlsplit

import msgspec
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from heliograph.core.errors import QueueUnavailable

NOBODY: Final = b""
"""The answer when no one listens on the subject: no such stream or consumer (JetStream never answers empty)."""

_FIRST_WAIT_S: Final = 2.0
_RECONNECT_S: Final = 0.1
_PING_S: Final = 2
"""With two unanswered pings a frozen server is noticed within some six seconds."""
_STUCK_BYTES: Final = 32 * 1024**2
_BUFFER_BYTES: Final = 256 * 1024**2
"""nats-py blocks a publisher beyond its buffer, without a time-out; we refuse long before (`_STUCK_BYTES`)."""
_FAILURES: Final = (NatsError, OSError)

log = structlog.get_logger(component="queue")


class Outgoing(msgspec.Struct, frozen=True):
    subject: str
    payload: bytes
    headers: dict[str, str] | None = None


class _Call:
    """One `request_many` under way."""

    def __init__(self, size: int) -> None:
        self.answers: list[bytes] = [NOBODY] * size
        self.left = size
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def answer(self, place: int, data: bytes) -> None:
        self.answers[place] = data
        self.left -= 1
        if not self.left and not self.done.done():
            self.done.set_result(None)


class NatsLink:
    """See the module. `on_up` is awaited after every (re)connect, `on_down` called after every loss.

    Args:
        url: `nats://user:password@host:port` or `tls://…`, several with commas.
        name: what the server's monitoring shows.
        tls: for `tls://` URLs, where the system's authorities and no certificate of ours don't do.
    """

    def __init__(self, url: str, name: str = "heliograph", tls: ssl.SSLContext | None = None) -> None:
        self._servers = url.split(",")
        self._prefix = f"_INBOX.{user}" if (user := urlsplit(self._servers[0]).username) else "_INBOX"
        """Answers come to subjects of our own account, so that it needs to hear nobody else's."""
        self._name = name
        self._tls = tls
        self._client = Client()
        self._up = asyncio.Event()
        self._closing = False
        self._connecting: asyncio.Task[None] | None = None
        self._calls: dict[str, tuple[_Call, int]] = {}
        self._tokens: Iterator[str] = map(str, count())
        self._inbox = ""
        self._wanted: dict[str, Callable[[Msg], Awaitable[None]]] = {}
        self._subscribed: dict[str, Subscription] = {}
        self._complained = False
        self.on_up: list[Callable[[], Awaitable[None]]] = []
        self.on_down: list[Callable[[], None]] = []

    @property
    def is_up(self) -> bool:
        return self._client.is_connected and self._up.is_set()

    async def open(self) -> None:
        """Connects; when that takes long, comes back and goes on trying in the background."""
        self._connecting = asyncio.create_task(self._connect())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._up.wait(), _FIRST_WAIT_S)
        if not self._up.is_set():
            log.warning("queue_away", action="connect", error="no answer yet; trying on in the background")

    async def close(self) -> None:
        self._closing = True
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait({self._connecting})
        with contextlib.suppress(*_FAILURES):
            if self.is_up:
                await self._client.flush(timeout=1)
            if self._inbox:  # else there never was a connection
                await self._client.close()
        self._fail_calls("the connection was closed")

    async def send(self, subject: str, payload: bytes, reply: str = "") -> None:
        """Fire and forget; kept in a buffer while the server is away. Raises `QueueUnavailable` when that is full."""
        try:
            self._refuse_if_stuck()
            await self._client.publish(subject, payload, reply)
        except _FAILURES as error:
            raise QueueUnavailable(str(error)) from error

    async def flush(self) -> None:
        """Returns when the server has read all that was sent. Raises `QueueUnavailable`."""
        try:
            await self._client.flush(timeout=2)
        except _FAILURES as error:
            raise QueueUnavailable(str(error)) from error

    async def request_many(self, messages: Sequence[Outgoing], timeout_s: float) -> list[bytes]:
        """Sends them all at once; answers in order, `NOBODY` where no one listens. Raises `QueueUnavailable`."""
        if not messages:
            return []
        if not self.is_up:
            raise QueueUnavailable("not connected")
        call = _Call(len(messages))
        tokens: list[str] = []
        try:
            self._refuse_if_stuck()
            for place, message in enumerate(messages):
                token = next(self._tokens)
                tokens.append(token)
                self._calls[token] = (call, place)
                await self._client.publish(message.subject, message.payload, self._inbox + token, message.headers)
            await asyncio.wait_for(call.done, timeout_s)
        except _FAILURES as error:  # TimeoutError is an OSError
            raise QueueUnavailable(str(error) or "no answer in time") from error
        finally:
            for token in tokens:
                self._calls.pop(token, None)
        return call.answers

    async def subscribe(self, subject: str, receive: Callable[[Msg], Awaitable[None]]) -> None:
        """Calls `receive` for every message, over reconnects too, one after the other."""
        self._wanted[subject] = receive
        if self.is_up:
            await self._listen(subject, receive)

    async def unsubscribe(self, subject: str) -> None:
        """Stops it after what the server has sent already was received."""
        self._wanted.pop(subject, None)
        subscription = self._subscribed.pop(subject, None)
        if subscription is not None and self.is_up:
            with contextlib.suppress(*_FAILURES):
                await subscription.drain()  # type: ignore[no-untyped-call]

    def new_inbox(self) -> str:
        return self._client.new_inbox()

    def _refuse_if_stuck(self) -> None:
        if self._client.pending_data_size > _STUCK_BYTES:
            raise QueueUnavailable("the server does not read")

    async def _connect(self) -> None:
        client = Client()
        try:
            await self._dial(client)
        except asyncio.CancelledError:
            await client.close()
            raise
        self._client = client
        self._inbox = client.new_inbox() + "."
        await client.subscribe(self._inbox + "*", cb=self._on_answer)
        self._up.set()
        self._subscribed.clear()
        for subject, receive in [*self._wanted.items()]:
            await self._listen(subject, receive)
        await self._announce()

    async def _dial(self, client: Client) -> None:
        await client.connect(
            self._servers,
            name=self._name,
            inbox_prefix=self._prefix,
            tls=self._tls,
            error_cb=self._on_error,
            disconnected_cb=self._on_disconnect,
            reconnected_cb=self._on_reconnect,
            closed_cb=self._on_closed,
            connect_timeout=2,
            reconnect_time_wait=_RECONNECT_S,  # type: ignore[arg-type]  # it only sleeps that long
            max_reconnect_attempts=-1,
            ping_interval=_PING_S,
            max_outstanding_pings=2,
            pending_size=_BUFFER_BYTES,
            skip_subject_validation=True,  # every subject is made of our own words
        )

    async def _listen(self, subject: str, receive: Callable[[Msg], Awaitable[None]]) -> None:
        with contextlib.suppress(*_FAILURES):
            self._subscribed[subject] = await self._client.subscribe(subject, cb=receive)

    async def _announce(self) -> None:
        if self._complained:
            log.info("queue_back", action="connect")
        self._complained = False
        for hook in self.on_up:
            await hook()

    async def _on_answer(self, message: Msg) -> None:
        found = self._calls.pop(message.subject[len(self._inbox) :], None)
        if found is not None:
            found[0].answer(found[1], message.data)

    async def _on_error(self, error: Exception) -> None:
        if "permissions violation" in str(error).lower():  # the account's rights and our subjects have parted
            log.error("bug", action="connection", error=str(error))
            return
        if self._complained or self._closing:
            log.debug("queue_error", action="connection", error=repr(error))
            return
        self._complained = True
        log.warning("queue_away", action="reconnect", error=repr(error))

    async def _on_disconnect(self) -> None:
        self._up.clear()
        self._fail_calls("the connection was lost")
        for hook in self.on_down:
            hook()

    async def _on_reconnect(self) -> None:
        self._up.set()
        await self._announce()

    async def _on_closed(self) -> None:
        """nats-py closes for good on some errors of the server's; only we decide when it is over."""
        self._up.clear()
        if not self._closing:
            self._connecting = asyncio.create_task(self._connect())

    def _fail_calls(self, why: str) -> None:
        for call, _ in self._calls.values():
            if not call.done.done():
                call.done.set_exception(QueueUnavailable(why))
                call.done.exception()  # so that a caller who timed out just now leaves no warning behind
