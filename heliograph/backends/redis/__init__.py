"""The presence cache's engine: who is connected where, short histories to resume from, and shared cells, on Redis.

Everything in it can be rebuilt or missed: it may lose all its data at any moment. Works with Redis and Valkey, a single
primary: one call touches the keys of many users, which a Redis Cluster would refuse.
"""

from heliograph.backends.redis.cells import RedisCells
from heliograph.backends.redis.presence import RedisPresence
from heliograph.backends.redis.streams import RedisStreams

__all__ = ["RedisCells", "RedisPresence", "RedisStreams"]
