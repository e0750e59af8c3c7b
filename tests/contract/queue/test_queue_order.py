"""G6 in the queue: what is urgent is always handed out first, whatever was fetched before it."""

from __future__ import annotations

import random

from heliograph.core.lanes import INGEST, OUTBOX, BatchItem, LaneItem, OutboxItem
from heliograph.core.model import Level, Mail
from tests.contract.queue.items import many, names, take
from tests.contract.queue.worlds import Queues, wall


async def test_a_full_lane_is_drained_strictly_by_level(queues: Queues) -> None:
    """No p1 is handed out while a p0 waits, no p2 while a p0 or p1 does."""
    queue = await queues.open()
    items = [item for level in Level for item in many(f"p{level:d}-", 400, level)]
    random.Random(7).shuffle(items)
    for start in range(0, len(items), 10):
        await queue.publish(INGEST, items[start : start + 10])
    worker = await queues.open()
    levels = [each.level for each in await take(worker, INGEST, 1200, limit=7)]
    assert levels == sorted(levels)


async def test_a_batch_has_one_level_only(queues: Queues) -> None:
    """A pull that could take more never fills up with the next level: it would hold a batch of two urgencies."""
    queue = await queues.open()
    await queue.publish(INGEST, [*many("a", 3, Level.P1), *many("b", 3, Level.P0)])
    batches = [await queue.pull(INGEST, 100)]
    while sum(map(len, batches)) < 6:
        batches.append(await queue.pull(INGEST, 100))
    assert all(len({each.level for each in batch}) == 1 for batch in batches)
    assert [each.level for batch in batches for each in batch] == [Level.P0] * 3 + [Level.P1] * 3


async def test_what_stands_for_many_fills_a_batch(queues: Queues) -> None:
    """Or a worker would hold hundreds of batches at once, and what is urgent would wait for all of them."""
    queue = await queues.open()
    batches: list[LaneItem] = [BatchItem("acme", f"batch-{number}", 2) for number in range(3)]
    await queue.publish(INGEST, [batches[0], *many("small", 2, Level.P2), *batches[1:]])
    sizes = [len(await queue.pull(INGEST, BatchItem.weight)) for _ in range(3)]
    assert sizes == [1, 3, 1]


async def test_p0_overtakes_what_is_already_in_hand(queues: Queues) -> None:
    """p1 and p2 that were fetched before a p0 came wait until it is handed out."""
    queue, sender = await queues.open(), await queues.open()
    await sender.publish(INGEST, [*many("slow", 500, Level.P2), *many("mid", 500, Level.P1)])
    first = await queue.pull(INGEST, 5)
    assert {each.level for each in first} == {Level.P1}
    await sender.publish(INGEST, many("urgent", 1, Level.P0))
    next_levels = []
    for _ in range(20):  # each round trip gives the p0 time to arrive; it must never queue behind the 495
        await sender.lanes()
        next_levels += [each.level for each in await queue.pull(INGEST, 1)]
    assert Level.P0 in next_levels


async def test_a_retry_of_p0_goes_before_a_fresh_p1(queues: Queues) -> None:
    """The retry lane of a level is part of that level."""
    queue = await queues.open()
    await queue.publish(INGEST, many("fresh", 50, Level.P1))
    await queue.publish_later(INGEST, [(item, wall()) for item in many("again", 3, Level.P0)])
    worker = await queues.open()
    assert sorted(names(await take(worker, INGEST, 3))) == ["again0", "again1", "again2"]


async def test_within_a_level_the_oldest_goes_first(queues: Queues) -> None:
    """One worker sees a level in the order of publishing, packed or not."""
    queue = await queues.open()
    wanted = []
    for number in range(30):
        some = many(f"{number}-", number % 4 + 1)
        await queue.publish(INGEST, some)
        wanted += [item.key.id for item in some]
    assert names(await take(queue, INGEST, len(wanted), limit=9)) == wanted


async def test_a_pull_takes_no_more_than_its_limit(queues: Queues) -> None:
    """A worker that has room for three gets three, even out of a pack of twenty."""
    queue = await queues.open()
    await queue.publish(INGEST, many("n", 20))
    sizes = [len(await queue.pull(INGEST, 3)) for _ in range(7)]
    assert sizes == [3, 3, 3, 3, 3, 3, 2]


def mail(tenant: str, name: str) -> OutboxItem:
    letter = Mail(to="a@b.example", subject="s", text="t", html="h")
    return OutboxItem(tenant=tenant, id=name, at_level=Level.P1, mail=letter)


async def test_a_burst_of_one_tenant_is_not_in_front_of_the_others(queues: Queues) -> None:
    """Two thousand of one wait, then two others send: they are served next, and the burst goes on beside them, whole
    and in its order."""
    sender, worker = await queues.open(), await queues.open()
    burst = [f"noisy-{number}" for number in range(2_000)]
    for start in range(0, len(burst), 100):
        await sender.publish(OUTBOX, [mail("noisy", name) for name in burst[start : start + 100]])
    await worker.settle(await worker.pull(OUTBOX, 25))
    await sender.publish(OUTBOX, [mail("quiet-1", "one"), mail("quiet-2", "two")])
    await sender.lanes()  # a round trip: they have arrived
    found: list[str] = []
    while len(found) < len(burst) - 25 + 2:
        pulled = await worker.pull(OUTBOX, 25)
        found += names(pulled)
        await worker.settle(pulled)
        await sender.lanes()
    assert max(found.index("one"), found.index("two")) < 200
    assert [name for name in found if name.startswith("noisy")] == burst[25:]
