"""The in-app worker: the stream first, then one message per node, then the record."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from heliograph.core.errors import PresenceUnavailable
from heliograph.core.lanes import INAPP, InAppItem
from heliograph.core.lifecycle import IN_APP
from heliograph.core.model import HEAVY_CONTENT, Key, Notification
from heliograph.core.outcomes import Outcome
from heliograph.core.ports import Position
from heliograph.roles.inapp_worker import InAppWorker
from tests.unit.given import T0, TENANT, event
from tests.unit.roles.world import ANNA, World, all_done


async def show(world: World, *notifications: Notification, planned: bool = True) -> Sequence[Outcome]:
    worker = InAppWorker(world.store, world.streams, world.bus, world.clock)
    items = [InAppItem(one.lighten(), planned=planned) for one in notifications]
    return await worker.handle(await world.pulled(INAPP, *items))


async def routed(world: World, **fields: object) -> Notification:
    one = await world.accept(**fields)
    await world.store.record([event("routed", plan=(IN_APP,), notification_id=one.id)])
    return one


async def stream(world: World) -> list[tuple[int, str, bool]]:
    position = await world.streams.open_stream(ANNA)
    entries = await world.streams.since(ANNA, Position(position.epoch, 0))
    return [(entry.offset, entry.notification_id, entry.planned) for entry in entries or ()]


async def test_a_frame_reaches_every_node_of_the_user_and_is_owed_an_ack() -> None:
    """In the stream, at each node once, on record as sent; settled only when a client acknowledges it."""
    world = World()
    await world.online("n1", "n2")
    one = await routed(world, data={"a": 1})
    assert all_done(await show(world, one))
    assert await stream(world) == [(1, "ntf_1", True)]
    assert [(node, frame.user, frame.entry.offset) for node, frame in world.heard] == [("n1", ANNA, 1), ("n2", ANNA, 1)]
    payload = json.loads(world.heard[0][1].entry.payload)
    assert (payload["id"], payload["title"], payload["data"], payload["seen_at"]) == ("ntf_1", "Hello", {"a": 1}, None)
    delivery = await world.delivery(IN_APP)
    assert (delivery.status, delivery.settled, delivery.attempts) == ("sent", False, 1)
    assert (await world.history()).open == 1


async def test_a_batch_is_one_message_per_node() -> None:
    """Not one per user or notification: the frames travel together, offsets in order."""
    world = World()
    await world.online("n1")
    messages: list[bytes] = []

    async def receive(payload: bytes) -> None:
        messages.append(payload)

    await world.bus.subscribe("n1", receive)
    await show(world, *[await routed(world, id=f"ntf_{n}") for n in range(5)])
    assert len(messages) == 1
    assert [frame.entry.offset for _, frame in world.heard] == [1, 2, 3, 4, 5]


async def test_a_second_copy_changes_nothing() -> None:
    """The stream keeps the first offset; the client knows it and drops the repeat (G4)."""
    world = World()
    await world.online("n1")
    one = await routed(world)
    for _ in range(2):
        assert all_done(await show(world, one))
    assert all_done(await show(world, one, one))
    assert await stream(world) == [(1, "ntf_1", True)]
    assert {frame.entry.offset for _, frame in world.heard} == {1}
    assert (await world.kinds()).count("sent in_app") == 1
    assert (await world.history()).open == 1


async def test_what_expired_in_the_lane_is_not_shown() -> None:
    """A time to live is over when it is over."""
    world = World()
    await world.online("n1")
    one = await routed(world, expires_at=T0 + 1_000)
    world.clock.forward(1)
    assert all_done(await show(world, one))
    assert world.heard == []


async def test_a_user_who_left_meanwhile_is_the_reconcilers_affair() -> None:
    """Planned, but nobody is there and no stream is kept: nothing is claimed to be sent (G7)."""
    world = World()
    one = await routed(world)
    assert all_done(await show(world, one))
    assert "sent in_app" not in await world.kinds()
    assert not (await world.delivery(IN_APP)).settled


async def test_an_unplanned_item_keeps_the_stream_without_holes_and_leaves_no_trace() -> None:
    """Nobody counts on it: no attempt and no event, so that the notification can still be cancelled."""
    world = World()
    await world.online()
    one = await world.accept()
    assert all_done(await show(world, one, planned=False))
    assert await stream(world) == [(1, "ntf_1", False)]
    assert await world.kinds() == []
    assert await world.store.cancel(Key(TENANT, "ntf_1"), T0) == "cancelled"


async def test_a_heavy_body_is_shown_whole() -> None:
    """It travelled by id; the client gets all of it."""
    world = World()
    await world.online("n1")
    body = "é" * (HEAVY_CONTENT + 1)
    await show(world, await routed(world, body=body))
    assert json.loads(world.heard[0][1].entry.payload)["body"] == body


async def test_a_cache_that_is_away_is_an_error_and_then_all_is_well() -> None:
    """The batch is handled again."""
    world = World()
    await world.online("n1")
    one = await routed(world)
    world.cache.away = True
    with pytest.raises(PresenceUnavailable):
        await show(world, one)
    world.cache.away = False
    assert all_done(await show(world, one))
    assert (await world.delivery(IN_APP)).status == "sent"
    assert len(world.heard) == 1
