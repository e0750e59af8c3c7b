"""A short, numbered history per user, in Redis: what a client that comes back is served from, instead of the store.

Reads and writes a position, a Redis stream and an index per user; reads their presence in the same step. Never holds
what isn't in the inbox too.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any, Final

from heliograph.backends.redis.keys import presence_key, stream_keys
from heliograph.backends.redis.link import RedisLink, Script
from heliograph.backends.redis.presence import STREAM_TTL_MS
from heliograph.core.model import Key, Millis
from heliograph.core.ports import Appended, Position, StreamEntry

KEPT: Final = 128
"""Entries that a client can catch up on at least; Redis trims in larger steps."""

_APPEND: Final = Script("""
-- KEYS: presence, stream, entries, offsets of each entry's user.
-- ARGV: now, a new epoch, stream ttl, entries to keep; then id, planned, payload of each entry.
-- Answers {epoch, offset, member...} per entry, or false.
local now, epoch, ttl, keep = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local done = {}
for i = 1, #KEYS / 4 do
  local presence, stream = KEYS[4 * i - 3], KEYS[4 * i - 2]
  local entries, offsets = KEYS[4 * i - 1], KEYS[4 * i]
  local id, planned, payload = ARGV[3 * i + 2], ARGV[3 * i + 3], ARGV[3 * i + 4]
  local members = redis.call('ZRANGEBYSCORE', presence, '(' .. now, '+inf')
  if #members > 0 and redis.call('EXISTS', stream) == 0 then
    redis.call('HSET', stream, 'epoch', epoch, 'offset', 0)
    redis.call('DEL', entries, offsets)
    redis.call('PEXPIRE', stream, ttl)
  end
  local its_epoch = redis.call('HGET', stream, 'epoch')
  if its_epoch then
    local offset = redis.call('ZSCORE', offsets, id)
    if not offset then
      offset = redis.call('HINCRBY', stream, 'offset', 1)
      redis.call('XADD', entries, 'MAXLEN', '~', keep, offset .. '-0', 'n', id, 'p', planned, 'd', payload)
      redis.call('ZADD', offsets, offset, id)
      redis.call('ZREMRANGEBYSCORE', offsets, '-inf', offset - 4 * keep)
      local left = redis.call('PTTL', stream)
      redis.call('PEXPIRE', entries, left)
      redis.call('PEXPIRE', offsets, left)
    end
    table.insert(members, 1, tonumber(offset))
    table.insert(members, 1, its_epoch)
    done[i] = members
  else
    done[i] = false
  end
end
return done
""")

_OPEN: Final = Script("""
-- KEYS: stream, entries, offsets. ARGV: a new epoch, ttl. Answers {epoch, offset}.
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('DEL', KEYS[2], KEYS[3])
  redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'offset', 0)
end
for k = 1, 3 do redis.call('PEXPIRE', KEYS[k], ARGV[2]) end
return redis.call('HMGET', KEYS[1], 'epoch', 'offset')
""")

_SINCE: Final = Script("""
-- KEYS: stream, entries. ARGV: epoch, offset. Answers the Redis entries after it, or false.
local at = redis.call('HMGET', KEYS[1], 'epoch', 'offset')
local after = tonumber(ARGV[2])
if at[1] ~= ARGV[1] or after > tonumber(at[2]) then return false end
if after == tonumber(at[2]) then return {} end
local found = redis.call('XRANGE', KEYS[2], (after + 1) .. '-0', '+')
if #found ~= tonumber(at[2]) - after then return false end
return found
""")


class RedisStreams:
    """Implements `UserStreams`. Every method raises `PresenceUnavailable`.

    A user with a live connection but no stream (the cache lost it) gets a new one, so that the connection still hears.

    Args:
        url: `redis://:password@host:port/0`.
        ttl_ms: how long after a user's last sign of life their stream is kept.
        kept: how many entries of it at least.
    """

    def __init__(self, url: str, *, ttl_ms: int = STREAM_TTL_MS, kept: int = KEPT) -> None:
        self._link = RedisLink(url)
        self._ttl_ms = ttl_ms
        self._kept = kept

    async def append(self, entries: Sequence[tuple[Key, str, bool, bytes]], now: Millis) -> Sequence[Appended | None]:
        if not entries:
            return []
        keys = [key for user, *_ in entries for key in (presence_key(user), *stream_keys(user))]
        args: list[str | bytes | int] = [now, _new_epoch(), self._ttl_ms, self._kept]
        for _, notification_id, planned, payload in entries:
            args += [notification_id, int(planned), payload]
        return [None if found is None else _appended(found) for found in await self._link.run(_APPEND, keys, args)]

    async def open_stream(self, user: Key) -> Position:
        epoch, offset = await self._link.run(_OPEN, stream_keys(user), [_new_epoch(), self._ttl_ms])
        return Position(epoch.decode(), int(offset))

    async def since(self, user: Key, position: Position) -> Sequence[StreamEntry] | None:
        found = await self._link.run(_SINCE, stream_keys(user)[:2], [position.epoch, position.offset])
        return None if found is None else [_entry(*each) for each in found]

    async def close(self) -> None:
        await self._link.close()


def _new_epoch() -> str:
    return secrets.token_hex(6)


def _appended(found: Sequence[Any]) -> Appended:
    epoch, offset, *members = found
    nodes = {member.partition(b"|")[0].decode(): None for member in members}
    return Appended(Position(epoch.decode(), offset), tuple(nodes))


def _entry(place: bytes, fields: Sequence[bytes]) -> StreamEntry:
    """Source: a Redis stream entry is its id and a flat list of names and values, here always n, p, d."""
    notification_id, planned, payload = fields[1::2]
    return StreamEntry(int(place.partition(b"-")[0]), notification_id.decode(), planned == b"1", payload)
