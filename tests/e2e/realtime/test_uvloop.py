"""The same journeys on the event loop of production, whose transports are not asyncio's."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
import uvloop

from tests.e2e.realtime import test_frames_and_codes as codes
from tests.e2e.realtime import test_journeys as journeys
from tests.e2e.realtime.conftest import Cluster

Journey = Callable[[Cluster], Awaitable[None]]


async def frames(cluster: Cluster) -> None:
    await codes.test_a_notification_and_its_ack(cluster, await cluster.node())


async def long_bodies(cluster: Cluster) -> None:
    await codes.test_bodies_of_every_size(cluster, await cluster.node(), 70_000)


async def bad_frames(cluster: Cluster) -> None:
    node = await cluster.node()
    for frame, code in codes.FIRST:
        await codes.test_a_bad_first_frame(node, frame, code)


async def upgrade(cluster: Cluster) -> None:
    await codes.test_the_upgrade(await cluster.node())


async def resume(cluster: Cluster) -> None:
    await journeys.test_resume_on_another_node(cluster, await cluster.node())


@pytest.mark.parametrize(
    "journey",
    [
        frames, long_bodies, bad_frames, upgrade, resume, journeys.test_a_slow_consumer,
        journeys.test_a_slow_consumer_that_never_reads_is_cut, journeys.test_drain,
    ],
)  # fmt: skip
def test_on_uvloop(journey: Journey, nats_url: str, redis_url: str) -> None:
    """Handshake, frames, resume, the write buffer's limit and the drain."""

    async def run() -> None:
        cluster = await Cluster(nats_url, redis_url).open()
        try:
            await journey(cluster)
        finally:
            await cluster.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())
