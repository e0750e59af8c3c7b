"""APNs: the connections of one account, and the pushes that wait for a free stream, more important levels first.

Reads requests, writes them to whichever connection has room, opens a fresh connection (fresh DNS, TLS, ALPN h2) when
there is none. Sends again only what APNs says it has not processed. Never looks at what an answer means for a push.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from typing import Final
from urllib.parse import urlsplit

from heliograph.core.model import Level
from heliograph.providers.apns_codes import Reply, action_of, reason_of
from heliograph.providers.apns_connection import PING_AFTER_S, ApnsConnection
from heliograph.providers.apns_push import Header, Headers, Lost, Push

CONNECTIONS: Final = 2
"""One carries thousands of pushes a second; the second one bears the load when the first is told to slow down."""
MOST_RESENDS: Final = 10
_FIRST_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 5.0
"""Between connections that came to nothing: Apple takes rapid connecting and disconnecting for an attack."""
_LEAST_LEFT: Final = 0.02
"""Share of the time-out. A push started with less left before its deadline would only end as unknown."""
_CONNECT_SHARE: Final = 0.5
_PORT: Final = 443
_GOODBYE_S: Final = 2.0
_CLOSED: Final = Lost("closed", unknown=False)
_CROWDED: Final = Lost("no free stream in time", unknown=False)
_SILENT: Final = Lost("no answer in time", unknown=True)


class ApnsPool:
    """Args:
    base_url: `https://host[:port]`.
    ca: a file with the certificate authorities to trust instead of the system's; empty = the system's.

    Raises:
        ValueError: no https URL, or no certificate authorities in the file.
    """

    def __init__(
        self, base_url: str, ca: str = "", *, timeout_s: float = 10.0, connections: int = CONNECTIONS,
        ping_after_s: float = PING_AFTER_S,
    ) -> None:  # fmt: skip
        url = urlsplit(base_url)
        if url.scheme != "https" or not url.hostname:
            raise ValueError(f"HELIOGRAPH_APNS_URL must begin with https://, not {base_url!r}")
        self._host, self._port = url.hostname, url.port or _PORT
        self.path = url.path.rstrip("/")
        self._same: Headers = [(":method", "POST"), (":scheme", "https"), (":authority", url.netloc)]
        self._tls = _tls(ca)
        self._timeout_s = timeout_s
        self._least_left_s = timeout_s * _LEAST_LEFT
        self._most = connections
        self._ping_after_s = ping_after_s
        self._waiting: dict[Level, deque[Push]] = {level: deque() for level in Level}
        self._open: list[ApnsConnection] = []
        self._draining: list[ApnsConnection] = []
        self._connecting: asyncio.Task[None] | None = None
        self._failures = 0
        self._not_before = 0.0
        self._closed = False

    async def post(self, path: Header, headers: Headers, body: bytes, level: Level, deadline: float) -> Reply | Lost:
        """One push, until `deadline` (of the loop's clock). `path` is its `:path`."""
        if self._closed:
            return _CLOSED
        loop = asyncio.get_running_loop()
        push = Push([*self._same, path, *headers], body, level, deadline, loop.create_future())
        self._waiting[level].append(push)
        self._dispatch()
        try:
            async with asyncio.timeout_at(deadline):
                result = await push.end
        except TimeoutError:
            result = _SILENT if push.stream else _CROWDED
        finally:
            if push.connection is not None and push.stream:
                push.connection.abandon(push)  # does nothing if it has ended
        if isinstance(result, Reply) and result.status != 200 and push.connection and action_of(result) == "reconnect":
            push.connection.retire(reason_of(result.body))
        return result

    async def close(self) -> None:
        """Closes all connections; whatever is under way fails."""
        self._closed = True
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.gather(self._connecting, return_exceptions=True)
        self._fail(_CLOSED)
        connections = [*self._open, *self._draining]
        for connection in connections:
            connection.close()
        if connections:
            await asyncio.wait([connection.gone for connection in connections], timeout=_GOODBYE_S)
        for connection in connections:
            connection.abort()

    def _dispatch(self) -> None:
        """Starts what waits, as long as there is room; what has no time left ends by itself, as never sent."""
        now = asyncio.get_running_loop().time()
        for waiting in self._waiting.values():
            while waiting:
                connection = self._roomiest()
                if connection is None:
                    self._grow()
                    return
                push = waiting.popleft()
                if not push.end.done() and push.deadline - now >= self._least_left_s:
                    connection.start(push)

    def _roomiest(self) -> ApnsConnection | None:
        best, most = None, 0
        for connection in self._open:
            room = connection.room
            if room > most:
                best, most = connection, room
        return best

    def _changed(self) -> None:
        """A connection has room again, or takes no push any more."""
        retired = [connection for connection in self._open if connection.retired]
        for connection in retired:
            self._open.remove(connection)
            self._came_to(nothing=not connection.proven)
        self._draining = [connection for connection in [*self._draining, *retired] if not connection.gone.done()]
        self._dispatch()

    def _unprocessed(self, push: Push, why: str) -> None:
        """Takes back a push that is safe to send again."""
        push.resends += 1
        push.start(0, 0.0)
        if push.resends > MOST_RESENDS or self._closed:
            push.finish(why, unknown=False)
        elif not push.end.done():
            self._waiting[push.level].appendleft(push)

    def _grow(self) -> None:
        """One more connection, unless one is being made or those there have not shown yet what they can bear."""
        unproven = any(not connection.proven for connection in self._open)
        if not (self._closed or self._connecting or unproven or len(self._open) >= self._most):
            self._connecting = asyncio.create_task(self._connect(), name="apns-connect")

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self._not_before - loop.time())
        connection = ApnsConnection(self._changed, self._unprocessed, self._ping_after_s)
        try:
            cause = await self._opened(connection)
        finally:
            self._connecting = None
        if cause:
            connection.abort()
            self._came_to(nothing=True)
            if not self._open:
                self._fail(Lost(cause, unknown=False))
        else:
            self._open.append(connection)
        self._dispatch()

    async def _opened(self, connection: ApnsConnection) -> str:
        """Opens it and waits for the server's settings. Answers why it can't be used, or nothing."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._timeout_s * _CONNECT_SHARE):
                transport, _ = await loop.create_connection(
                    lambda: connection, self._host, self._port, ssl=self._tls, ssl_shutdown_timeout=_GOODBYE_S
                )
                await connection.ready
        except TimeoutError:
            return "no connection in time"
        except ssl.SSLError as error:
            return f"no connection: {error.reason or 'TLS'}"
        except OSError:
            return "no connection"
        finally:
            if not connection.ready.done():
                connection.abort()
        agreed = transport.get_extra_info("ssl_object").selected_alpn_protocol()
        return "no HTTP/2" if agreed != "h2" else connection.retired

    def _came_to(self, *, nothing: bool) -> None:
        """Each connection that comes to nothing doubles the pause before the next."""
        self._failures = self._failures + 1 if nothing else 0
        if nothing:
            pause_s = min(_FIRST_PAUSE_S * 2.0 ** min(self._failures, 10), _LONGEST_PAUSE_S)
            self._not_before = asyncio.get_running_loop().time() + pause_s

    def _fail(self, lost: Lost) -> None:
        for waiting in self._waiting.values():
            while waiting:
                waiting.popleft().finish(lost.cause, unknown=lost.unknown)


def _tls(ca: str) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca or None)
    except (OSError, ssl.SSLError) as error:
        raise ValueError(f"HELIOGRAPH_APNS_CA can't be used: {error}") from error
    context.set_alpn_protocols(["h2"])
    return context
