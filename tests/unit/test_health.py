"""Health: a gauge that can't be read has no value, what is down says so, and only some processes look after all."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import REGISTRY

from heliograph.cli.backends import Backends
from heliograph.cli.health import Health
from heliograph.cli.roles import Roles
from heliograph.core.errors import Problem, QueueUnavailable
from heliograph.core.lanes import INGEST, IngestItem
from heliograph.core.model import Level
from heliograph.core.pausing import Pause
from heliograph.core.ports import LaneState
from heliograph.pausing import Pauses
from heliograph.roles.realtime.services import Counters
from tests.unit.given import notification
from tests.unit.roles.world import World

P1 = {"queue": "ingest", "level": "p1"}


class Queue:
    """The world's queue with a connection that can be seen."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.asked = 0

    @property
    def link(self) -> Any:
        return SimpleNamespace(is_up=not self._world.queue.broker.away)

    async def lanes(self) -> Mapping[tuple[str, Level], LaneState]:
        self.asked += 1
        return await self._world.queue.lanes()


class Process:
    """One process with these roles in a world."""

    def __init__(self, *names: str, counters: Counters | None = None) -> None:
        self.world = World()
        self.queue = Queue(self.world)
        self.stop = asyncio.Event()
        backends: Any = SimpleNamespace(store=self.world.store, queue=self.queue, presence=self.world.presence)
        roles: Any = SimpleNamespace(
            node=counters and SimpleNamespace(counters=counters), pauses=Pauses(), providers_in_words=self.words
        )
        self.pauses = roles.pauses
        self.health = Health(names, _as(Roles, roles), _as(Backends, backends), self.stop)

    async def words(self) -> dict[str, str]:
        return {"sendgrid": "up"}


def _as(_: type[Any], found: Any) -> Any:
    return found


def value(sample: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(sample, labels)


async def test_lanes_are_told_while_the_queue_answers() -> None:
    """Old figures of a queue that is down would look like a queue that stands still."""
    process = Process("api")
    await process.world.queue.publish(INGEST, [IngestItem(notification(type="alert"))])
    await process.health.refresh()
    assert value("heliograph_queue_messages", **P1) == 1
    assert value("heliograph_backend_up", backend="queue") == 1
    process.world.queue.broker.away = True
    with pytest.raises(QueueUnavailable):
        await process.world.queue.lanes()
    await process.health.refresh()
    assert value("heliograph_queue_messages", **P1) is None
    assert value("heliograph_backend_up", backend="queue") == 0


async def test_a_worker_looks_after_itself_only() -> None:
    """A hundred workers that are scraped don't ask the queue a hundred times for the same."""
    process = Process("email-worker")
    await process.health.refresh()
    assert process.queue.asked == 0
    assert value("heliograph_backend_up", backend="queue") == 1


async def test_what_is_away_says_so() -> None:
    """Store and cache, each for itself."""
    process = Process("reconciler")
    process.world.cache.away = True
    await process.world.store.close_store()
    await process.health.refresh()
    found = [value("heliograph_backend_up", backend=name) for name in ("store", "cache", "queue")]
    assert found == [0, 0, 1]


async def test_live_connections_are_counted_once() -> None:
    """A node's own totals become counters: what was told before isn't told again."""
    counters = Counters(connections=3, accepted=5, frames_sent=10, frames_received=4, slow_closed=1)
    process = Process("realtime", counters=counters)
    before = value("heliograph_ws_slow_closed_total") or 0
    await process.health.refresh()
    await process.health.refresh()
    counters.slow_closed = 3
    await process.health.refresh()
    assert value("heliograph_ws_slow_closed_total") == before + 3
    assert value("heliograph_ws_connections") == 3


async def test_a_process_that_drains_is_not_ready() -> None:
    """From the signal on, whatever else still works."""
    process = Process("api")
    assert (await process.health.ready())["store"] == "up"
    process.stop.set()
    with pytest.raises(Problem) as refused:
        await process.health.ready()
    assert refused.value.kind.code == "overloaded"


async def test_ready_tells_of_providers_and_pauses() -> None:
    """Neither makes a process unready."""
    process = Process("api")
    assert await process.health.ready() == {
        "store": "up", "queue": "up", "providers": {"sendgrid": "up"}, "paused": {},
    }  # fmt: skip
    process.pauses.take({"outbox": Pause("outbox", 0, "their outage")})
    assert (await process.health.ready())["paused"] == {"outbox": "paused by hand: their outage"}
