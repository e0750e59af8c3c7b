"""The only loop: outcomes into ack, retry or dead letter; poison alone; nothing kept in hand, no slot lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from heliograph.consumer import Consumer
from heliograph.core.errors import PresenceUnavailable, QueueUnavailable, StoreUnavailable
from heliograph.core.lanes import PUSH, Lane, LaneItem, PushItem, push_item
from heliograph.core.lifecycle import fold
from heliograph.core.model import Key, Level, Type
from heliograph.core.outcomes import DONE, Dead, Outcome, RetryAt
from heliograph.core.ports import Pulled, Submission
from heliograph.core.reconciling import LONG_DELAY_MS
from heliograph.gate import Admission, Gate
from heliograph.testing.queue import MemoryQueue
from heliograph.testing.store import MemoryStore
from tests.support.eventually import eventually
from tests.unit.given import TENANT, FakeClock, device, notification

Decide = Callable[[Sequence[Pulled]], Sequence[Outcome]]


def item(name: str, kind: Type = "alert") -> PushItem:
    return push_item(notification(id=name, type=kind), device("d"))


def names(batch: Sequence[Pulled]) -> list[str]:
    return [pulled.item.key.id for pulled in batch]


class World:
    """A push lane, its store, and a role whose answers the test decides."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.store = MemoryStore()
        self.queue = MemoryQueue(self.clock)
        self.seen: list[list[str]] = []
        self.decide: Decide = lambda batch: [DONE] * len(batch)
        self.entered = asyncio.Semaphore(0)
        self.gate: asyncio.Semaphore | None = None

    async def handle(self, batch: Sequence[Pulled]) -> Sequence[Outcome]:
        self.seen.append(names(batch))
        self.entered.release()
        if self.gate:
            await self.gate.acquire()
        return self.decide(batch)

    def consumer(self, **options: Any) -> Consumer:
        return Consumer(PUSH, self.handle, self.queue, self.store, self.clock, **options)

    @asynccontextmanager
    async def running(self, consumer: Consumer | None = None) -> AsyncIterator[asyncio.Event]:
        stop = asyncio.Event()
        task = asyncio.create_task((consumer or self.consumer()).run(stop))
        try:
            yield stop
        finally:
            stop.set()
            await asyncio.wait_for(task, 10)

    async def publish(self, *items: LaneItem) -> None:
        for one in items:
            assert isinstance(one, PushItem)
            await self.store.accept([Submission(tenant=TENANT, notification=one.notification)])
        await self.queue.publish(PUSH, items)

    async def empty(self) -> bool:
        """Nothing in the lane, in hand or held for later."""
        return not any(self.queue.broker.of(PUSH, level) for level in Level)

    async def only_later(self) -> bool:
        """One item is left, held until its time."""
        waiting = self.queue.broker.of(PUSH, Level.P1)
        return [message.due > self.clock.now for message in waiting] == [True]

    async def settled(self) -> None:
        await eventually(self.empty)


@pytest.fixture
def world() -> World:
    return World()


async def test_what_is_done_is_settled(world: World) -> None:
    """A batch as large as allowed, of one level, in order; acknowledged when the role is done."""
    await world.publish(item("a"), item("b"), item("c"), item("urgent", "transactional"))
    async with world.running(world.consumer(batch_max=2)):
        await world.settled()
    assert world.seen == [["urgent"], ["a", "b"], ["c"]]


async def test_a_retry_comes_back_at_its_time_as_what_it_was_made(world: World) -> None:
    """A short wait goes through the retry lane, as the item that the role gave; the first message is settled."""
    at = world.clock.now + 5_000
    world.decide = lambda batch: [
        RetryAt(at, msgspec.structs.replace(pulled.item, attempt=2)) if pulled.item.attempt == 1 else DONE  # type: ignore[union-attr]
        for pulled in batch
    ]
    await world.publish(item("a"))
    async with world.running():
        await world.entered.acquire()
        await eventually(world.only_later)
        assert world.seen == [["a"]]
        world.clock.now = at
        await world.entered.acquire()
        await world.settled()
    assert world.seen == [["a"], ["a"]]


@pytest.mark.parametrize(("delay_ms", "kept"), [(LONG_DELAY_MS, True), (LONG_DELAY_MS + 1, False)])
async def test_a_long_wait_leaves_the_queue(world: World, delay_ms: int, kept: bool) -> None:
    """Over a minute the store knows the time, and the reconciler publishes it: the queue holds no long waits."""
    world.decide = lambda batch: [RetryAt(world.clock.now + delay_ms)]
    await world.publish(item("a"))
    async with world.running():
        await world.entered.acquire()
    assert await world.empty() != kept


async def test_the_dead_are_buried_with_cause_and_item(world: World) -> None:
    """One dead letter with everything needed to judge and replay it, and a `failed` event; then the ack."""
    world.decide = lambda batch: [Dead("invalid_token", "fcm")]
    await world.publish(item("a"))
    async with world.running():
        await world.settled()
    (letter,) = await world.store.dead_letters(TENANT)
    assert (letter.id, letter.cause, letter.detail, letter.lane, letter.level) == (
        "a:push:d", "invalid_token", "fcm", "push", Level.P1,
    )  # fmt: skip
    assert msgspec.msgpack.decode(letter.item, type=PushItem) == item("a")
    (history,) = await world.store.histories([Key(TENANT, "a")])
    assert history
    assert (history.events[-1].kind, history.events[-1].detail) == ("failed", "invalid_token")


