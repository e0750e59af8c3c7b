"""Pauses by hand: nothing leaves, nothing is lost, nothing is spent; known everywhere, kept over restarts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from heliograph.consumer import Consumer
from heliograph.core.account import Rules
from heliograph.core.lanes import PUSH, push_item
from heliograph.core.model import Level, Type
from heliograph.core.outcomes import DONE, Delivered, Held, Outcome, ProviderOutcome
from heliograph.core.pacing import PaceRules
from heliograph.core.pausing import PAUSABLE, Pause
from heliograph.core.ports import Pulled
from heliograph.guard import Guard
from heliograph.outlet import Outlet
from heliograph.pausing import Pauses, PauseWatch, pause, paused, resume
from heliograph.testing.cells import MemoryCells
from heliograph.testing.queue import MemoryQueue
from heliograph.testing.store import MemoryStore
from tests.support.eventually import eventually
from tests.unit.given import T0, FakeClock, device, notification


def of(*names: str) -> dict[str, Pause]:
    return {name: Pause(name, T0, "why") for name in names}


async def test_what_can_be_paused() -> None:
    """Every lane and every provider, each by a name of its own; nothing else."""
    assert len(set(PAUSABLE)) == len(PAUSABLE) == 14
    with pytest.raises(KeyError):
        await pause(MemoryStore(), "everything", "", T0)
    with pytest.raises(KeyError):
        await resume(MemoryStore(), "everything")


async def test_a_pause_is_kept_until_it_is_ended() -> None:
    """Pausing again gives a new reason, not a new beginning; ending it twice is told."""
    store = MemoryStore()
    await pause(store, "outbox", "first", T0)
    await pause(store, "outbox", "second", T0 + 5)
    await pause(store, "fcm", "", T0 + 6)
    assert await paused(store) == {"outbox": Pause("outbox", T0, "second"), "fcm": Pause("fcm", T0 + 6)}
    assert await resume(store, "outbox")
    assert not await resume(store, "outbox")
    assert list(await paused(store)) == ["fcm"]


class Watched(MemoryStore):
    """Counts how often somebody looked."""

    looks = 0

    async def settings(self, names: Sequence[str]) -> Sequence[str | None]:
        self.looks += 1
        return await super().settings(names)


async def test_every_process_learns_of_it() -> None:
    """The watch takes it from the store; while the store is away what is known stands."""
    store, pauses, stop = Watched(), Pauses(), asyncio.Event()
    running = asyncio.create_task(PauseWatch(store, pauses, every_s=0.001).run(stop))
    await pause(store, "push", "", T0)

    async def known() -> bool:
        return pauses.of("push") is not None

    await eventually(known)
    await store.close_store()
    before = store.looks

    async def looked_in_vain() -> bool:
        return store.looks >= before + 2

    await eventually(looked_in_vain)
    assert await known()
    await store.open()
    await resume(store, "push")
    await asyncio.wait_for(pauses.over("push"), 5)
    stop.set()
    await running


class Lane:
    """A lane with its consumer; notes in which order items were handled."""

    def __init__(self) -> None:
        self.pauses = Pauses()
        self.clock = FakeClock()
        self.queue = MemoryQueue(self.clock)
        self.handled: list[str] = []
        self.consumer = Consumer(
            PUSH, self.handle, self.queue, MemoryStore(), self.clock, batch_max=1, pauses=self.pauses
        )

    async def handle(self, batch: Sequence[Pulled]) -> Sequence[Outcome]:
        self.handled += [each.item.key.id for each in batch]
        return [DONE] * len(batch)

    async def publish(self, name: str, kind: Type) -> None:
        await self.queue.publish(PUSH, [push_item(notification(id=name, type=kind), device())])


async def test_a_paused_lane_waits_and_then_goes_on_in_its_order() -> None:
    """Also one that was waiting for its next item when the pause came. P0 first, whatever came first."""
    lane, stop = Lane(), asyncio.Event()
    running = asyncio.create_task(lane.consumer.run(stop))
    await asyncio.sleep(0)
    lane.pauses.take(of("push"))
    for name, kind in (("c", "marketing"), ("b", "alert"), ("a", "transactional")):
        await lane.publish(name, kind)  # type: ignore[arg-type]
    for _ in range(50):
        await asyncio.sleep(0)
    assert lane.handled == []
    lane.pauses.take({})

    async def done() -> bool:
        return len(lane.handled) == 3

    await eventually(done)
    assert lane.handled == ["a", "b", "c"]
    stop.set()
    await running


async def test_a_paused_lane_lets_its_process_end() -> None:
    """A drain doesn't wait for somebody to resume it."""
    lane, stop = Lane(), asyncio.Event()
    lane.pauses.take(of("push"))
    await lane.publish("a", "alert")
    running = asyncio.create_task(lane.consumer.run(stop))
    for _ in range(50):
        await asyncio.sleep(0)
    stop.set()
    await asyncio.wait_for(running, 5)
    assert lane.handled == []


class Account:
    def __init__(self) -> None:
        self.pauses, self.clock = Pauses(), FakeClock()
        cells = MemoryCells()
        self.first, self.second = (
            Guard(name, cells, self.clock, Rules(PaceRules(10.0)), pauses=self.pauses) for name in ("sendgrid", "smtp")
        )

    async def call(self) -> ProviderOutcome:
        async def send() -> ProviderOutcome:
            return Delivered()

        return await self.first.call(send)


async def test_a_paused_provider_is_not_called() -> None:
    """Not by a probe, nor by what was admitted before; it is told as what it is, and spends no tokens."""
    account = Account()
    tokens = (await account.first.admit(3, Level.P0)).count
    account.pauses.take(of("sendgrid"))
    assert await account.call() == Held("paused by hand: why")
    assert account.first.held(probe=True) == "paused by hand: why"
    assert (await account.first.admit(1, Level.P0)).count == 0
    assert await account.first.look() == "paused by hand: why"
    account.pauses.take({})
    assert await account.first.look() == "up"
    assert (await account.first.admit(100, Level.P0)).count == 10 - tokens
    assert await account.call() == Delivered()


async def test_mails_move_on_to_the_next_provider() -> None:
    """As while one is down; without a next one they wait."""
    account = Account()
    account.pauses.take(of("sendgrid"))

    async def sleep(_: float) -> None:
        return

    both = Outlet([account.first, account.second], account.clock, sleep=sleep)
    admission = await both.admit(2, Level.P1)
    assert (admission.guard, admission.count) == (account.second, 2)
    alone = Outlet([account.first], account.clock, sleep=sleep)
    assert (await alone.admit(2, Level.P0)).count == 0
