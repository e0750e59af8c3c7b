"""Heartbeat: it takes the whole way, one process sends it, and it leaves nothing in anybody's sight."""

from __future__ import annotations

from prometheus_client import REGISTRY

from heliograph.core.lanes import INAPP, INGEST
from heliograph.core.lifecycle import deliveries_of
from heliograph.core.model import Key
from heliograph.core.names import tenant_is_valid
from heliograph.roles.heartbeat import USER, Heartbeat
from heliograph.roles.inapp_worker import InAppWorker
from heliograph.roles.router import Router
from tests.unit.roles.world import World, all_done


def heartbeat(world: World) -> Heartbeat:
    return Heartbeat(world.store, world.queue, world.presence, world.streams, world.bus, world.clock, 60.0)


async def listening(world: World) -> Heartbeat:
    made = heartbeat(world)
    await world.bus.subscribe(made._node, made.heard)
    return made


async def deliver(world: World) -> str:
    """What router and in-app worker do with what waits; the notification's id."""
    routed = await world.queue.pull(INGEST, 10)
    router = Router(world.store, world.queue, world.planner, world.clock, 30_000)
    assert all_done(await router.handle(routed))
    told = await world.queue.pull(INAPP, 10)
    assert all_done(await InAppWorker(world.store, world.streams, world.bus, world.clock).handle(told))
    await world.queue.settle([*routed, *told])
    return str(routed[0].item.key.id)


async def test_it_takes_the_whole_way_and_tells_how_long_it_took() -> None:
    """Accepted, routed to the live page, put into the stream, told over the bus, acknowledged."""
    world = World()
    beating = await listening(world)
    assert await beating.beat()
    world.clock.forward(0.25)
    sent = await deliver(world)
    assert REGISTRY.get_sample_value("heliograph_heartbeat_seconds") == 0.25
    assert REGISTRY.get_sample_value("heliograph_heartbeat_delivered_timestamp_seconds") == world.clock() / 1000
    (history,) = await world.store.histories([Key(USER.tenant, sent)])
    assert history
    assert {target: one.status for target, one in deliveries_of(history).items()} == {"in_app": "delivered"}
    assert history.open == 0


async def test_one_of_several_sends() -> None:
    """The lease decides; when its holder is gone, another goes on."""
    world = World()
    one, two = await listening(world), await listening(world)
    assert await one.beat()
    assert not await two.beat()
    world.clock.forward(121)
    assert await two.beat()


async def test_it_is_nobodys_and_does_not_pile_up() -> None:
    """No tenant can have its name, and an hour later it is erased."""
    world = World()
    beating = await listening(world)
    await beating.beat()
    first = await deliver(world)
    assert not tenant_is_valid(USER.tenant)
    world.clock.forward(3600)
    await beating.beat()
    assert await world.store.histories([Key(USER.tenant, first)]) == [None]
