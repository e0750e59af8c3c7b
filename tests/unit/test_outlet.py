"""The outlet of a lane: a token first and the item after; the next account while one is down; nobody holds it all."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from heliograph.consumer import Consumer
from heliograph.core.account import Rules
from heliograph.core.lanes import PUSH, push_item
from heliograph.core.model import Level
from heliograph.core.outcomes import DONE, Delivered, Misconfigured, Outcome, ProviderOutcome, Throttled
from heliograph.core.pacing import PaceRules
from heliograph.core.ports import Pulled
from heliograph.guard import Guard
from heliograph.outlet import Outlet
from heliograph.testing.cells import MemoryCells
from heliograph.testing.queue import MemoryQueue
from heliograph.testing.store import MemoryStore
from tests.support.eventually import eventually
from tests.unit.given import FakeClock, device, notification


class World:
    """Two providers with ten calls a second each; waits are noted and take no time."""

    def __init__(self, **options: int) -> None:
        self.clock = FakeClock()
        cells = MemoryCells()
        self.first, self.second = (Guard(name, cells, self.clock, Rules(PaceRules(10.0))) for name in ("a", "b"))
        self.slept: list[float] = []
        self.outlet = Outlet([self.first, self.second], self.clock, sleep=self.sleep, **options)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    async def admitted(self, wanted: int = 100, level: Level = Level.P0) -> tuple[str, int]:
        found = await self.outlet.admit(wanted, level)
        return (found.guard.provider if found.guard else "", found.count)

    async def answer(self, guard: Guard, outcome: ProviderOutcome, *, probe: bool = False) -> None:
        async def send() -> ProviderOutcome:
            return outcome

        await guard.call(send, probe=probe)


async def test_the_first_account_is_used_up_before_nobody() -> None:
    """Too fast is no reason to move on: the next provider isn't there to double the rate."""
    world = World()
    assert await world.admitted() == ("a", 10)
    assert await world.admitted() == ("", 0)
    assert world.slept == [0.05]
    world.clock.forward(0.3)
    assert await world.admitted() == ("a", 3)


async def test_traffic_moves_on_and_comes_back() -> None:
    """While the first is down the second sends; a probe goes to the first now and then; healed, it has everything."""
    world = World()
    await world.answer(world.first, Misconfigured("401"))
    assert await world.admitted(2) == ("b", 2)
    world.clock.forward(30)
    probe = await world.outlet.admit(25, Level.P1)
    assert (probe.guard, probe.count, probe.probe) == (world.first, 1, True)
    assert await world.admitted(2) == ("b", 2)
    await world.answer(world.first, Delivered(), probe=True)
    assert await world.admitted(2) == ("a", 2)


async def test_a_short_pause_is_waited_for_and_a_long_one_is_not() -> None:
    """A provider that asks for two seconds gets them; for half a minute, mails needn't wait."""
    world = World()
    await world.answer(world.first, Throttled("429", 2))
    assert await world.admitted() == ("", 0)
    world = World()
    await world.answer(world.first, Throttled("429", 30))
    assert await world.admitted() == ("b", 10)


async def test_what_is_in_hand_is_bounded_and_some_room_is_p0s() -> None:
    """A provider that hangs must not take all of a process, nor P2 the last of it."""
    world = World(most=10)
    first = await world.outlet.admit(100, Level.P2)
    assert first.count == 8
    world.clock.forward(5)
    assert await world.admitted(level=Level.P2) == ("", 0)
    assert await world.admitted(level=Level.P0) == ("a", 2)
    world.outlet.ended(first, 3)
    assert await world.admitted(level=Level.P0) == ("a", 3)
    assert world.outlet.slots == 21


async def test_an_unused_token_serves_the_next_item() -> None:
    """Not thrown away, nor kept for ever, nor used for a provider that is down."""
    world = World()
    ten = await world.outlet.admit(10, Level.P0)
    world.outlet.unused(ten, 4)
    assert await world.admitted(3) == ("a", 3)
    assert await world.admitted() == ("a", 1)
    world.outlet.unused(ten, 4)
    world.clock.forward(1)
    assert await world.admitted() == ("a", 10)
    world.outlet.unused(ten, 4)
    await world.answer(world.first, Misconfigured("401"))
    assert await world.admitted() == ("b", 10)
    world.outlet.unused(ten, 0)


async def test_what_a_p0_did_not_need_is_in_the_bucket_again() -> None:
    """A less urgent one gets of it what isn't P0's own share."""
    world = World()
    ten = await world.outlet.admit(10, Level.P0)
    world.outlet.unused(ten, 4)
    assert await world.admitted(level=Level.P2) == ("a", 2)
    assert await world.admitted() == ("a", 2)
    assert await world.admitted() == ("", 0)


async def test_a_trickle_of_p0_leaves_the_rest_of_the_rate_to_p2() -> None:
    """A P0 asks for a batch's tokens and needs one; what P2 is kept from is that one."""
    world, sent = World(), {Level.P0: 0, Level.P2: 0}
    for _ in range(100):
        world.clock.forward(0.2)
        admission = await world.outlet.admit(25, Level.P0)
        world.outlet.unused(admission, admission.count - 1)
        sent[Level.P0] += 1
        sent[Level.P2] += (await world.outlet.admit(25, Level.P2)).count
    assert sent[Level.P0] == 100
    assert 90 <= sent[Level.P2] <= 108


async def test_a_late_p0_goes_before_every_waiting_p2() -> None:
    """G6 in the rate limit: whoever waits for a token waits without an item in hand, and P0 has a reserve."""
    world = World()
    queue, store = MemoryQueue(world.clock), MemoryStore()
    waiting, handled = asyncio.Event(), []

    async def sleep(seconds: float) -> None:
        waiting.set()
        await asyncio.sleep(0.001)

    async def handle(batch: Sequence[Pulled]) -> Sequence[Outcome]:
        handled.extend(each.item.key.id for each in batch)
        return [DONE] * len(batch)

    outlet = Outlet([world.first], world.clock, sleep=sleep)
    crowd = [push_item(notification(id=f"n{number:02}", type="marketing"), device("d")) for number in range(30)]
    await queue.publish(PUSH, crowd)
    stop = asyncio.Event()
    consumer = Consumer(PUSH, handle, queue, store, world.clock, batch_max=25, slots=outlet.slots, gate=outlet)
    running = asyncio.create_task(consumer.run(stop))
    await waiting.wait()
    await queue.publish(PUSH, [push_item(notification(id="vip", type="transactional"), device("d"))])

    async def last() -> bool:
        return len(handled) == 9

    await eventually(last)
    assert handled[8] == "vip", "at once, from the reserve, while no time goes by"
    stop.set()
    await running
