"""Real-time nodes as users meet them: uvicorn on a free port, real Valkey and NATS, the store's twin."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from heliograph.access import UserTokens
from heliograph.backends.bus import NatsBus
from heliograph.backends.jetstream.link import NatsLink
from heliograph.backends.redis.presence import RedisPresence
from heliograph.backends.redis.streams import RedisStreams
from heliograph.core.ids import new_notification_id
from heliograph.core.lanes import InAppItem
from heliograph.core.model import InboxState, Key, Level, Notification
from heliograph.core.ports import Pulled, Submission
from heliograph.core.routing import Presence
from heliograph.fanout import InboxFanout
from heliograph.roles.inapp_worker import InAppWorker
from heliograph.roles.realtime import Limits, RealtimeNode
from heliograph.testing.store import MemoryStore
from tests.support.eventually import eventually
from tests.support.servers import nats_url, redis_url

__all__ = ["nats_url", "redis_url"]

SECRET = "a-secret-for-user-tokens-of-32-bytes"


def clock() -> int:
    return time.time_ns() // 1_000_000


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Stands for the HTTP API that shares the port."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


class Tab:
    """One open page."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.before: list[dict[str, Any]] = []
        """Frames that came before `connected`."""
        self.connected: dict[str, Any] = {}

    async def say(self, *frames: dict[str, Any] | str | bytes) -> None:
        for frame in frames:
            await self.connection.send(json.dumps(frame) if isinstance(frame, dict) else frame)

    async def frame(self, within_s: float = 10.0) -> dict[str, Any]:
        """The next frame that isn't a ping."""
        while True:
            found: dict[str, Any] = json.loads(await asyncio.wait_for(self.connection.recv(), within_s))
            if found["t"] != "ping":
                return found

    async def hello(self, token: str, since: Any = None, **more: Any) -> Tab:
        await self.say({"t": "connect", "token": token, "since": since, **more})
        while not self.connected:
            frame = await self.frame()
            if frame["t"] == "connected":
                self.connected = frame
            else:
                self.before.append(frame)
        return self

    async def alive(self) -> None:
        """It answers; everything sent before has come (`frames_before` are thrown away)."""
        await self.say({"t": "ping"})
        while (await self.frame())["t"] != "pong":
            pass

    async def closed(self, within_s: float = 20.0) -> int | None:
        """The close code, once it is closed; what came before is thrown away."""
        async with asyncio.timeout(within_s):
            with contextlib.suppress(ConnectionClosed):
                while True:
                    await self.connection.recv()
        return self.connection.close_code


class Node:
    """One real-time node behind uvicorn."""

    def __init__(self, cluster: Cluster, name: str, **settings: Any) -> None:
        self.cluster = cluster
        self.realtime = RealtimeNode(
            name, cluster.tokens, cluster.presence, cluster.streams, cluster.bus, cluster.store, clock, **settings
        )
        self._stop = asyncio.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v1/realtime"

    async def start(self) -> Node:
        config = uvicorn.Config(
            app, http="httptools", ws=self.realtime.protocol_class(), lifespan="off", log_config=None, access_log=False
        )
        self._server = uvicorn.Server(config)
        await self.realtime.start()
        self._running = asyncio.create_task(self.realtime.run(self._stop))
        self._serving = asyncio.create_task(self._server._serve([self._listening]))

        async def up() -> bool:
            return self._server.started

        await eventually(up)
        return self

    async def stop(self, within_s: float = 2.0) -> None:
        self._stop.set()
        await self._running
        await self.realtime.drain(within_s)
        self._server.should_exit = True
        await asyncio.wait_for(self._serving, 10)

    def open(self, **more: Any) -> connect:
        return connect(self.url, **{"max_size": None, "compression": None, "max_queue": None, **more})

    @contextlib.asynccontextmanager
    async def tab(self, user: str = "anna", since: Any = None, **more: Any) -> AsyncIterator[Tab]:
        async with self.open() as connection:
            yield await Tab(connection).hello(self.cluster.token(user), since, **more)


class Cluster:
    """Nodes that share Valkey, NATS and a store; and the boxes around them, as far as real time meets them."""

    def __init__(self, nats: str, redis: str) -> None:
        self.tokens = UserTokens(SECRET, clock)
        self.presence = RedisPresence(redis)
        self.streams = RedisStreams(redis)
        self._link = NatsLink(nats)
        self.bus = NatsBus(self._link)
        self.store = MemoryStore()
        self.worker = InAppWorker(self.store, self.streams, self.bus, clock)
        self.fanout = InboxFanout(self.presence, self.bus, clock)
        self.tenant = f"t{time.time_ns()}"
        self._nodes: list[Node] = []

    async def open(self) -> Cluster:
        await self._link.open()
        return self

    async def close(self) -> None:
        await asyncio.gather(*(node.stop() for node in self._nodes))
        for backend in (self.presence, self.streams, self._link):
            await backend.close()

    async def node(self, **settings: Any) -> Node:
        name = f"rt-{self.tenant}-{len(self._nodes)}"
        node = await Node(self, name, **settings).start()
        self._nodes.append(node)
        return node

    def key(self, user: str) -> Key:
        return Key(self.tenant, user)

    def token(self, user: str, ttl_s: int = 3600) -> str:
        return self.tokens.mint(self.key(user), ttl_s)[0]

    async def notify(self, *users: str, planned: bool = True, body: str = "Hello") -> list[str]:
        """Accepted, stored and handed to the in-app worker; answers the ids."""
        found = [Notification(new_notification_id(clock()), self.tenant, u, "alert", clock(), "T", body) for u in users]
        await self.store.accept([Submission(tenant=self.tenant, notification=one) for one in found])
        items = [Pulled(InAppItem(one, planned=planned), Level.P1, False, 1, None) for one in found]
        await self.worker.handle(items)
        return [one.id for one in found]

    async def delivered(self, notification_id: str) -> None:
        """Waits until it is."""

        async def look() -> bool:
            (history,) = await self.store.histories([Key(self.tenant, notification_id)])
            return history is not None and any(event.kind == "delivered" for event in history.events)

        await eventually(look)

    async def state(self, user: str, notification_id: str) -> InboxState:
        (history,) = await self.store.histories([Key(self.tenant, notification_id)])
        assert history is not None
        return history.state

    async def online(self, user: str) -> Presence:
        (found,) = await self.presence.look([self.key(user)], clock())
        return found

    async def comes_true(self, look: Callable[[Presence], bool], user: str = "anna") -> None:
        """Waits until the user's presence is as told."""

        async def found() -> bool:
            return look(await self.online(user))

        await eventually(found)


@pytest.fixture
async def cluster(nats_url: str, redis_url: str) -> AsyncIterator[Cluster]:
    found = await Cluster(nats_url, redis_url).open()
    yield found
    await found.close()


@pytest.fixture
async def node(cluster: Cluster) -> Node:
    return await cluster.node()


@pytest.fixture
async def strict(cluster: Cluster) -> Node:
    """A node with little patience."""
    return await cluster.node(
        heartbeat_s=0.4, limits=Limits(connect_within_s=0.3, close_within_s=0.5, frames_per_s=50, frames_burst=60)
    )
