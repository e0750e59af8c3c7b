"""The presence cache: which nodes hold a user's live connections. A hint, never the truth.

Reads and writes one sorted set of leases per user, in Redis. Leases end by themselves, so a node that dies takes its
users offline without a word. Never writes to a database.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from heliograph.backends.redis.keys import presence_key, stream_key, stream_keys
from heliograph.backends.redis.link import RedisLink, Script, words
from heliograph.core.model import Key, Millis
from heliograph.core.ports import PresenceLease
from heliograph.core.routing import Presence

STREAM_TTL_MS: Final = 24 * 3600 * 1000
_AT_ONCE: Final = 500
"""Leases a script call: Redis serves nobody else meanwhile (some 2 ms)."""

_RENEW: Final = Script("""
-- KEYS: presence, stream, entries, offsets of each lease's user. ARGV: now, ttl, stream ttl, members...
local ends = tonumber(ARGV[1]) + tonumber(ARGV[2])
for i = 1, #KEYS / 4 do
  local presence = KEYS[4 * i - 3]
  redis.call('ZREMRANGEBYSCORE', presence, '-inf', ARGV[1])
  redis.call('ZADD', presence, ends, ARGV[3 + i])
  if redis.call('PTTL', presence) < tonumber(ARGV[2]) then redis.call('PEXPIRE', presence, ARGV[2]) end
  for k = 4 * i - 2, 4 * i do redis.call('PEXPIRE', KEYS[k], ARGV[3]) end
end
""")

_RELEASE: Final = Script("""
for i = 1, #KEYS do redis.call('ZREM', KEYS[i], ARGV[i]) end
""")

_LOOK: Final = Script("""
-- KEYS: presence, stream of each user. ARGV: now. Answers {known, member...} per user.
local found = {}
for i = 1, #KEYS / 2 do
  local one = redis.call('ZRANGEBYSCORE', KEYS[2 * i - 1], '(' .. ARGV[1], '+inf')
  table.insert(one, 1, redis.call('EXISTS', KEYS[2 * i]))
  found[i] = one
end
return found
""")

_FORGET: Final = Script("return redis.call('DEL', unpack(KEYS))")


class RedisPresence:
    """Implements `PresenceCache`. Every method raises `PresenceUnavailable`.

    Args:
        url: `redis://:password@host:port/0`.
        stream_ttl_ms: a renewed lease keeps the user's stream alive so long, like `RedisStreams`.
    """

    def __init__(self, url: str, *, stream_ttl_ms: int = STREAM_TTL_MS) -> None:
        self._link = RedisLink(url)
        self._stream_ttl_ms = stream_ttl_ms

    async def renew(self, leases: Sequence[PresenceLease], now: Millis, ttl_ms: int) -> None:
        for start in range(0, len(leases), _AT_ONCE):
            part = leases[start : start + _AT_ONCE]
            keys = [key for lease in part for key in (presence_key(lease.user), *stream_keys(lease.user))]
            args: list[str | int] = [now, ttl_ms, self._stream_ttl_ms, *map(_member, part)]
            await self._link.run(_RENEW, keys, args)

    async def release(self, leases: Sequence[PresenceLease]) -> None:
        keys = [presence_key(lease.user) for lease in leases]
        await self._link.run(_RELEASE, keys, [*map(_member, leases)])

    async def look(self, users: Sequence[Key], now: Millis) -> Sequence[Presence]:
        if not users:
            return []
        keys = [key for user in users for key in (presence_key(user), stream_key(user))]
        return [_presence(found) for found in await self._link.run(_LOOK, keys, [now])]

    async def forget(self, user: Key) -> None:
        await self._link.run(_FORGET, [presence_key(user), *stream_keys(user)], [])

    async def close(self) -> None:
        await self._link.close()


def _member(lease: PresenceLease) -> str:
    return f"{lease.node}|{lease.device}"


def _presence(found: Sequence[int | bytes]) -> Presence:
    known, *members = found
    pairs = [member.partition("|") for member in words([m for m in members if isinstance(m, bytes)])]
    return Presence(
        nodes=frozenset(node for node, _, _ in pairs),
        devices=frozenset(device for _, _, device in pairs if device),
        known=bool(known),
    )
