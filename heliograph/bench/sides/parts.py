"""The servers and the store that a part of the system stands on, each of its own, for measuring the part alone."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from heliograph.backends.jetstream import JetStreamQueue
from heliograph.backends.servers import NatsServer, ValkeyServer
from heliograph.backends.sqlite import SqliteStore
from heliograph.bench.clock import now


@dataclass
class Parts:
    """An empty store and an empty queue, connected; the URLs name them and an empty cache."""

    store: SqliteStore
    queue: JetStreamQueue
    store_url: str
    nats_url: str
    redis_url: str


@asynccontextmanager
async def parts() -> AsyncIterator[Parts]:
    """In a folder that is removed afterwards."""
    async with AsyncExitStack() as undo:
        folder = Path(undo.enter_context(tempfile.TemporaryDirectory()))
        nats, valkey = NatsServer(folder), ValkeyServer(folder)
        undo.push_async_callback(nats.stop)
        undo.push_async_callback(valkey.stop)
        nats_url, redis_url = await asyncio.gather(nats.start(), valkey.start())
        store = SqliteStore(folder / "heliograph.db")
        await store.open()
        undo.push_async_callback(store.close_store)
        queue = JetStreamQueue(nats_url, now)
        await queue.connect()
        undo.push_async_callback(queue.close)
        yield Parts(store, queue, f"sqlite:///{folder / 'heliograph.db'}", nats_url, redis_url)
