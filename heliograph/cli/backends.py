"""Connects the backends that the settings name; starts the bundled servers where they name none."""

from __future__ import annotations

import asyncio
import secrets
import ssl
import time
from dataclasses import dataclass, field
from pathlib import Path

from heliograph.access import new_secret
from heliograph.backends.bus import NatsBus
from heliograph.backends.jetstream import JetStreamQueue
from heliograph.backends.redis import RedisCells, RedisPresence, RedisStreams
from heliograph.backends.servers import NatsServer, ValkeyServer
from heliograph.backends.sqlite import SqliteStore
from heliograph.core.model import Millis
from heliograph.core.ports import Store
from heliograph.settings import Settings


def now() -> Millis:
    """The wall clock, milliseconds UTC."""
    return time.time_ns() // 1_000_000


@dataclass
class BundledServers:
    """The children of the embedded default; empty URLs in the settings become theirs."""

    folder: Path
    nats_url: str = ""
    redis_url: str = ""
    _started: list[NatsServer | ValkeyServer] = field(default_factory=list)

    async def start(self, settings: Settings) -> None:
        """Starts what is missing, both at once. Raises `ServerFailed`."""
        self.nats_url = settings.nats_url.get_secret_value()
        self.redis_url = settings.redis_url.get_secret_value()
        nats, valkey = NatsServer(self.folder), ValkeyServer(self.folder)
        missing: list[NatsServer | ValkeyServer] = [
            *([] if self.nats_url else [nats]),
            *([] if self.redis_url else [valkey]),
        ]
        self._started = missing
        urls = dict(zip(missing, await asyncio.gather(*(server.start() for server in missing)), strict=True))
        self.nats_url = self.nats_url or urls[nats]
        self.redis_url = self.redis_url or urls[valkey]

    def urls_of(self, account: str) -> tuple[str, str]:
        """(NATS, Redis) for another process: the bundled servers' under this account, else the configured ones."""
        started = {type(server): server.url_of(account) for server in self._started}
        return started.get(NatsServer, self.nats_url), started.get(ValkeyServer, self.redis_url)

    async def stop(self) -> None:
        await asyncio.gather(*(server.stop() for server in self._started))


@dataclass
class Backends:
    """Everything that roles reach through ports."""

    store: Store
    queue: JetStreamQueue
    bus: NatsBus
    presence: RedisPresence
    streams: RedisStreams
    cells: RedisCells

    async def close(self) -> None:
        await self.queue.close()
        await self.presence.close()
        await self.streams.close()
        await self.cells.close()
        await self.store.close_store()


def store_of(url: str, folder: Path) -> Store:
    """The store that a URL names: `sqlite:///path`, `mongodb://…`, or empty for `heliograph.db` in the data folder."""
    if url.startswith(("mongodb://", "mongodb+srv://")):
        from heliograph.backends.mongo import MongoStore  # noqa: PLC0415 - 20 MB that the embedded default needs not

        return MongoStore(url)
    if url.startswith("sqlite:///"):
        return SqliteStore(Path(url.removeprefix("sqlite:///")))
    if url:
        raise ValueError("HELIOGRAPH_STORE_URL is neither sqlite:///… nor mongodb://…")
    folder.mkdir(parents=True, exist_ok=True)
    return SqliteStore(folder / "heliograph.db")


def nats_tls(settings: Settings) -> ssl.SSLContext | None:
    """What `tls://` URLs of NATS are spoken with; None = the defaults. Raises `OSError` for files that can't be read,
    `ValueError` for half of a pair."""
    if bool(settings.nats_cert) != bool(settings.nats_key):
        raise ValueError("HELIOGRAPH_NATS_CERT and HELIOGRAPH_NATS_KEY go together")
    if not (settings.nats_ca or settings.nats_cert):
        return None
    context = ssl.create_default_context(cafile=settings.nats_ca or None)
    if settings.nats_cert:
        context.load_cert_chain(settings.nats_cert, settings.nats_key)
    return context


async def connect(store: Store, nats_url: str, redis_url: str, settings: Settings) -> Backends:
    """Opens every connection. The store must answer; queue and cache may come later and are waited for."""
    await store.open()
    queue = JetStreamQueue(nats_url, now, replicas=settings.nats_replicas, tls=nats_tls(settings))
    await queue.connect()
    return Backends(
        store=store,
        queue=queue,
        bus=NatsBus(queue.link),
        presence=RedisPresence(redis_url),
        streams=RedisStreams(redis_url),
        cells=RedisCells(redis_url),
    )


async def secrets_of(settings: Settings, store: Store) -> tuple[str, str]:
    """(user token secret, bootstrap key): the configured ones, else those this installation made for itself once."""
    token_secret = settings.user_token_secret.get_secret_value()
    token_secret = token_secret or await store.keep("user_token_secret", secrets.token_urlsafe(32))
    bootstrap = settings.bootstrap_key.get_secret_value()
    return token_secret, bootstrap or await store.keep("bootstrap_key", new_secret())
