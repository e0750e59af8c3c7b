"""One call over HTTP: tried again, after a wait, where trying again can help and can't harm.

Reads and writes one server's HTTP API on a few kept connections. Knows no endpoint; groups nothing.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import urlsplit

import aiohttp
import msgspec
from yarl import URL

from heliograph.client.errors import ConnectionFailed, HeliographError, ServerError, error_of

T = TypeVar("T")

_BASE_S: Final = 0.1
_CEILING_S: Final = 5.0
_AGAIN: Final = frozenset({429, 502, 503, 504})
"""Busy or away, by its own word or a proxy's. A 500 is a bug: it would only happen again."""


class Answer(NamedTuple):
    """A success."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def replayed(self) -> bool:
        """It is the first answer to an idempotency key again."""
        return self.headers.get("Idempotency-Replayed") == "true"

    def read(self, shape: type[T]) -> T:
        """Raises `ServerError` for what can't be read: not Heliograph, or a very different one."""
        try:
            return msgspec.json.decode(self.body, type=shape)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ServerError(f"unreadable answer: {error}", code="unreadable", status=self.status) from error


class Transport:
    """Args:
    timeout_s: for one try.
    retry_for_s: a wait that would end later than this after the call began is not begun: the call fails. 0 = one try.
    connections: calls on their way at a time; more wait for their turn.

    Raises:
        ValueError: the URL or the key can't be one.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        timeout_s: float,
        retry_for_s: float,
        connections: int,
        draw: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            raise ValueError(f"not an http or https URL: {url!r}")
        if not key or not key.isascii() or not key.isprintable():
            raise ValueError("not a server key")
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}", "User-Agent": "heliograph-python"}
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._retry_for_s = retry_for_s
        self._connections = connections
        self._turns = asyncio.Semaphore(connections)
        self._draw = draw
        self._clock = clock
        self._sleep = sleep
        self._session: aiohttp.ClientSession | None = None

    async def call(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """The answer to a call that may be repeated. Raises `HeliographError`."""
        until = self._clock() + self._retry_for_s
        for tries in itertools.count(1):
            answer = await self._try(method, path, body, headers or {})
            if isinstance(answer, Answer):
                return answer
            answer.tries = tries
            wait_s = wait_before_next(answer, tries, self._draw)
            if wait_s is None or self._clock() + wait_s > until:
                raise answer
            await self._sleep(wait_s)
        raise AssertionError("unreachable")

    async def _try(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Answer | HeliographError:
        url = URL(self._url + path, encoded=True)
        content_type = {} if body is None else {"Content-Type": "application/json"}
        sent: dict[str, Any] = {"data": body, "headers": {**headers, **content_type}, "allow_redirects": False}
        async with self._turns:
            try:
                async with self._open().request(method, url, **sent) as response:
                    content = await response.read()
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                why = f"{method} {self._url}{path}: {type(error).__name__}: {error}".removesuffix(": ")
                return ConnectionFailed(why, code="connection_failed")
        if 200 <= response.status < 300:
            return Answer(response.status, response.headers, content)
        return error_of(response.status, response.headers, content)

    def _open(self) -> aiohttp.ClientSession:
        """Late, because a session belongs to the running loop. No proxy and no cookie is taken from anywhere."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._connections),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers=self._headers,
                timeout=self._timeout,
            )
            # aiohttp would repeat a GET, PUT or DELETE once by itself, unseen: trying again is this module's.
            self._session._retry_connection = False
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


def wait_before_next(error: HeliographError, tries: int, draw: Callable[[], float]) -> float | None:
    """Seconds until the next try; None = there is no use.

    Full jitter (aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter) on top of what the server asked for.
    """
    asked_s = error.retry_after_s
    # A 409 with a time: the list it belongs to is being expanded at this moment.
    soon = error.status == 409 and asked_s is not None
    if not (soon or error.status in _AGAIN or isinstance(error, ConnectionFailed)):
        return None
    jitter: float = min(_CEILING_S, _BASE_S * 2.0 ** min(tries, 40)) * draw()
    return jitter + (asked_s or 0.0)
