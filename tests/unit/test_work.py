"""What processes tell of their work: rates of each, for as long as it lives, and nothing that a delivery depends on."""

from __future__ import annotations

import asyncio

from heliograph.core.ports import Clock
from heliograph.testing.cells import MemoryCells
from heliograph.work import Work, WorkReports, work_of
from tests.support.eventually import eventually
from tests.unit.given import FakeClock


class Worker:
    name = "router"

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.work = Work(lambda: clock() / 1000)

    def does(self, items: int, seconds: float) -> None:
        self.work.begin()
        self._clock.forward(seconds)
        self.work.end(items)


def reports(clock: Clock, cells: MemoryCells, *workers: Worker) -> WorkReports:
    return WorkReports(workers, cells, clock)


async def test_rates_of_every_process() -> None:
    """What one ended a second, and what it would end if it were always busy; a process that idles can't tell."""
    clock, cells = FakeClock(), MemoryCells()
    busy, idle = Worker(clock), Worker(clock)
    one, two = reports(clock, cells, busy), reports(clock, cells, idle)
    await one.tell()
    await two.tell()
    busy.does(300, 3.0)
    idle.does(1, 0.5)
    clock.forward(0.5)
    await one.tell()
    await two.tell()
    first, second = await work_of(cells, "router", clock())
    assert (first.done_per_s, first.each_per_s) == (75.0, 100.0)
    assert (second.done_per_s, second.each_per_s) == (0.25, 0.0)


def test_batches_at_once_are_one_busy_time() -> None:
    """A sender with several batches in hand is not busier than the clock, and what it holds now counts."""
    clock = FakeClock()
    work = Work(lambda: clock() / 1000)
    work.begin()
    work.begin()
    clock.forward(2)
    work.end(5)
    clock.forward(1)
    assert (work.done, work.busy_s) == (5, 3.0)
    work.end(5)
    clock.forward(1)
    assert (work.done, work.busy_s) == (10, 3.0)


async def test_who_is_gone_doesnt_count() -> None:
    """A process that was stopped takes its row along; one that was killed is forgotten after five seconds."""
    clock, cells = FakeClock(), MemoryCells()
    killed, stopped = reports(clock, cells, Worker(clock)), reports(clock, cells, Worker(clock))
    await killed.tell()
    stop = asyncio.Event()
    running = asyncio.create_task(stopped.run(stop))

    async def both() -> bool:
        return len(await work_of(cells, "router", clock())) == 2

    await eventually(both)
    stop.set()
    await running
    assert len(await work_of(cells, "router", clock())) == 1
    clock.forward(5.1)
    assert await work_of(cells, "router", clock()) == []


async def test_a_cache_that_is_away_stops_no_work() -> None:
    """Then nobody is told, and that is all."""
    clock, cells = FakeClock(), MemoryCells()
    cells.away = True
    await reports(clock, cells, Worker(clock)).tell()
    assert cells.values == {}