async def test_poison_does_not_hold_its_neighbours(world: World) -> None:
    """A batch that raises is tried one by one; what raises alone becomes a dead letter with the bug's name."""

    def decide(batch: Sequence[Pulled]) -> Sequence[Outcome]:
        if "bad" in names(batch):
            raise KeyError("missing")
        return [DONE] * len(batch)

    world.decide = decide
    await world.publish(item("a"), item("bad"), item("b"))
    async with world.running():
        await world.settled()
    assert world.seen == [["a", "bad", "b"], ["a"], ["bad"], ["b"]]
    (letter,) = await world.store.dead_letters(TENANT)
    assert (letter.notification_id, letter.cause) == ("bad", "bug:KeyError")


@pytest.mark.parametrize("count", [0, 3])
async def test_a_role_that_miscounts_is_a_bug_of_the_role(world: World, count: int) -> None:
    """One outcome per item: a wrong number says nothing of any item, so none is taken for settled."""
    world.decide = lambda batch: [DONE] * count
    await world.publish(item("a"), item("b"))
    async with world.running():
        await world.settled()
    letters = await world.store.dead_letters(TENANT)
    assert sorted(letter.notification_id for letter in letters) == ["a", "b"]
    assert {letter.cause for letter in letters} == {"bug:RuntimeError"}


@pytest.mark.parametrize("error", [StoreUnavailable, QueueUnavailable, PresenceUnavailable])
async def test_a_backend_that_is_away_is_waited_for(world: World, error: type[Exception]) -> None:
    """Nothing is wrong with the items: the whole batch waits and is handled again."""
    answers = iter([error("away")])

    def decide(batch: Sequence[Pulled]) -> Sequence[Outcome]:
        for failure in answers:
            raise failure
        return [DONE] * len(batch)

    world.decide = decide
    await world.publish(item("a"), item("b"))
    async with world.running():
        await world.settled()
    assert world.seen == [["a", "b"], ["a", "b"]]
    assert await world.store.dead_letters(TENANT) == []


async def test_a_process_that_stops_gives_back_what_it_cannot_finish(world: World) -> None:
    """With the store away there is no end to wait for: the items go back to their lane at once."""

    def decide(batch: Sequence[Pulled]) -> Sequence[Outcome]:
        raise StoreUnavailable("away")

    world.decide = decide
    await world.publish(item("a"))
    async with world.running():
        await world.entered.acquire()
    (again,) = await world.queue.pull(PUSH, 10)
    assert (again.item, again.orphaned, again.deliveries) == (item("a"), True, 2)


async def test_a_process_that_stops_finishes_what_is_in_hand(world: World) -> None:
    """`run` returns when the last batch is settled, and takes no new one."""
    world.gate = asyncio.Semaphore(0)
    await world.publish(item("a"))
    async with world.running() as stop:
        await world.entered.acquire()
        stop.set()
        await world.publish(item("b"))
        world.gate.release()
    assert world.seen == [["a"]]
    assert [message.read().key.id for message in world.queue.broker.of(PUSH, Level.P1)] == ["b"]


async def test_an_item_that_keeps_killing_its_workers_is_poison(world: World) -> None:
    """Delivered again and again without an end: after the fifth time it isn't handled any more."""
    await world.publish(item("a"))
    for _ in range(5):
        await world.queue.pull(PUSH, 1)
        await world.queue.crash()
    async with world.running():
        await world.settled()
    assert world.seen == []
    (letter,) = await world.store.dead_letters(TENANT)
    assert letter.cause == "poison"


