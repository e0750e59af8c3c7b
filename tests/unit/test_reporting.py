"""What processes say of themselves: each in its own words, added up by whoever asks, gone when it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from heliograph import telemetry
from heliograph.core.errors import PresenceUnavailable
from heliograph.reporting import Reporter, counted, reports
from heliograph.testing.cells import MemoryCells
from tests.support.eventually import eventually
from tests.unit.given import FakeClock


async def test_rates_are_those_of_the_last_interval() -> None:
    """A second, and only what moved."""
    cells, clock = MemoryCells(), FakeClock()
    reporter = Reporter(cells, clock, ("api",), sockets=lambda: 7, reconciled_at=lambda: clock.now - 5)
    telemetry.accepted_total.labels("p0").inc(10)
    telemetry.accepted_total.labels("p2").inc(10)
    telemetry.stage_items_total.labels("router", "routing", "p0", "done").inc(6)
    telemetry.provider_attempts_total.labels("smtp", "delivered").inc(4)
    clock.forward(2)
    await reporter.report()
    (found,) = await reports(cells, clock.now)
    assert found.rates == {"accepted": 10.0, "router": 3.0, "smtp:delivered": 2.0}
    assert (found.roles, found.sockets, found.reconciled_at) == (("api",), 7, clock.now - 5)
    clock.forward(2)
    await reporter.report()
    assert (await reports(cells, clock.now))[0].rates == {}
    assert counted()["accepted"] >= 20


async def test_who_is_silent_is_gone() -> None:
    """After 15 s; the oldest process first."""
    cells, clock = MemoryCells(), FakeClock()
    first = Reporter(cells, clock, ("api",))
    clock.forward(1)
    second = Reporter(cells, clock, ("router",))
    await second.report()
    await first.report()
    assert [one.roles for one in await reports(cells, clock.now)] == [("api",), ("router",)]
    clock.forward(15.1)
    await second.report()
    assert [one.roles for one in await reports(cells, clock.now)] == [("router",)]
    clock.forward(15.1)
    assert list(await reports(cells, clock.now)) == []


class Asked(MemoryCells):
    """Counts how often somebody wanted to change something."""

    changes = 0

    async def change(self, name: str, step: Callable[[bytes], bytes], ttl_ms: int) -> bytes:
        self.changes += 1
        return await super().change(name, step, ttl_ms)


async def test_whoever_ends_says_goodbye_and_a_lost_cache_ends_nobody() -> None:
    """It is told when the cache is back."""
    cells, clock, stop = Asked(), FakeClock(), asyncio.Event()
    cells.away = True
    running = asyncio.create_task(Reporter(cells, clock, ("api",), every_s=0.001).run(stop))

    async def tried() -> bool:
        return cells.changes >= 2

    await eventually(tried)
    with pytest.raises(PresenceUnavailable):
        await reports(cells, clock.now)
    cells.away = False

    async def there() -> bool:
        return bool(await reports(cells, clock.now))

    await eventually(there)
    stop.set()
    await running
    assert not await there()
