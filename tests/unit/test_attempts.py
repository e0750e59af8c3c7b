"""One attempt at a provider (promise G3): on record before the call, with its outcome after it, whatever happens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

from heliograph.attempts import Attempts
from heliograph.core.account import Rules
from heliograph.core.errors import StoreUnavailable
from heliograph.core.lanes import EmailItem
from heliograph.core.lifecycle import Event, fold
from heliograph.core.model import Key, Level
from heliograph.core.outcomes import (
    DONE,
    Dead,
    Delivered,
    Held,
    Misconfigured,
    Outcome,
    ProviderOutcome,
    Rejected,
    RetryAt,
    Throttled,
    Unavailable,
    Unregistered,
)
from heliograph.core.pacing import PaceRules
from heliograph.core.ports import Begun, Submission
from heliograph.core.retry import RetryPolicy
from heliograph.gate import Admission
from heliograph.guard import Guard
from heliograph.testing.cells import MemoryCells
from heliograph.testing.store import MemoryStore
from tests.unit.given import T0, TENANT, FakeClock, event, notification

LEASE_S = 15.0
RULES = Rules(PaceRules(100.0))
POLICY = RetryPolicy(base_s=2, ceiling_s=60, max_attempts=3)
Answer = ProviderOutcome | Exception | Callable[[], ProviderOutcome]


def item(name: str = "ntf_1", **fields: Any) -> EmailItem:
    return EmailItem(notification(id=name), address="a@b.example", **fields)


class World:
    """A store with one accepted notification, and a provider that answers what it is told to."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.store = MemoryStore()
        self.pauses: list[float] = []
        self.attempts = Attempts(self.store, self.clock, POLICY, LEASE_S, self.pause)
        self.answers: dict[str, Answer] = {}
        self.calls: list[tuple[str, int]] = []

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)

    async def accept(self, *names: str) -> None:
        await self.store.accept([Submission(tenant=TENANT, notification=notification(id=name)) for name in names])

    async def call(self, one: EmailItem, number: int) -> tuple[str, ProviderOutcome]:
        self.calls.append((one.key.id, number))
        answer = self.answers.get(one.key.id, Delivered("p-1"))
        if isinstance(answer, Exception):
            raise answer
        return "smtp", answer() if callable(answer) else answer

    async def make(self, *items: EmailItem, orphaned: bool = False) -> Sequence[Outcome]:
        return await self.attempts.make([(one, orphaned) for one in items], self.call)

    async def events(self, name: str = "ntf_1") -> list[Event]:
        (history,) = await self.store.histories([Key(TENANT, name)])
        return list(history.events) if history else []

    async def kinds(self, name: str = "ntf_1") -> list[str]:
        return [f"{one.kind} {one.attempt}" for one in await self.events(name)]


@pytest.fixture
async def world() -> World:
    found = World()
    await found.accept("ntf_1")
    return found


async def test_an_attempt_is_on_record_before_the_call(world: World) -> None:
    """A worker that dies in the call leaves its attempt behind (G3)."""
    during: list[str] = []

    async def call(one: EmailItem, number: int) -> tuple[str, ProviderOutcome]:
        during.extend(await world.kinds())
        return "smtp", Delivered()

    await world.attempts.make([(item(), False)], call)
    assert during == ["sending 1"]


@pytest.mark.parametrize(
    ("answer", "kind", "detail", "outcome"),
    [
        (Delivered("p-1"), "sent", None, DONE),
        (Delivered("p-1", final=True), "delivered", None, DONE),
        (Unregistered("gone"), "failed", "gone", DONE),
    ],
)
async def test_an_end_is_recorded_and_settles(
    world: World, answer: ProviderOutcome, kind: str, detail: str | None, outcome: Outcome
) -> None:
    """The provider's yes or no, its name and its id; a device that is gone is no dead letter."""
    world.answers["ntf_1"] = answer
    assert await world.make(item()) == [outcome]
    end = (await world.events())[-1]
    assert (end.kind, end.attempt, end.provider, end.detail) == (kind, 1, "smtp", detail)
    assert end.provider_id == ("p-1" if isinstance(answer, Delivered) else None)
    assert fold(await world.events())["email"].settled


async def test_a_refusal_is_recorded_by_whoever_keeps_the_dead_letter(world: World) -> None:
    """Failed may not show before its dead letter stands, or a crash in between leaves nothing to replay."""
    world.answers["ntf_1"] = Rejected("no such user")
    assert await world.make(item()) == [Dead("no such user", attempt=1, provider="smtp")]
    assert [event.kind for event in await world.events()][-1] == "sending"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Throttled("slow down", 5.0), "retrying"),
        (Unavailable("503"), "retrying"),
        (Misconfigured("401"), "retrying"),
        (Unavailable("no answer", unknown=True), "unknown"),
    ],
)
async def test_a_transient_failure_comes_back_as_the_next_attempt(
    world: World, answer: ProviderOutcome, kind: str
) -> None:
    """The event and the queue speak of the same moment; what may have taken effect says so."""
    world.answers["ntf_1"] = answer
    (outcome,) = await world.make(item())
    assert isinstance(outcome, RetryAt)
    excused = not isinstance(answer, Unavailable)
    assert outcome.item == item(attempt=2, base=int(excused))
    recorded = (await world.events())[-1]
    assert recorded.excused is excused
    assert (recorded.kind, recorded.attempt, recorded.due_at) == (kind, 1, outcome.at)
    asked_ms = 5_000 if isinstance(answer, Throttled) else 0
    assert T0 + asked_ms <= outcome.at <= T0 + asked_ms + 2_000


