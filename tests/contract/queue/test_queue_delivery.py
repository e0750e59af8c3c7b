"""At least once: nothing is lost while a worker lives, dies or leaves, and nothing comes twice without need."""

from __future__ import annotations

import asyncio

import pytest

from heliograph.core.errors import QueueUnavailable
from heliograph.core.lanes import INGEST, MAX_PACK_BYTES
from heliograph.core.model import Level
from heliograph.core.ports import Pulled, Queue
from tests.contract.queue.items import ingest, many, names, one_of_each, take
from tests.contract.queue.worlds import ACK_WAIT_S, Queues, wall
from tests.support.eventually import eventually

PATIENT_S = 30.0
"""Redelivery time of queues whose items must come sooner than that."""


async def test_every_kind_of_item_arrives_as_it_left(queues: Queues) -> None:
    """All lanes, any Unicode, absent and present fields."""
    queue = await queues.open()
    for lane, item in one_of_each():
        await queue.publish(lane, [item])
        (pulled,) = await queue.pull(lane, 10)
        assert pulled.item == item
        assert (pulled.level, pulled.deliveries, pulled.orphaned) == (item.level, 1, False)
        await queue.settle([pulled])


async def test_an_item_larger_than_a_pack_travels_alone(queues: Queues) -> None:
    """`MAX_PACK_BYTES` bounds packs, not items."""
    queue = await queues.open()
    items = [ingest("small"), ingest("huge", body="x" * (MAX_PACK_BYTES + 1)), ingest("small too")]
    await queue.publish(INGEST, items)
    assert [each.item for each in await take(queue, INGEST, 3)] == items


async def test_settled_is_gone(queues: Queues) -> None:
    """Settling all items of a message empties the lane; settling one twice does no harm."""
    queue = await queues.open()
    await queue.publish(INGEST, many("n", 5))
    pulled = await take(queue, INGEST, 5)
    await queue.settle(pulled[:2])
    await queue.settle(pulled[:2])
    assert (await queue.lanes())["ingest", Level.P0].depth >= 3
    await queue.settle(pulled)

    async def empty() -> bool:
        return (await queue.lanes())["ingest", Level.P0].depth == 0

    await eventually(empty)


async def test_a_dead_workers_items_come_again_as_orphans(queues: Queues) -> None:
    """What a worker had in hand when it died is delivered to another, and marked."""
    worker, other = await queues.open(), await queues.open()
    await worker.publish(INGEST, many("n", 10))
    mine = await take(worker, INGEST, 4)
    await queues.crash(worker)
    found = await take(other, INGEST, 10)
    assert sorted(names(found)) == sorted(f"n{number}" for number in range(10))
    assert {each.deliveries for each in found if each.item.key.id in names(mine)} == {2}
    assert all(each.orphaned == (each.deliveries > 1) for each in found)


async def test_what_was_not_settled_of_a_message_comes_again(queues: Queues) -> None:
    """A worker that dies in the middle of a message costs a repetition, never an item."""
    worker, other = await queues.open(), await queues.open()
    await worker.publish(INGEST, many("n", 6))
    await worker.settle((await take(worker, INGEST, 6))[:3])
    for _ in range(5):  # round trips, in which the server takes in what the worker has said
        await worker.lanes()
    await queues.crash(worker)
    found: set[str] = set()
    while not found >= {"n3", "n4", "n5"}:
        found |= {*names(await other.pull(INGEST, 10))}


async def test_a_slow_worker_keeps_what_it_has(queues: Queues) -> None:
    """In hand is in hand, however long it takes: only silence leads to redelivery."""
    slow, other = await queues.open(), await queues.open()
    await slow.publish(INGEST, [ingest("held")])
    (held,) = await slow.pull(INGEST, 1)
    await slow.publish_later(INGEST, [(ingest("a long time after"), wall() + int(3 * ACK_WAIT_S * 1000))])
    pulls = [asyncio.create_task(asyncio.wait_for(_pull(queue), 10)) for queue in (slow, other)]
    done, waiting = await asyncio.wait(pulls, return_when=asyncio.FIRST_COMPLETED)
    came = [each for pull in done for each in pull.result()]
    for pull in waiting:
        pull.cancel()
    await asyncio.wait(pulls)
    assert [(each.item.key.id, each.deliveries) for each in came] == [("a long time after", 1)]
    await slow.settle([held])


