"""The pace that all processes share: token buckets in Redis, one script call a take.

Reads and writes one small hash per bucket. When Redis is away, each process keeps a bucket of its own: too fast by the
number of processes is better than standing still, and the provider's own limit still holds.
"""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from heliograph.backends.redis.bucket import Bucket, wait_s
from heliograph.backends.redis.keys import bucket_key
from heliograph.backends.redis.link import RedisLink, Script
from heliograph.core.errors import PresenceUnavailable
from heliograph.core.model import Millis

_AWAY_S: Final = 1.0
"""After a failure Redis is left alone so long: a sender must not wait for a time-out per mail."""

log = structlog.get_logger(component="pace")

_TAKE: Final = Script("""
-- KEYS: bucket. ARGV: wanted, rate per second, now in ms. Answers {granted, tokens left as text}.
local wanted, rate, now = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local most = math.max(1, rate)
local was = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens, at = tonumber(was[1] or most), tonumber(was[2] or now)
if at > now + 10000 then at = now end -- a clock was wrong; else it would stop everyone until then
tokens = math.min(most, tokens + math.max(0, now - at) * rate / 1000)
local granted = math.max(0, math.min(wanted, math.floor(tokens + 1e-9)))
tokens = math.max(0, tokens - granted)
redis.call('HSET', KEYS[1], 'tokens', string.format('%.9f', tokens), 'at', math.max(at, now))
redis.call('PEXPIRE', KEYS[1], math.ceil(most / rate * 1000) + 20000)
return {granted, string.format('%.9f', tokens)}
""")


class RedisRateLimiter:
    """Implements `RateLimiter`; never raises.

    Args:
        url: `redis://:password@host:port/0`.
    """

    def __init__(self, url: str) -> None:
        self._link = RedisLink(url)
        self._alone: dict[str, Bucket] = {}
        self._away_until = 0.0

    async def take(self, bucket: str, wanted: int, rate_per_s: float, now: Millis) -> tuple[int, float]:
        loop = asyncio.get_running_loop()
        if loop.time() >= self._away_until:
            try:
                granted, left = await self._link.run(_TAKE, [bucket_key(bucket)], [wanted, rate_per_s, now])
            except PresenceUnavailable as error:
                self._away_until = loop.time() + _AWAY_S
                log.warning("pace_not_shared", action="take", bucket=bucket, error=str(error))
            else:
                self._alone.pop(bucket, None)
                return int(granted), wait_s(float(left), rate_per_s)
        alone = self._alone.setdefault(bucket, Bucket(0.0, now))  # empty: the shared one may just have been emptied
        return alone.take(wanted, rate_per_s, now)

    async def close(self) -> None:
        await self._link.close()