async def test_the_last_attempt_ends_in_the_dead_letters(world: World) -> None:
    """Three attempts in all, counted from the last replay; then the cause stands for itself."""
    world.answers["ntf_1"] = Unavailable("503")
    assert isinstance((await world.make(item(attempt=2)))[0], RetryAt)
    assert await world.make(item(attempt=3)) == [Dead("503", attempt=3, provider="smtp")]
    await world.store.record([event("replayed", gen=1, due_at=T0)])
    replayed = item(attempt=4, gen=1, base=3)
    assert isinstance((await world.make(replayed))[0], RetryAt)
    assert await world.make(msgspec.structs.replace(replayed, attempt=6)) == [Dead("503", attempt=6, provider="smtp")]


async def test_an_accounts_trouble_costs_no_message_its_life(world: World) -> None:
    """Wrong credentials for ever: the message is tried for ever, on record each time, and never a dead letter."""
    world.answers["ntf_1"] = Misconfigured("401")
    one: object = item()
    for _ in range(12):
        assert isinstance(one, EmailItem)
        (outcome,) = await world.make(one)
        assert isinstance(outcome, RetryAt)
        one = outcome.item
    delivery = fold(await world.events())["email"]
    assert (delivery.attempts, delivery.base, delivery.status) == (12, 12, "retrying")
    assert one == item(attempt=13, base=12), "what the store knows and what travels agree"


async def test_trouble_while_the_breaker_is_open_is_the_providers(world: World) -> None:
    """The last attempt fails together with everybody else's: it is excused, and stays on its way."""
    guard = Guard("smtp", MemoryCells(), world.clock, RULES)
    admission = Admission(5, guard)
    names = [f"ntf_{number}" for number in range(1, 6)]
    await world.accept(*names[1:])
    world.answers |= dict.fromkeys(names, Unavailable("503"))

    async def call(one: EmailItem, number: int) -> tuple[str, ProviderOutcome]:
        async def send() -> ProviderOutcome:
            return (await world.call(one, number))[1]

        return "smtp", await admission.call(send)

    outcomes = await world.attempts.make([(item(name, attempt=3), False) for name in names], call, admission)
    assert guard.is_open
    assert [type(outcome) for outcome in outcomes] == [RetryAt] * 5


async def test_what_the_guard_holds_back_begins_no_attempt(world: World) -> None:
    """The breaker opened between admission and now: back into its lane at once, with a step that says why."""
    guard = Guard("smtp", MemoryCells(), world.clock, RULES)

    async def refuse() -> ProviderOutcome:
        return Misconfigured("smtp 535")

    await guard.call(refuse)
    assert await world.attempts.make([(item(), False)], world.call, Admission(1, guard)) == [RetryAt(T0)]
    assert world.calls == []
    (step,) = await world.events()
    assert (step.kind, step.attempt, step.detail) == ("requeued", 0, "smtp 535")
    probe = Admission(1, guard, probe=True)
    assert await world.attempts.make([(item(), False)], world.call, probe) == [DONE]


async def test_a_call_that_was_held_at_the_last_moment_is_excused(world: World) -> None:
    """Begun on record, then not made: that costs the message nothing, and it waits in its lane."""
    world.answers["ntf_1"] = Held("smtp 535")
    assert await world.make(item(attempt=3)) == [RetryAt(T0, item(attempt=4, base=1))]
    assert await world.kinds() == ["sending 3", "retrying 3"]


async def test_a_retry_beyond_its_budget_waits(world: World) -> None:
    """Its lane knows when it comes back, and so does the store; a first attempt always goes."""
    guard = Guard("smtp", MemoryCells(), world.clock, RULES)
    while guard.may_try(Level.P0, again=True):
        pass
    (outcome,) = await world.attempts.make([(item(attempt=2), False)], world.call, Admission(1, guard))
    assert isinstance(outcome, RetryAt)
    assert T0 + 5_000 <= outcome.at <= T0 + 10_000
    (step,) = await world.events()
    assert (step.kind, step.attempt, step.due_at) == ("retrying", 1, outcome.at)
    assert await world.attempts.make([(item(), False)], world.call, Admission(1, guard)) == [DONE]
    world.clock.forward(11)
    assert guard.may_try(Level.P0, again=True), "the constant part lets a quiet installation go on"


