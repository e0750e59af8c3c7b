"""Provider HTTP: one `post` on a pool of kept connections, behind which the engine (aiohttp) can be exchanged.

Reads nothing but its arguments (no proxy or netrc from the environment), writes one request. A failure is a value that
tells whether the request may have been processed. It never follows a redirect and never sends a request twice.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Final

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver, ResolveResult

from heliograph.core.subscriptions import is_public

TIMEOUT_S: Final = 10.0
"""FCM asks for at least ten seconds (firebase.google.com/docs/cloud-messaging/scale-fcm)."""
CONNECTIONS: Final = 256
_KEEP_ALIVE_S: Final = 30.0
MAX_ANSWER: Final = 1024 * 1024
"""Bytes of an answer's body that are read: more than any provider says, and no more than we can hold for each."""
_CONNECT_SHARE: Final = 0.5
"""Connecting ends before the whole does, or a connection never made would look like an answer never given."""


class Answer(msgspec.Struct, frozen=True):
    """An HTTP answer. `headers` ignore case; `body` is empty when the connection broke while it was read."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Failed(msgspec.Struct, frozen=True):
    """No answer. `unknown` = the request may have been processed; else it certainly was not."""

    cause: str
    unknown: bool


NO_URL: Final = Failed("not an http or https URL", unknown=False)
NO_CONNECTION: Final = Failed("no connection", unknown=False)
LOST: Final = Failed("connection lost", unknown=True)
SILENT: Final = Failed("no answer in time", unknown=True)
CLOSED: Final = Failed("closed", unknown=False)
CROWDED: Final = Failed("no free connection in time", unknown=False)
FORBIDDEN: Final = Failed("blocked_address", unknown=False)
"""The name leads to no public address, or the URL names one that isn't."""


class NotPublicError(OSError):
    """A name leads to no public address."""


class PublicAddresses(AbstractResolver):
    """Resolves names to public addresses only, for URLs that come from anybody (server-side request forgery).

    The connection is made to the very addresses found here, so a name can't change its meaning in between. A URL with
    an address instead of a name never comes here: check those first (`core.subscriptions.endpoint_flaw`).

    Args:
        allowed_hosts: `host:port` that may be private.
    """

    def __init__(self, allowed_hosts: AbstractSet[str] = frozenset()) -> None:
        self._allowed = allowed_hosts

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await aiohttp.ThreadedResolver().resolve(host, port, family)
        if f"{host}:{port}" in self._allowed:
            return found
        public = [one for one in found if is_public(one["host"])]
        if not public:
            raise NotPublicError(f"{host} leads to no public address")
        return public

    async def close(self) -> None:
        """Nothing is kept."""


class Http:
    """A pool of connections to any hosts.

    Several providers may share one; each closes what it was given, and closing twice is harmless.

    Args:
        timeout_s: for one whole post, waiting for a turn included.
        connections: at most so many requests at a time; more wait for their turn.
        resolver: makes addresses of names; by default the operating system's.
    """

    def __init__(
        self, *, timeout_s: float = TIMEOUT_S, connections: int = CONNECTIONS, resolver: AbstractResolver | None = None
    ) -> None:
        self.timeout_s = timeout_s
        self._resolver = resolver
        # The pool's size is kept by turns: in aiohttp's connector, waiting would look like not getting a connection.
        self._turns = asyncio.Semaphore(connections)
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def post(
        self, url: str, headers: Mapping[str, str], body: bytes, deadline: float | None = None
    ) -> Answer | Failed:
        """Sends one request and waits for its answer, until `deadline` (of the loop's clock) or for `timeout_s`."""
        now = asyncio.get_running_loop().time
        until = now() + self.timeout_s if deadline is None else deadline
        if not await self._turn(until):
            return CROWDED
        try:
            left_s = until - now()
            if self._closed or left_s <= 0:
                return CLOSED if self._closed else CROWDED
            return await self._try(url, headers, body, left_s)
        finally:
            self._turns.release()

    async def _turn(self, until: float) -> bool:
        if not self._turns.locked():
            return await self._turns.acquire()
        try:
            async with asyncio.timeout_at(until):
                return await self._turns.acquire()
        except TimeoutError:
            return False

    async def _try(self, url: str, headers: Mapping[str, str], body: bytes, left_s: float) -> Answer | Failed:
        if self._session is None:
            self._session = _open(self._resolver)
        timeout = aiohttp.ClientTimeout(total=left_s, connect=left_s * _CONNECT_SHARE)
        try:
            return await _exchange(self._session, url, headers, body, timeout)
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError):
            return NO_URL
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            if isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, NotPublicError):
                return FORBIDDEN
            return NO_CONNECTION  # refused, no such host, no TLS, or not in time: nothing was sent
        except TimeoutError:
            return SILENT
        except aiohttp.ClientError:
            return LOST

    async def close(self) -> None:
        """Closes all connections; whatever is under way fails."""
        self._closed = True
        if self._session is not None:
            await self._session.close()


def _open(resolver: AbstractResolver | None) -> aiohttp.ClientSession:
    """Opened late, because a session belongs to the running loop."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE_S, resolver=resolver),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": "Heliograph"},
        trust_env=False,
    )


async def _exchange(
    session: aiohttp.ClientSession,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    timeout: aiohttp.ClientTimeout,
) -> Answer:
    async with session.post(url, headers=headers, data=body, allow_redirects=False, timeout=timeout) as response:
        try:
            content = await _whole(response.content)
        except (aiohttp.ClientError, TimeoutError):
            content = b""  # the status alone says what became of the request
        return Answer(response.status, response.headers, content)


async def _whole(stream: aiohttp.StreamReader) -> bytes:
    try:
        return await stream.readexactly(MAX_ANSWER)
    except asyncio.IncompleteReadError as error:
        return error.partial
