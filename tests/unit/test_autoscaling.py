"""The autoscaler: every process answers the same, and nobody is scaled by what can't be seen."""

from __future__ import annotations

import msgspec
import pytest

from heliograph.autoscaling import SCALED, Autoscaler, Size, bounds_of
from heliograph.core.account import Rules
from heliograph.core.breaker import BreakerRules
from heliograph.core.errors import PresenceUnavailable, QueueUnavailable
from heliograph.core.lanes import INGEST, OUTBOX, IngestItem, OutboxItem
from heliograph.core.model import Mail
from heliograph.core.outcomes import Throttled
from heliograph.core.pacing import PaceRules
from heliograph.core.pausing import Pause
from heliograph.core.scaling import Bounds
from heliograph.guard import Guard
from heliograph.pausing import Pauses
from heliograph.testing.cells import MemoryCells
from heliograph.testing.queue import MemoryQueue
from heliograph.work import Row
from tests.unit.given import FakeClock, notification

MAIL = Mail(to="a@b.example", subject="s", html="<p>h</p>", text="t")


class World:
    def __init__(self, email_rate: float = 100.0) -> None:
        self.clock = FakeClock()
        self.cells = MemoryCells()
        self.queue = MemoryQueue(self.clock)
        self.pauses = Pauses()
        self.guard = Guard(
            "sendgrid", self.cells, self.clock, Rules(PaceRules(email_rate), BreakerRules()), pauses=self.pauses
        )
        self.one, self.other = self.autoscaler(), self.autoscaler()

    def autoscaler(self) -> Autoscaler:
        bounds = bounds_of("1-8", 5.0, 60.0)
        return Autoscaler(self.queue, self.cells, self.clock, bounds, {"email-sender": [self.guard]}, self.pauses)

    def tell(self, role: str, *rows: tuple[float, float]) -> None:
        told = {str(n): Row(self.clock(), done, each) for n, (done, each) in enumerate(rows)}
        self.cells.values[f"work:{role}"] = msgspec.msgpack.encode(told)

    async def size(self, role: str) -> Size:
        return (await self.one.sizes())[role]

    async def mails(self, count: int) -> None:
        item = OutboxItem(tenant="t", id="ntf_1", at_level=1, mail=MAIL)
        await self.queue.publish(OUTBOX, [item] * count)


async def test_a_backlog_brings_processes_and_everyone_says_so() -> None:
    """Whoever asks gets the same number, from whichever process; asking often doesn't hurry the rule."""
    world = World()
    await world.queue.publish(INGEST, [IngestItem(notification())] * 3_000)
    world.tell("router", (100.0, 100.0))
    first = await world.one.sizes()
    assert (first["router"].desired, first["router"].waiting, first["router"].running) == (7, 3_000, 1)
    assert await world.other.sizes() == first
    assert set(first) == set(SCALED)
    assert all(size.desired == 1 for role, size in first.items() if role != "router")


async def test_senders_are_scaled_by_tokens() -> None:
    """Two processes' worth of tokens: two processes, however many mails wait; none more in a provider's pause."""
    world = World(email_rate=100.0)
    await world.mails(10_000)
    world.tell("email-sender", (50.0, 60.0))
    assert ((await world.size("email-sender")).desired) == 2
    paused = World(email_rate=1000.0)

    async def refuse() -> Throttled:
        return Throttled("429", 60)

    await paused.guard.call(refuse)
    await paused.mails(10_000)
    paused.tell("email-sender", (0.0, 60.0))
    size = await paused.size("email-sender")
    assert (size.desired, size.allowed_per_s) == (1, 0.0)


@pytest.mark.parametrize("name", ["outbox", "sendgrid"])
async def test_what_is_paused_by_hand_brings_nobody(name: str) -> None:
    """The lane or the provider: more processes would only wait with the others."""
    world = World(email_rate=1000.0)
    await world.mails(10_000)
    world.tell("email-sender", (0.0, 60.0))
    world.pauses.take({name: Pause(name, 0, "")})
    assert (await world.size("email-sender")).desired == 1
    world.pauses.take({})
    world.clock.forward(1)
    world.tell("email-sender", (0.0, 60.0))
    assert (await world.size("email-sender")).desired > 1


async def test_without_queue_or_cache_there_is_no_answer() -> None:
    """Then what there is stays as it is: an error, never a number made of nothing."""
    world = World()
    world.queue.broker.away = True
    with pytest.raises(QueueUnavailable):
        await world.one.sizes()
    world.queue.broker.away = False
    world.cells.away = True
    with pytest.raises(PresenceUnavailable):
        await world.one.sizes()


def test_bounds_of_some_apart() -> None:
    """One range for all, others by name."""
    bounds = bounds_of("1-4, email-sender=2-3", 5.0, 60.0)
    assert bounds["router"] == Bounds(1, 4, 5.0, 60.0)
    assert bounds["email-sender"] == Bounds(2, 3, 5.0, 60.0)


@pytest.mark.parametrize("text", ["", "4", "0-4", "4-1", "1-4,api=1-2", "router=1-2", "1-4,router=x"])
def test_bounds_that_make_no_sense(text: str) -> None:
    """Said with the text and what would be right."""
    with pytest.raises(ValueError, match=r"autoscale_processes is .*like 1-4"):
        bounds_of(text, 5.0, 60.0)