async def _pull(queue: Queue) -> list[Pulled]:
    return [*await queue.pull(INGEST, 1)]


@pytest.mark.parametrize("settled", [0, 2])
async def test_given_back_is_had_by_others_at_once(queues: Queues, settled: int) -> None:
    """A worker that stops returns what it did not do: whole messages and parts of them."""
    leaver, other = await queues.open(PATIENT_S), await queues.open(PATIENT_S)
    await leaver.publish(INGEST, many("n", 6))
    pulled = await take(leaver, INGEST, 6)
    await leaver.settle(pulled[:settled])
    getting = asyncio.create_task(take(other, INGEST, 6 - settled))
    await leaver.give_back(pulled[settled:])
    await leaver.close()
    assert sorted(names(await asyncio.wait_for(getting, PATIENT_S / 2))) == sorted(names(pulled[settled:]))


async def test_given_back_often_is_no_sign_of_poison(queues: Queues) -> None:
    """Many deliveries mean that workers died of an item; orderly restarts, however many, must not look like that."""
    await (await queues.open(PATIENT_S)).publish(INGEST, many("n", 2))
    for _ in range(12):
        worker = await queues.open(PATIENT_S)
        pulled = await asyncio.wait_for(take(worker, INGEST, 2), PATIENT_S / 2)
        assert all(each.deliveries <= 3 for each in pulled)
        await worker.give_back(pulled)
        await worker.close()


async def test_closing_gives_back_what_was_only_fetched_ahead(queues: Queues) -> None:
    """Items that a closing worker held in reserve go on at once, not after the redelivery time."""
    leaver, other = await queues.open(PATIENT_S), await queues.open(PATIENT_S)
    for item in many("n", 40):
        await leaver.publish(INGEST, [item])
    await leaver.settle(await leaver.pull(INGEST, 10))
    await leaver.close()
    state = (await other.lanes())["ingest", Level.P0]
    left = await asyncio.wait_for(take(other, INGEST, state.depth), PATIENT_S / 2)
    assert len({*names(left)}) == len(left) >= 30


async def test_several_workers_share_without_repeating(queues: Queues) -> None:
    """While nobody dies, every item is handled by exactly one of them."""
    sender = await queues.open()
    workers = [await queues.open() for _ in range(3)]
    handled: list[str] = []
    everything = asyncio.Event()

    async def work(worker: Queue) -> None:
        while True:
            batch = await worker.pull(INGEST, 50)
            handled.extend(names(batch))
            await worker.settle(batch)
            if len(handled) >= 3000:
                everything.set()

    tasks = [asyncio.create_task(work(worker)) for worker in workers]
    for start in range(0, 3000, 60):
        await sender.publish(INGEST, many(f"{start}-", 60))
    await asyncio.wait_for(everything.wait(), 20)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert sorted(handled) == sorted(f"{start}-{number}" for start in range(0, 3000, 60) for number in range(60))


async def fill(queue: Queue) -> None:
    for number in range(100):
        await queue.publish(INGEST, many(f"{number}-", 10))


async def test_a_full_lane_refuses(queues: Queues) -> None:
    """Overload is an error at once, and ends when there is room again."""
    queue = await queues.open()
    await queues.limit(INGEST, 20_000)
    with pytest.raises(QueueUnavailable):
        await fill(queue)
    taken = await take(queue, INGEST, 100)
    await queue.settle(taken)

    async def room_again() -> bool:
        try:
            await queue.publish(INGEST, many("n", 10))
        except QueueUnavailable:
            return False
        return True

    await eventually(room_again)


async def test_all_data_lost_while_a_worker_waits(queues: Queues) -> None:
    """G1: the queue may come back empty at any moment; publishing and pulling go on by themselves, and it is seen."""
    sender, worker = await queues.open(), await queues.open()
    before = await sender.incarnation()
    assert before == await worker.incarnation()
    waiting = asyncio.create_task(take(worker, INGEST, 1))
    await sender.lanes()
    await queues.wipe()
    await sender.publish(INGEST, [ingest("after")])
    assert names(await asyncio.wait_for(waiting, 10)) == ["after"]
    assert await sender.incarnation() == await worker.incarnation() != before
