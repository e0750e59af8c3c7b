"""The queues under contract, as clients of a server that the world can do things to."""

from __future__ import annotations

import time
from typing import Any, Protocol

import msgspec
from nats.aio.client import Client

from heliograph.backends.jetstream import JetStreamQueue, NatsLink
from heliograph.backends.jetstream.link import Outgoing
from heliograph.core.lanes import LANES, Lane
from heliograph.core.model import Millis
from heliograph.core.ports import Queue
from heliograph.testing.queue import MemoryBroker, MemoryQueue

ACK_WAIT_S = 0.6


def wall() -> Millis:
    return time.time_ns() // 1_000_000


class Queues(Protocol):
    """Opens queues on one and the same server, and does to it what the world does."""

    async def open(self, ack_wait_s: float = ACK_WAIT_S) -> Queue:
        """`ack_wait_s`: after so long without a word from it, what it has in hand is delivered again."""

    async def crash(self, queue: Any) -> None:
        """That client dies without a word."""

    async def limit(self, lane: Lane, max_bytes: int) -> None:
        """The lane holds no more than that."""

    async def wipe(self) -> None:
        """Everything in the queue is lost."""

    async def close(self) -> None: ...


class JetStreamQueues:
    def __init__(self, url: str) -> None:
        self._url = url
        self._open: list[JetStreamQueue] = []
        self._admin = NatsLink(url)

    async def start(self) -> JetStreamQueues:
        await self._admin.open()
        await self.wipe()
        return self

    async def open(self, ack_wait_s: float = ACK_WAIT_S) -> Queue:
        queue = JetStreamQueue(self._url, wall, ack_wait_s=ack_wait_s)
        await queue.connect()
        self._open.append(queue)
        return queue

    async def crash(self, queue: Any) -> None:
        self._open.remove(queue)
        link = queue.link
        link._closing = True
        link._client._pending.clear()  # what a killed process hadn't sent is never sent
        await link._client._close(Client.CLOSED, False)
        await queue.close()

    async def limit(self, lane: Lane, max_bytes: int) -> None:
        (answer,) = await self._admin.request_many([Outgoing(f"$JS.API.STREAM.INFO.lane_{lane.name}", b"")], 2)
        config = msgspec.json.decode(answer)["config"] | {"max_bytes": max_bytes}
        update = Outgoing(f"$JS.API.STREAM.UPDATE.lane_{lane.name}", msgspec.json.encode(config))
        (answer,) = await self._admin.request_many([update], 2)
        assert b'"error"' not in answer, answer

    async def wipe(self) -> None:
        streams = [f"{kind}_{lane.name}" for kind in ("lane", "retry") for lane in LANES]
        await self._admin.request_many([Outgoing(f"$JS.API.STREAM.DELETE.{stream}", b"") for stream in streams], 5)

    async def close(self) -> None:
        for queue in self._open:
            await queue.close()
        await self._admin.close()


class MemoryQueues:
    def __init__(self) -> None:
        self._broker = MemoryBroker()

    async def open(self, ack_wait_s: float = ACK_WAIT_S) -> Queue:
        return MemoryQueue(wall, self._broker)

    async def crash(self, queue: Any) -> None:
        await queue.crash()

    async def limit(self, lane: Lane, max_bytes: int) -> None:
        self._broker.limits[lane.name] = max_bytes

    async def wipe(self) -> None:
        self._broker.wipe()

    async def close(self) -> None:
        """Nothing to do."""
