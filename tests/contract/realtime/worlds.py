"""Presence, streams, bus and cells under contract, as clients of servers that the world can do things to."""

from __future__ import annotations

import secrets
from typing import Protocol

from redis.asyncio import Redis

from heliograph.backends.bus import NatsBus
from heliograph.backends.jetstream import NatsLink
from heliograph.backends.redis import RedisCells, RedisPresence, RedisStreams
from heliograph.core.model import Key
from heliograph.core.ports import Bus, Cells, PresenceCache, UserStreams
from heliograph.testing.cells import MemoryCells
from heliograph.testing.realtime import MemoryBus, MemoryCache, MemoryPresence, MemoryStreams

KEPT = 10


class World(Protocol):
    presence: PresenceCache
    streams: UserStreams
    cells: tuple[Cells, Cells]
    """Two, as in two processes."""

    async def flush(self) -> None:
        """The cache loses everything."""

    async def buses(self) -> tuple[Bus, Bus]:
        """Two, as in two processes."""

    async def arrived(self) -> None:
        """Returns when what was sent over the buses has had its time."""

    async def close(self) -> None: ...


class RedisWorld:
    def __init__(self, redis_url: str, nats_url: str) -> None:
        self.presence = RedisPresence(redis_url)
        self.streams = RedisStreams(redis_url, kept=KEPT)
        self.cells = (RedisCells(redis_url), RedisCells(redis_url))
        self.redis = Redis.from_url(redis_url)
        self._links = [NatsLink(nats_url), NatsLink(nats_url)]

    async def flush(self) -> None:
        await self.redis.flushall()

    async def buses(self) -> tuple[NatsBus, NatsBus]:
        for link in self._links:
            await link.open()
        first, second = self._links
        return NatsBus(first), NatsBus(second)

    async def arrived(self) -> None:
        """Each connection makes a round trip: messages are delivered in order before its answer."""
        for link in self._links:
            await link.flush()

    async def close(self) -> None:
        await self.presence.close()
        await self.streams.close()
        for cells in self.cells:
            await cells.close()
        for link in self._links:
            await link.close()
        await self.redis.aclose()


class MemoryWorld:
    def __init__(self) -> None:
        self._cache = MemoryCache()
        self.presence = MemoryPresence(self._cache)
        self.streams = MemoryStreams(self._cache, kept=KEPT)
        self._cells = MemoryCells()
        self.cells = (self._cells, self._cells)

    async def flush(self) -> None:
        self._cache.flush()
        self._cells.flush()

    async def buses(self) -> tuple[MemoryBus, MemoryBus]:
        bus = MemoryBus()
        return bus, bus

    async def arrived(self) -> None:
        """It hands over at once."""

    async def close(self) -> None:
        """Nothing to do."""


def someone(tenant: str = "acme") -> Key:
    """A user that no other test knows."""
    return Key(tenant, secrets.token_hex(6))
