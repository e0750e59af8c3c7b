"""Delays and measuring: what is for later comes then, and the lanes' state tells the truth."""

from __future__ import annotations

from heliograph.core.lanes import INGEST, LANES, OUTBOX
from heliograph.core.model import Level
from tests.contract.queue.items import ingest, many, names, take
from tests.contract.queue.worlds import Queues, wall
from tests.support.eventually import eventually


async def test_later_is_not_before_its_time(queues: Queues) -> None:
    """A retry waits in the server until it is due; others pass it meanwhile."""
    queue = await queues.open()
    due = wall() + 400
    await queue.publish_later(INGEST, [(ingest("later"), due)])
    await queue.publish(INGEST, [ingest("now")])
    assert names(await queue.pull(INGEST, 10)) == ["now"]
    assert (await queue.lanes())["ingest", Level.P0].depth == 1, "what isn't due is not in the lane"
    assert names(await queue.pull(INGEST, 10)) == ["later"]
    assert wall() >= due


async def test_a_time_in_the_past_is_now(queues: Queues) -> None:
    """A due time that has passed while the item was on its way costs nothing."""
    queue = await queues.open()
    await queue.publish_later(INGEST, [(item, wall() - 60_000) for item in many("n", 5)])
    assert sorted(names(await take(queue, INGEST, 5))) == [f"n{number}" for number in range(5)]


async def test_each_comes_at_its_own_time_and_once(queues: Queues) -> None:
    """Many delays at once, in any order of publishing."""
    queue = await queues.open()
    start = wall()
    items = many("n", 40)
    await queue.publish_later(
        INGEST, [(item, start + 100 + 10 * (len(items) - place)) for place, item in enumerate(items)]
    )
    came = await take(queue, INGEST, 40)
    await queue.settle(came)
    assert sorted(names(came)) == sorted(item.key.id for item in items)
    assert all(each.deliveries == 1 for each in came)


async def test_depth_counts_notifications_of_each_level(queues: Queues) -> None:
    """Packed or not, fresh or retried: the numbers of `GET /v1/lanes` are notifications."""
    queue = await queues.open()
    before = wall()
    await queue.publish(INGEST, [*many("a", 130, Level.P0), *many("b", 7, Level.P2)])
    await queue.publish_later(INGEST, [(item, wall()) for item in many("c", 3, Level.P2)])
    await queue.publish_later(INGEST, [(item, wall() + 60_000) for item in many("d", 2, Level.P2)])
    states = await queue.lanes()
    assert {place: state.depth for place, state in states.items() if state.depth} == {
        ("ingest", Level.P0): 130,
        ("ingest", Level.P2): 10,
    }
    oldest = states["ingest", Level.P0].oldest_at
    assert oldest is not None
    assert before - 1 <= oldest <= wall()


async def test_every_lane_and_level_has_a_state(queues: Queues) -> None:
    """An empty lane is told as empty, not left out."""
    states = await (await queues.open()).lanes()
    assert {*states} == {(lane.name, level) for lane in LANES for level in Level}
    assert all((state.depth, state.in_flight, state.oldest_at) == (0, 0, None) for state in states.values())


async def test_in_flight_is_what_workers_hold(queues: Queues) -> None:
    """Held items stay in the depth until they are settled."""
    queue = await queues.open()
    await queue.publish(INGEST, many("n", 10))
    pulled = await take(queue, INGEST, 10)
    state = (await queue.lanes())["ingest", Level.P0]
    assert (state.depth, state.in_flight) == (10, 10)
    await queue.settle(pulled)

    async def nothing_left() -> bool:
        state = (await queue.lanes())["ingest", Level.P0]
        return (state.depth, state.in_flight) == (0, 0)

    await eventually(nothing_left)


async def test_lanes_are_apart(queues: Queues) -> None:
    """A full lane is invisible to the worker of another."""
    queue = await queues.open()
    await queue.publish(INGEST, many("n", 100))
    states = await queue.lanes()
    assert all(states[OUTBOX.name, level].depth == 0 for level in Level)
