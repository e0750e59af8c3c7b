"""The presence cache's engine: who is connected where, short histories to resume from, and the shared pace, on Redis.

Everything in it can be rebuilt or missed: it may lose all its data at any moment. Works with Redis and Valkey, a single
primary: one call touches the keys of many users, which a Redis Cluster would refuse.
"""

from heliograph.backends.redis.presence import RedisPresence
from heliograph.backends.redis.ratelimit import RedisRateLimiter
from heliograph.backends.redis.streams import RedisStreams

__all__ = ["RedisPresence", "RedisRateLimiter", "RedisStreams"]
