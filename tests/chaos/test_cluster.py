"""A cluster on one machine: two of every role, three NATS servers with three copies of each stream, MongoDB's store.

One half is cut off and comes back, the queue's leader moves and then dies, half of the processes are killed: everything
that was accepted arrives, once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import nats
import pytest
import pytest_asyncio

from tests.browser.cable import Cable
from tests.support.eventually import eventually
from tests.support.mongo import mongo_database_url, mongo_url
from tests.support.nats_cluster import NatsNode, nats_cluster
from tests.support.servers import redis_url
from tests.support.steady import Steady
from tests.support.system import Heliograph

__all__ = ["mongo_database_url", "mongo_url", "redis_url"]
pytestmark = [pytest.mark.chaos, pytest.mark.timeout(180)]
HALF = (
    ["api", "webhooks"], ["realtime"],
    ["router", "inapp-worker", "push-worker", "email-worker", "email-sender", "reconciler"],
)  # fmt: skip


@pytest_asyncio.fixture
async def nodes(tmp_path: Path) -> AsyncIterator[list[NatsNode]]:
    async with nats_cluster(tmp_path / "nats") as found:
        yield found


@pytest_asyncio.fixture
async def far(nodes: list[NatsNode], mongo_database_url: str, redis_url: str) -> AsyncIterator[Far]:
    made = Far(nodes, mongo_database_url, redis_url)
    await made.mend()
    yield made
    await made.cut()


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2].partition("/")[0])


class Far:
    """The way of one half to the servers: cables that can be cut."""

    def __init__(self, nodes: list[NatsNode], mongo_url: str, redis_url: str) -> None:
        self.nats = [Cable(node.port) for node in nodes]
        self.mongo, self.redis = Cable(port_of(mongo_url)), Cable(port_of(redis_url))
        self.cables = [*self.nats, self.mongo, self.redis]
        self.settings = {
            "nats_url": ",".join(f"nats://127.0.0.1:{cable.port}" for cable in self.nats),
            "store_url": mongo_url.replace(f":{port_of(mongo_url)}", f":{self.mongo.port}"),
            "redis_url": redis_url.replace(f":{port_of(redis_url)}", f":{self.redis.port}"),
        }

    async def mend(self) -> None:
        await asyncio.gather(*(cable.mend() for cable in self.cables))

    async def cut(self) -> None:
        await asyncio.gather(*(cable.cut() for cable in self.cables))


async def moved_leader(nodes: list[NatsNode], stream: str) -> NatsNode:
    """Who leads a stream after the one that did was told to step down."""
    client = await nats.connect([f"nats://127.0.0.1:{node.port}" for node in nodes])
    try:
        js = client.jetstream()
        before = (await js.stream_info(stream)).cluster
        assert before
        await client.request(f"$JS.API.STREAM.LEADER.STEPDOWN.{stream}", b"")

        async def moved() -> str | None:
            now = (await js.stream_info(stream)).cluster
            assert now
            return now.leader if now.leader not in (None, before.leader) else None

        leader = await eventually(moved)
        return next(node for node in nodes if node.name == leader)
    finally:
        await client.close()


async def test_halves_leaders_and_processes_are_lost(
    install: Callable[..., Heliograph], nodes: list[NatsNode], far: Far, mongo_database_url: str, redis_url: str
) -> None:
    """G1, G3 and G4 in a cluster that loses one part after another."""
    outside = await install("outside").start()
    near = {
        "nats_url": ",".join(f"nats://127.0.0.1:{node.port}" for node in nodes),
        "store_url": mongo_database_url, "redis_url": redis_url,
    }  # fmt: skip

    def half(name: str, servers: dict[str, Any]) -> list[Heliograph]:
        made = [install(f"{name}-{roles[0]}", roles=roles, nats_replicas=3, **servers) for roles in HALF]
        for one in made:
            one.use_lab_of(outside)
        return made

    here, there = half("here", near), half("there", far.settings)
    await asyncio.gather(*(one.start() for one in [*here, *there]))
    api, live, _ = here

    async with Steady(api, 25, keyed=True, retries=3) as steady, api.socket("uma", url=live.url) as tab:
        await steady.more(25)
        await far.cut()
        status, _ = await there[0].call("POST", "/v1/send", {"to": "nobody", "title": "refused"})
        assert status == 503
        await steady.more(50)
        await far.mend()
        leader = await moved_leader(nodes, "lane_ingest")
        await steady.more(25)
        await leader.kill()
        await steady.more(25)
        await asyncio.gather(*(one.kill() for one in there))
        await steady.more(25)
        await leader.start()
        said = await api.send("uma", channels=["in_app"])
        assert (await tab.frame(30))["notification"]["id"] == said["id"]

    assert steady.failures == []
    assert len(set(steady.accepted)) == len(steady.accepted)
    mailed = await steady.all_mailed(outside)
    # A worker that was cut off between the provider's yes and its own note of it can only ask again (G3).
    assert sum(mailed[one] for one in steady.accepted) - len(steady.accepted) <= 32
    token = await api.token("u1")
    inbox = [item["id"] for item in (await api.get("/v1/inbox?limit=100", key=token))["items"]]
    assert len(inbox) == len(set(inbox))
    assert len(inbox) == sum(1 for number in range(len(steady.accepted)) if number % 50 == 1)
