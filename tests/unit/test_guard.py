"""The guard of one account: several processes with one pace and one breaker; each alone when the cache is away."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client import REGISTRY

from heliograph.core.account import Rules
from heliograph.core.breaker import BreakerRules
from heliograph.core.model import Level
from heliograph.core.outcomes import Delivered, Held, Misconfigured, ProviderOutcome, Throttled, Unavailable
from heliograph.core.pacing import MARGIN_MS, PaceRules
from heliograph.guard import Guard
from heliograph.testing.cells import MemoryCells
from tests.unit.given import FakeClock

RULES = Rules(PaceRules(10.0), BreakerRules())


class World:
    """Two processes that send through the same account."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.cells = MemoryCells()
        self.one, self.other = self.guard(), self.guard()
        self.calls = 0

    def guard(self) -> Guard:
        return Guard("sendgrid", self.cells, self.clock, RULES)

    async def call(self, guard: Guard, outcome: ProviderOutcome, *, probe: bool = False) -> ProviderOutcome:
        async def send() -> ProviderOutcome:
            self.calls += 1
            return outcome

        return await guard.call(send, probe=probe)

    async def granted(self, guard: Guard, wanted: int = 100, level: Level = Level.P0) -> int:
        return (await guard.admit(wanted, level)).count


@pytest.fixture
def world() -> World:
    return World()


def gauge(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, {"provider": "sendgrid", **labels})


async def test_processes_share_one_pace(world: World) -> None:
    """What one took the other can't take, and the reserve is P0's in every process."""
    assert await world.granted(world.one, level=Level.P2) == 8
    assert await world.granted(world.other, level=Level.P1) == 0
    assert await world.granted(world.other) == 2
    assert gauge("heliograph_provider_tokens_available") == 0


async def test_a_pause_holds_in_every_process(world: World) -> None:
    """One of them was told to wait: none calls before the time, however full its bucket looked."""
    await world.call(world.one, Throttled("429", 30))
    assert await world.granted(world.other) == 0
    assert await world.call(world.other, Delivered()) == Held("the provider asked for a pause")
    world.clock.forward((30_000 + MARGIN_MS - 1) / 1000)
    assert await world.granted(world.other) == await world.granted(world.one) == 0
    world.clock.forward(0.3)
    assert await world.granted(world.one) == 1
    assert world.calls == 1


async def test_what_concerns_one_recipient_pauses_nobody(world: World) -> None:
    """A greylisted mailbox, a device over its quota."""
    for _ in range(9):
        await world.call(world.one, Throttled("451 4.7.1", 30, alone=True))
        await world.call(world.one, Unavailable("452 4.2.2", alone=True))
    assert await world.granted(world.one) == 10


async def test_a_breaker_opens_and_heals_for_everybody(world: World) -> None:
    """Five failures here, and nobody there calls either; one probe is let through, and its answer heals all."""
    for _ in range(5):
        await world.call(world.one, Unavailable("sendgrid 503"))
    assert await world.granted(world.other) == 0
    assert await world.other.look() == await world.one.look() == "open: sendgrid 503"
    assert await world.call(world.other, Delivered()) == Held("sendgrid 503")
    assert gauge("heliograph_provider_breaker_open", cause="sendgrid 503") == 1
    world.clock.forward(1)
    probe = await world.other.admit(25, Level.P2)
    assert (probe.count, probe.probe) == (1, True)
    assert await world.granted(world.one) == 0, "one probe at a time"
    assert await world.call(world.other, Delivered(), probe=True) == Delivered()
    assert await world.granted(world.one) == 10
    assert await world.other.look() == "up"
    assert gauge("heliograph_provider_breaker_open", cause="sendgrid 503") is None


async def test_wrong_credentials_open_it_at_once(world: World) -> None:
    """The first refusal is enough."""
    await world.call(world.one, Misconfigured("sendgrid 401: Maximum credits exceeded"))
    assert await world.granted(world.other) == 0
    assert await world.other.look() == "open: sendgrid 401: Maximum credits exceeded"


async def test_silence_is_noticed_before_the_time_outs(world: World) -> None:
    """Calls that hang: the breaker opens while they do. Those that fail for it later don't open it a second time."""
    hanging = asyncio.Event()

    async def hang() -> ProviderOutcome:
        await hanging.wait()
        return Unavailable("no answer in time", unknown=True)

    calls = [asyncio.ensure_future(world.one.call(hang)) for _ in range(6)]
    await asyncio.sleep(0)
    world.clock.forward(3.9)
    await world.one.watch()
    assert not world.one.is_open
    world.clock.forward(0.1)
    await world.one.watch()
    assert await world.other.look() == "open: no answers"
    world.clock.forward(1)
    await world.one.admit(1, Level.P0)
    await world.call(world.one, Delivered(), probe=True)
    hanging.set()
    await asyncio.gather(*calls)
    assert await world.one.look() == "up"


async def test_alone_a_process_keeps_what_it_knows(world: World) -> None:
    """The cache is away: the pace goes on by itself, beginning with nothing; a pause and an open breaker still hold;
    and what was learnt meanwhile is told when the cache is back."""
    await world.granted(world.one, 1)
    world.cells.away = True
    assert await world.granted(world.one) == 0
    world.clock.forward(0.5)
    assert await world.granted(world.one) == 5
    await world.call(world.one, Misconfigured("sendgrid 401"))
    assert await world.granted(world.one) == 0
    world.cells.away = False
    await world.one.look()
    assert await world.granted(world.other) == 0
    assert await world.other.look() == "open: sendgrid 401"


async def test_a_cache_that_lost_everything_learns_it_again(world: World) -> None:
    """A pause must not be over because a cache was wiped."""
    await world.call(world.one, Throttled("429", 30))
    world.cells.flush()
    await world.one.look()
    assert await world.granted(world.other) == 0
    assert await world.other.look() == "paused"


async def test_a_yes_costs_no_round_trip(world: World) -> None:
    """Nearly every call teaches nothing new: what is shared is left alone."""
    world.cells.away = True
    assert await world.call(world.one, Delivered()) == Delivered()
    world.cells.away = False
    assert world.cells.values == {}


async def test_a_bug_in_a_call_is_no_outage(world: World) -> None:
    """It goes up to whoever made it, and is not under way any more."""

    async def bug() -> ProviderOutcome:
        raise ZeroDivisionError

    for _ in range(9):
        with pytest.raises(ZeroDivisionError):
            await world.one.call(bug)
    world.clock.forward(9)
    await world.one.watch()
    assert await world.one.look() == "up"


async def test_each_level_has_a_retry_budget_of_its_own(world: World) -> None:
    """A crowd of P2 that fails must not cost P0 its retries."""
    while world.one.may_try(Level.P2, again=True):
        pass
    assert world.one.may_try(Level.P0, again=True)
    assert world.one.may_try(Level.P2, again=False)
    assert gauge("heliograph_retry_budget_exhausted_total", level="p2") == 1
