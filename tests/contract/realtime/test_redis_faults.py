"""What only a real cache server can do to us: go away, come back empty, forget scripts; and what it is left with."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from heliograph.backends.redis import RedisCells, RedisPresence, RedisStreams
from heliograph.backends.servers import ValkeyServer
from heliograph.core.errors import PresenceUnavailable
from heliograph.core.model import Key
from heliograph.core.ports import Position, PresenceLease
from tests.contract.realtime.worlds import someone
from tests.support.eventually import eventually
from tests.support.servers import frozen

NOW = 1_700_000_000_000
TTL = 45_000


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ValkeyServer]:
    """A server of the test's own, to be mistreated."""
    found = ValkeyServer(tmp_path)
    await found.start()
    yield found
    await found.stop()


@pytest.fixture
async def url(server: ValkeyServer) -> str:
    return await server.start()


@pytest.fixture
async def redis(server: ValkeyServer, url: str) -> AsyncIterator[Redis]:
    """As the operator: the system's own accounts may not look at everything."""
    async with Redis.from_url(server.url_of("operator"), decode_responses=True) as client:
        yield client


@pytest.fixture
async def presence(url: str) -> AsyncIterator[RedisPresence]:
    found = RedisPresence(url)
    yield found
    await found.close()


@pytest.fixture
async def streams(url: str) -> AsyncIterator[RedisStreams]:
    found = RedisStreams(url)
    yield found
    await found.close()


@pytest.fixture
async def cells(url: str) -> AsyncIterator[RedisCells]:
    found = RedisCells(url)
    yield found
    await found.close()


async def test_away_is_said_and_over_when_it_is_over(
    server: ValkeyServer, presence: RedisPresence, streams: RedisStreams
) -> None:
    """Every call raises `PresenceUnavailable` while the server is down, and works on the empty one that comes back."""
    user = someone()
    await presence.renew([PresenceLease(user, "n1")], NOW, TTL)
    await streams.append([(user, "a", True, b"{}")], NOW)
    await server.stop()
    for call in (
        presence.renew([PresenceLease(user, "n1")], NOW, TTL),
        presence.release([PresenceLease(user, "n1")]),
        presence.look([user], NOW),
        presence.forget(user),
        streams.append([(user, "a", True, b"{}")], NOW),
        streams.open_stream(user),
        streams.since(user, Position("e", 0)),
    ):
        with pytest.raises(PresenceUnavailable):
            await call
    await server.start()
    assert not (await presence.look([user], NOW))[0].online
    await presence.renew([PresenceLease(user, "n1")], NOW, TTL)
    assert [each and each.nodes for each in await streams.append([(user, "a", True, b"{}")], NOW)] == [("n1",)]


async def test_a_frozen_server_is_an_error_not_a_wait(server: ValkeyServer, presence: RedisPresence) -> None:
    """A server that takes but never answers counts as away."""
    async with frozen(server):
        with pytest.raises(PresenceUnavailable):
            await asyncio.wait_for(presence.look([someone()], NOW), 10)
    assert not (await presence.look([someone()], NOW))[0].online


async def test_forgotten_scripts_are_sent_again(
    redis: Redis, presence: RedisPresence, streams: RedisStreams, cells: RedisCells
) -> None:
    """A server that was restarted, or flushed, knows no script."""
    user = someone()
    for _ in range(2):
        await presence.renew([PresenceLease(user, "n1")], NOW, TTL)
        await streams.append([(user, "a", True, b"{}")], NOW)
        assert (await presence.look([user], NOW))[0].online
        assert await cells.change("c", lambda _: b"v", TTL) == b"v"
        await redis.script_flush()


async def test_a_batch_is_one_round_trip(redis: Redis, presence: RedisPresence, streams: RedisStreams) -> None:
    """However many users, looking and appending are one command each."""
    users = [someone() for _ in range(300)]
    await presence.look(users[:1], NOW)
    await streams.append([(users[0], "a", True, b"{}")], NOW)
    await redis.config_resetstat()
    await presence.look(users, NOW)
    await streams.append([(user, "a", True, b"{}") for user in users], NOW)
    stats = await redis.info("commandstats")
    assert stats["cmdstat_evalsha"]["calls"] == 2
    assert "cmdstat_eval" not in stats


async def test_nothing_is_kept_for_ever_and_every_key_has_its_tenant(
    redis: Redis, presence: RedisPresence, streams: RedisStreams
) -> None:
    """All keys end by themselves, and name whose they are."""
    user = Key("acme", "u1")
    await presence.renew([PresenceLease(user, "n1")], NOW, TTL)
    await streams.append([(user, "a", True, b"{}")], NOW)
    keys = [key async for key in redis.scan_iter()]
    assert sorted(keys) == [f"hg:{kind}:acme:u1" for kind in ("entries", "offsets", "presence", "stream")]
    left = {key: await redis.pttl(key) for key in keys}
    assert 0 < left["hg:presence:acme:u1"] <= TTL
    assert all(TTL < ttl <= 24 * 3600 * 1000 for key, ttl in left.items() if key != "hg:presence:acme:u1")


async def test_a_connection_keeps_its_stream_alive(
    redis: Redis, presence: RedisPresence, streams: RedisStreams
) -> None:
    """A client that stays connected for days doesn't outlive its own stream; one that is gone leaves none for ever."""
    user = Key("acme", "u1")
    await streams.open_stream(user)
    await streams.append([(user, "a", True, b"{}")], NOW)
    keys = [f"hg:{kind}:acme:u1" for kind in ("entries", "offsets", "stream")]
    for key in keys:
        await redis.pexpire(key, 60_000)
    await streams.append([(user, "b", True, b"{}")], NOW)
    assert all([await redis.pttl(key) <= 60_000 for key in keys]), "writing to it is no sign of life"
    await presence.renew([PresenceLease(user, "n1")], NOW, TTL)
    assert all([await redis.pttl(key) > 60_000 for key in keys])


async def test_cells_that_are_away_say_so_at_once(server: ValkeyServer, cells: RedisCells) -> None:
    """A sender asks for every few calls: it must not wait for a time-out each time. What comes back empty is empty."""
    await cells.change("c", lambda _: b"v", TTL)
    await server.stop()
    for _ in range(100):
        with pytest.raises(PresenceUnavailable):
            await cells.change("c", lambda was: was + b"w", TTL)
    await server.start()

    async def back() -> bytes:
        with contextlib.suppress(PresenceUnavailable):
            return await cells.change("c", lambda was: was + b"w", TTL)
        return b""

    assert await eventually(back) == b"w"


async def test_a_cell_ends_by_itself(redis: Redis, cells: RedisCells) -> None:
    """Nothing is kept for ever."""
    await cells.change("c", lambda _: b"v", TTL)
    assert 0 < await redis.pttl("hg:cell:c") <= TTL
