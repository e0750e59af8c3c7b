"""One pool of connections to Redis, on which scripts run; away means `PresenceUnavailable`, at once and not for ever.

Runs the scripts of the modules beside it. Sends a script's text again whenever the server has forgotten it.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Any, Final, cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    BusyLoadingError,
    ConnectionError,  # noqa: A004 - redis-py's own, and the only one meant here
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    TimeoutError,  # noqa: A004
)

from heliograph.core.errors import PresenceUnavailable

_TIMEOUT_S: Final = 1.0
_CONNECTIONS: Final = 16
_AWAY: Final = (
    ConnectionError, TimeoutError, BusyLoadingError, OutOfMemoryError, ReadOnlyError, OSError, asyncio.TimeoutError,
)  # fmt: skip
"""Anything else that Redis answers is a bug of ours."""
_WRITTEN_TO_CLOSED: Final = "the handler is closed"
"""What uvloop says, as a plain RuntimeError, of a write to a connection that was reset just before."""


class Script:
    """A Lua script: the server runs it as one step. It may read and write no keys but those it is given."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


class RedisLink:
    """Args:
    url: `redis://:password@host:port/0` or `rediss://…`.
    """

    def __init__(self, url: str) -> None:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=_CONNECTIONS,
            timeout=_TIMEOUT_S,
            socket_timeout=_TIMEOUT_S,
            socket_connect_timeout=_TIMEOUT_S,
            # A pooled connection may have died with the server's last restart; a slow server gets no second chance.
            retry=Retry(NoBackoff(), 1, supported_errors=(ConnectionError,)),
        )
        self._redis = Redis.from_pool(pool)

    async def run(self, script: Script, keys: Sequence[str], args: Sequence[str | bytes | int | float]) -> Any:
        """What the script returns: bytes, ints, None and lists of those. Raises `PresenceUnavailable`."""
        try:
            try:
                return await cast("Any", self._redis.evalsha(script.sha, len(keys), *keys, *cast("Any", args)))
            except NoScriptError:
                return await cast("Any", self._redis.eval(script.text, len(keys), *keys, *cast("Any", args)))
        except _AWAY as error:
            raise PresenceUnavailable(str(error) or repr(error)) from error
        except RuntimeError as error:
            if _WRITTEN_TO_CLOSED not in str(error):
                raise
            raise PresenceUnavailable("the connection was reset") from error

    async def close(self) -> None:
        await self._redis.aclose()


def words(values: Sequence[bytes]) -> list[str]:
    return [value.decode() for value in values]
