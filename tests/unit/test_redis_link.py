"""The connection to the cache: which errors mean that it is away."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from heliograph.backends.redis.link import RedisLink, Script
from heliograph.core.errors import PresenceUnavailable

SCRIPT = Script("return 1")


def failing(error: Exception) -> Callable[..., Awaitable[object]]:
    async def run(*_: object) -> object:
        raise error

    return run


async def test_a_write_to_a_connection_that_was_just_reset(monkeypatch: pytest.MonkeyPatch) -> None:
    """uvloop raises RuntimeError then, which redis-py lets through: the cache is away, it is no bug."""
    link = RedisLink("redis://127.0.0.1:1/0")
    error = RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed")
    monkeypatch.setattr(link._redis, "evalsha", failing(error))
    with pytest.raises(PresenceUnavailable):
        await link.run(SCRIPT, [], [])
    monkeypatch.setattr(link._redis, "evalsha", failing(RuntimeError("something else")))
    with pytest.raises(RuntimeError, match="something else"):
        await link.run(SCRIPT, [], [])
    await link.close()
