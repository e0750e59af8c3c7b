"""Small values that all processes share, in Redis: each changed by comparing and setting, one script call if nobody
else changed it meanwhile. Whoever was refused goes next, or a process that changes a cell all the time would always
come first.

Reads and writes one string per cell. What the values mean, and every rule about them, is the caller's.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import defaultdict
from collections.abc import Callable
from typing import Final

from heliograph.backends.redis.keys import cell_key, turn_key
from heliograph.backends.redis.link import RedisLink, Script
from heliograph.core.errors import PresenceUnavailable

_AWAY_S: Final = 1.0
"""After a failure Redis is left alone so long: a sender must not wait for a time-out per call."""
_TRIES: Final = 100
_TURN_MS: Final = 50
"""A turn that nobody takes (its process died) ends after this long."""
_PAUSE_S: Final = 0.002
"""While it is somebody else's turn."""

_SWAP: Final = Script("""
-- KEYS: cell, turn. ARGV: what the cell is believed to hold (empty = nothing), what it shall hold (empty = only look),
-- ttl in ms, who asks, ms of a turn. Answers {1} or {0, what it holds}.
local was, turn = redis.call('GET', KEYS[1]) or '', redis.call('GET', KEYS[2])
if was ~= ARGV[1] or (ARGV[2] ~= '' and turn and turn ~= ARGV[4]) then
  if not turn then redis.call('SET', KEYS[2], ARGV[4], 'PX', ARGV[5]) end
  return {0, was}
end
if ARGV[2] ~= '' then redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
if turn == ARGV[4] then redis.call('DEL', KEYS[2]) end
return {1}
""")


class RedisCells:
    """Implements `Cells`.

    Args:
        url: `redis://:password@host:port/0`.
    """

    def __init__(self, url: str) -> None:
        self._link = RedisLink(url)
        self._name = secrets.token_hex(8)
        self._believed: defaultdict[str, bytes] = defaultdict(bytes)
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._away_until = 0.0

    async def change(self, name: str, step: Callable[[bytes], bytes], ttl_ms: int) -> bytes:
        async with self._turns[name]:
            return await self._change(name, step, ttl_ms)

    async def _change(self, name: str, step: Callable[[bytes], bytes], ttl_ms: int) -> bytes:
        for tries in range(_TRIES):
            if tries > 1:  # the second one has its turn at once, unless somebody else has it
                await asyncio.sleep(_PAUSE_S)
            believed = self._believed[name]
            wanted = step(believed)
            found = await self._swap(name, believed, b"" if wanted == believed else wanted, ttl_ms)
            if found is None:
                self._believed[name] = wanted
                return wanted
            self._believed[name] = found
        raise PresenceUnavailable(f"{_TRIES} changes by others came first")

    async def _swap(self, name: str, believed: bytes, wanted: bytes, ttl_ms: int) -> bytes | None:
        """None = done; else what the cell holds instead."""
        now = asyncio.get_running_loop().time
        if now() < self._away_until:
            raise PresenceUnavailable("away a moment ago")
        try:
            answer = await self._link.run(
                _SWAP, [cell_key(name), turn_key(name)], [believed, wanted, ttl_ms, self._name, _TURN_MS]
            )
        except PresenceUnavailable:
            self._away_until = now() + _AWAY_S
            raise
        return None if answer[0] else bytes(answer[1])

    async def close(self) -> None:
        await self._link.close()
