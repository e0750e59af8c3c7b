"""The realtime ports under contract: on Valkey and NATS, and the twins in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.contract.realtime.worlds import MemoryWorld, RedisWorld, World
from tests.support.servers import nats_url, redis_url

__all__ = ["nats_url", "redis_url"]


@pytest.fixture(params=["servers", "memory"])
async def world(request: pytest.FixtureRequest, redis_url: str, nats_url: str) -> AsyncIterator[World]:
    found: World = MemoryWorld() if request.param == "memory" else RedisWorld(redis_url, nats_url)
    await found.flush()
    yield found
    await found.close()
