"""The door: who is let in while a process is busy, and what it says to the others."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from heliograph.access import ServerKeys
from heliograph.core.admission import Load, Marks
from heliograph.core.errors import Overloaded
from heliograph.core.model import Level
from heliograph.door import Door, retry_after_s
from heliograph.loop_lag import LoopLag
from heliograph.roles.api import sending
from heliograph.testing.store import MemoryStore
from heliograph.web import Callers, application
from tests.contract.store.examples import batch, submission
from tests.unit.roles.api.service import Answer, Service, call


class HeldStore(MemoryStore):
    """Lets a test hold what was accepted so far."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()

    async def accept(self, submissions: Any) -> Any:
        await self.go.wait()
        return await super().accept(submissions)


class Busy:
    """An API whose store holds every send, with room for ten requests or 2,000 bytes."""

    def __init__(self, lag_s: float = 0.0) -> None:
        self.service = Service()
        self.store = self.service.store = HeldStore()
        self.lag_s = lag_s
        self.door = Door(Marks(10, 2_000, 1.0), lambda: self.lag_s)
        callers = Callers(ServerKeys(self.store, self.service.clock, "hg_sk_boot"), self.service.tokens)
        service = sending.Sending(self.store, self.service.queue, self.service.clock, 100, door=self.door)
        self.app = application(
            sending.routes(service, callers, self.service.clock),
            ready=self.service.ready, before_metrics=self.service.refresh, door=self.door,
        )  # fmt: skip

    async def send(self, kind: str, more: str = "", **headers: str) -> Answer:
        body = f'{{"to": "anna", "title": "x{more}", "type": "{kind}"}}'.encode()
        sent = {"authorization": "Bearer hg_sk_boot", **headers}
        return await call(self.app, "POST", "/v1/send", [body], sent)

    async def held(self, kind: str, count: int) -> list[asyncio.Task[Answer]]:
        """Sends that wait for the store."""
        tasks = [asyncio.create_task(self.send(kind)) for _ in range(count)]
        for _ in range(30):
            await asyncio.sleep(0)
        return tasks


async def test_the_last_fifth_is_for_p0_and_then_nobody_comes_in() -> None:
    """P1 is refused at 80 %, P0 when all is full, each with a time; health is always told; what was in goes on."""
    busy = Busy()
    inside = await busy.held("alert", 8)
    assert busy.door.load.requests == 8
    (await busy.send("marketing")).problem(503, "overloaded")
    inside += await busy.held("transactional", 2)
    refused = await busy.send("transactional")
    refused.problem(503, "overloaded")
    assert 1 <= int(refused.headers["retry-after"]) <= 3
    assert (await call(busy.app, "GET", "/healthz")).status == 200
    busy.store.go.set()
    assert {answer.status for answer in await asyncio.gather(*inside)} == {202}
    assert busy.door.load == Load()
    assert (await busy.send("marketing")).status == 202


async def test_bytes_fill_it_too() -> None:
    """A few large bodies are as many small ones; what was refused isn't counted."""
    busy = Busy()
    large = asyncio.create_task(busy.send("transactional", "y" * 150))
    inside = [large, *await busy.held("transactional", 8)]
    assert 600 < busy.door.load.bytes < 2_000
    crowd = [await busy.send("alert", "y" * 190, **{"content-length": "1900"}) for _ in range(3)]
    assert {answer.status for answer in crowd} == {503}
    busy.store.go.set()
    await asyncio.gather(*inside)
    assert busy.door.load == Load()


async def test_a_page_can_read_that_it_was_refused() -> None:
    """The answer at the door has the headers that let a page of another origin see it."""
    busy = Busy(lag_s=5.0)
    refused = await busy.send("transactional", origin="https://shop.example")
    refused.problem(503, "overloaded")
    assert refused.headers["access-control-allow-origin"] == "*"


def test_a_lagging_loop_takes_no_more() -> None:
    """P2 and P1 first, then nobody, until it has caught up."""
    lag_s = 0.0
    door = Door(Marks(10, 10, 1.0), lambda: lag_s)
    door.check(Level.P2)
    lag_s = 0.9
    door.check(Level.P0)
    with pytest.raises(Overloaded):
        door.check(Level.P1)
    lag_s = 1.0
    with pytest.raises(Overloaded):
        door.check(Level.P0)
    lag_s = 0.0
    door.check(Level.P2)


def test_one_late_wake_up_is_no_lag() -> None:
    """A pause of the whole machine is over when it is seen: only three in a row count."""
    lag = LoopLag()
    found = []
    for late_s in (0.0, 0.0, 60.0, 0.0, 0.6, 0.7, 0.8, 0.1):
        lag.saw(late_s)
        found.append(lag.sustained_s)
    assert found == [0.0] * 6 + [0.6, 0.1]
    assert lag.worst_s == 60.0


def test_callers_come_back_at_different_times() -> None:
    """Whole seconds, as the header wants them, and not one for all."""
    assert {retry_after_s() for _ in range(200)} == {1, 2, 3}


def test_a_batch_has_the_level_of_its_type() -> None:
    """What is asked at the door for a list or a topic send."""
    made = submission(batch("anna"))
    assert made.batch
    assert made.level is made.batch.level