async def test_a_bug_in_a_call_is_an_unknown_outcome(world: World) -> None:
    """Nobody knows what happened before it: it is tried again, visibly, and its neighbour is not concerned."""
    await world.accept("ntf_2")
    world.answers["ntf_1"] = ZeroDivisionError("a bug")
    outcomes = await world.make(item(), item("ntf_2"))
    assert [type(one) for one in outcomes] == [RetryAt, type(DONE)]
    recorded = (await world.events())[-1]
    assert (recorded.kind, recorded.detail) == ("unknown", "bug:ZeroDivisionError")


async def test_what_was_cancelled_or_erased_is_not_sent(world: World) -> None:
    """The store refuses to begin, and that is the end of it."""
    await world.accept("ntf_2")
    assert await world.store.cancel(Key(TENANT, "ntf_2"), T0) == "cancelled"
    assert await world.make(item("ntf_2"), item("never heard of")) == [DONE, DONE]
    assert world.calls == []


async def test_a_second_copy_is_not_sent(world: World) -> None:
    """In the same batch or in another: one waits for the lease, and drops out when the first has an outcome."""
    first, second = await world.make(item(), item())
    assert (first, second) == (DONE, RetryAt(T0 + 15_000, item()))
    assert await world.make(item()) == [DONE]
    assert world.calls == [("ntf_1", 1)]


async def test_a_rival_at_work_is_waited_for_and_then_taken_over_from(world: World) -> None:
    """Its attempt is somebody's until the lease is over; then its outcome is unknown, and the next one begins."""
    await world.store.begin([event("sending", attempt=1, token="rival")])
    world.clock.forward(LEASE_S - 1)
    assert await world.make(item()) == [RetryAt(T0 + 15_000, item())]
    assert world.calls == []
    world.clock.forward(1)
    assert await world.make(item()) == [DONE]
    assert world.calls == [("ntf_1", 2)]
    assert await world.kinds() == ["sending 1", "unknown 1", "sending 2", "sent 2"]


async def test_an_orphan_takes_over_at_once(world: World) -> None:
    """The queue gave it back because its worker is silent: there is nobody to wait for."""
    await world.store.begin([event("sending", attempt=1, token="dead")])
    assert await world.make(item(), orphaned=True) == [DONE]
    assert world.calls == [("ntf_1", 2)]
    assert "unknown 1" in await world.kinds()


async def test_an_orphan_of_a_failed_attempt_keeps_its_time(world: World) -> None:
    """Its worker recorded the failure and died before the retry was published."""
    await world.store.record([event("sending", attempt=1), event("retrying", attempt=1, due_at=T0 + 700)])
    assert await world.make(item(), orphaned=True) == [RetryAt(T0 + 700, item(attempt=2))]
    assert world.calls == []


async def test_a_store_that_refuses_for_ever_is_asked_later(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rival that is always faster: after a few rounds the item waits, and nothing is sent unrecorded."""
    store = world.store

    async def begin(attempts: Sequence[Event]) -> Sequence[Begun]:
        for one in attempts:
            await store.record([msgspec.structs.replace(one, token="faster"), event("unknown", attempt=one.attempt)])
        histories = await store.histories([one.key for one in attempts])
        return [Begun(False, history) for history in histories]

    monkeypatch.setattr(store, "begin", begin)
    assert await world.make(item(), orphaned=True) == [RetryAt(T0 + 15_000)]
    assert world.calls == []


async def test_an_answer_is_kept_until_the_store_takes_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The provider said yes: it is never asked again because our store was away (G3)."""
    record, left = world.store.record, 7

    async def away(events: Sequence[Event], check_at: object = None) -> None:
        nonlocal left
        if left:
            left -= 1
            raise StoreUnavailable("away")
        await record(events)

    monkeypatch.setattr(world.store, "record", away)
    assert await world.make(item()) == [DONE]
    assert world.calls == [("ntf_1", 1)]
    assert await world.kinds() == ["sending 1", "sent 1"]
    assert world.pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0]


async def test_a_store_that_is_away_before_the_call_is_an_error(world: World) -> None:
    """Without a record there is no call."""
    await world.store.close_store()
    with pytest.raises(StoreUnavailable):
        await world.make(item())
    assert world.calls == []


async def test_outcomes_stand_in_the_order_of_the_items(world: World) -> None:
    """Ended, waiting, retried and dead, each in its place; the calls go side by side."""
    await world.accept("ntf_2", "ntf_3", "ntf_4")
    await world.store.begin([event("sending", notification_id="ntf_2", attempt=1, token="rival")])
    world.answers |= {"ntf_3": Unavailable("503"), "ntf_4": Rejected("bad")}
    waiting = asyncio.Barrier(3)

    async def call(one: EmailItem, number: int) -> tuple[str, ProviderOutcome]:
        await waiting.wait()
        return await world.call(one, number)

    items = [item("ntf_1"), item("ntf_2"), item("ntf_3"), item("ntf_4")]
    outcomes = await world.attempts.make([(one, False) for one in items], call)
    assert [type(one) for one in outcomes] == [type(DONE), RetryAt, RetryAt, Dead]
    assert await world.attempts.make([], world.call) == []