async def test_dead_letters_are_kept_before_the_item_is_let_go(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that is away at that moment is waited for; the role isn't asked again."""
    bury, tries = world.store.bury, asyncio.Semaphore(0)
    left = [StoreUnavailable("away")]

    async def later(letters: Any) -> None:
        tries.release()
        if left:
            assert not await world.empty()
            raise left.pop()
        await bury(letters)

    monkeypatch.setattr(world.store, "bury", later)
    world.decide = lambda batch: [Dead("x")]
    await world.publish(item("a"))
    async with world.running():
        await tries.acquire()
        await world.settled()
    assert (len(await world.store.dead_letters(TENANT)), world.seen) == (1, [["a"]])


async def test_a_bug_while_settling_puts_the_items_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Items that stayed in hand would never be delivered again as long as the process lives."""
    monkeypatch.setattr("heliograph.consumer._AFTER_BUG_S", 0)
    settle, left = world.queue.settle, [TypeError("a bug")]

    async def clumsy(pulled: Sequence[Pulled]) -> None:
        if left:
            raise left.pop()
        await settle(pulled)

    monkeypatch.setattr(world.queue, "settle", clumsy)
    await world.publish(item("a"))
    async with world.running():
        await world.settled()
    assert world.seen == [["a"], ["a"]]


class Turnstile(Gate):
    """Admits what it is told to, and fails when told to."""

    def __init__(self) -> None:
        self.asked = asyncio.Semaphore(0)
        self.answers: asyncio.Queue[int | Exception] = asyncio.Queue()
        self.returned: list[int] = []
        self.levels: list[Level] = []
        self.in_hand = 0

    async def admit(self, wanted: int, level: Level) -> Admission:
        self.levels.append(level)
        self.asked.release()
        answer = await self.answers.get()
        if isinstance(answer, Exception):
            raise answer
        self.in_hand += min(answer, wanted)
        return Admission(min(answer, wanted), level=level)

    def unused(self, admission: Admission, count: int) -> None:
        self.returned.append(count)
        self.in_hand -= count

    def ended(self, admission: Admission, count: int) -> None:
        self.in_hand -= count


async def test_the_most_urgent_item_gets_the_admission(world: World) -> None:
    """The gate first, the choice after: a P0 that comes while the gate is closed goes before the P2 that opened it."""
    gate = Turnstile()
    await world.publish(item("news", "marketing"))
    async with world.running(world.consumer(gate=gate)):
        await gate.asked.acquire()
        await world.publish(item("urgent", "transactional"))
        gate.answers.put_nowait(0)
        await gate.asked.acquire()
        gate.answers.put_nowait(3)
        await world.entered.acquire()
        assert world.seen == [["urgent"]]
        gate.answers.put_nowait(1)
        await world.settled()
    assert world.seen == [["urgent"], ["news"]]
    assert gate.returned == [2, 0]
    assert gate.levels[:3] == [Level.P2, Level.P0, Level.P2], "asked for the most urgent that waits at that moment"
    assert gate.in_hand == 0


async def test_what_is_in_hand_is_given_back_to_the_gate_even_when_the_pull_fails(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gate that bounds what is in hand would close for good otherwise."""
    gate = Turnstile()
    await world.publish(item("a"))
    pull, failures = world.queue.pull, [QueueUnavailable("away")]

    async def fail_once(lane: Lane, limit: int) -> Sequence[Pulled]:
        if failures:
            raise failures.pop()
        return await pull(lane, limit)

    monkeypatch.setattr(world.queue, "pull", fail_once)
    gate.answers.put_nowait(5)
    gate.answers.put_nowait(5)
    async with world.running(world.consumer(gate=gate)):
        await world.settled()
    assert gate.returned == [5, 4]
    assert gate.in_hand == 0


async def test_a_gate_or_queue_that_is_away_is_asked_again(world: World) -> None:
    """The shared bucket lives in the cache: while that is away nothing is pulled, and afterwards all is well."""
    gate = Turnstile()
    await world.publish(item("a"))
    gate.answers.put_nowait(PresenceUnavailable("away"))
    gate.answers.put_nowait(1)
    async with world.running(world.consumer(gate=gate)):
        await world.settled()
    assert world.seen == [["a"]]


async def test_a_failed_pull_costs_no_slot(world: World) -> None:
    """The consumer is run again after a failure, as often as it takes: every slot is there again."""
    gate = Turnstile()
    consumer = world.consumer(gate=gate, slots=2)
    await world.publish(item("a"))
    for _ in range(3):
        gate.answers.put_nowait(ValueError("a bug"))
        with pytest.raises(ValueError, match="a bug"):
            await asyncio.wait_for(consumer.run(asyncio.Event()), 10)
    gate.answers.put_nowait(1)
    async with world.running(consumer):
        await world.settled()
    assert world.seen == [["a"]]


async def test_slots_bound_what_is_in_hand(world: World) -> None:
    """A role that waits for providers works on several batches, so that a slow one holds nobody; no more than said."""
    world.gate = asyncio.Semaphore(0)
    await world.publish(*(item(str(n)) for n in range(3)))
    async with world.running(world.consumer(batch_max=1, slots=2)):
        await world.entered.acquire()
        await world.entered.acquire()
        assert world.seen == [["0"], ["1"]]
        world.gate.release()
        await world.entered.acquire()
        assert world.seen == [["0"], ["1"], ["2"]]
        world.gate.release()
        world.gate.release()
        await world.settled()


async def test_each_item_has_its_own_outcome(world: World) -> None:
    """Outcomes belong to items by position."""
    ends: dict[str, Outcome] = {"a": DONE, "b": Dead("x"), "c": RetryAt(world.clock.now + 1_000)}
    world.decide = lambda batch: [ends[name] for name in names(batch)]
    await world.publish(item("a"), item("b"), item("c"))
    async with world.running():
        await world.entered.acquire()
    assert [letter.notification_id for letter in await world.store.dead_letters(TENANT)] == ["b"]
    assert [message.read().key.id for message in world.queue.broker.of(PUSH, Level.P1)] == ["c"]
    (history,) = await world.store.histories([Key(TENANT, "b")])
    assert history
    assert fold(history.events)["push:d"].status == "failed"
