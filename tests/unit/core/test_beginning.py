"""Two copies of one item, workers that die at any moment: what `after_refusal` makes of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from heliograph.core.beginning import Begin, Drop, Wait, after_refusal
from heliograph.core.lifecycle import Event, fold
from tests.unit.given import T0, event

LEASE_MS = 15_000
MAX_ATTEMPTS = 6


class Copy:
    """One item in the queue, or in a worker's hands."""

    def __init__(self, attempt: int, due: int, orphaned: bool = False) -> None:
        self.attempt = attempt
        self.due = due
        self.orphaned = orphaned


class Worker:
    """Pulled a copy; then begins, calls, records and acknowledges, one step at a time."""

    def __init__(self, copy: Copy) -> None:
        self.copy = copy
        self.began = 0
        self.answer = ""
        self.next: Copy | None = None
        self.done = False


class Rivals(RuleBasedStateMachine):
    """A store that refuses a second `sending` of the same attempt, a queue that redelivers, a provider that counts."""

    @initialize(copies=st.integers(1, 2))
    def start(self, copies: int) -> None:
        self.now = T0
        self.events: list[Event] = [event("routed", plan=("email",))]
        self.queue = [Copy(1, T0) for _ in range(copies)]
        self.workers: list[Worker] = []
        self.taken: list[int] = []
        """Attempts that the provider said yes to."""

    def record(self, kind: str, attempt: int, **fields: Any) -> bool:
        new = event(kind, attempt=attempt, at=self.now, **fields)
        if any(one.id == new.id for one in self.events):
            return False
        self.events.append(new)
        return True

    def recorded(self, attempt: int, *kinds: str) -> bool:
        return any(one.attempt == attempt and one.kind in kinds for one in self.events)

    @property
    def pullable(self) -> list[Copy]:
        return [copy for copy in self.queue if copy.due <= self.now]

    @precondition(lambda self: self.pullable)
    @rule(data=st.data())
    def pull(self, data: st.DataObject) -> None:
        copy = data.draw(st.sampled_from(self.pullable))
        self.queue.remove(copy)
        self.workers.append(Worker(copy))

    @precondition(lambda self: any(not w.began and not w.done for w in self.workers))
    @rule(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        worker = data.draw(st.sampled_from([w for w in self.workers if not w.began and not w.done]))
        number = worker.copy.attempt
        for _ in range(3):
            if self.record("sending", number):
                worker.began = number
                return
            match after_refusal(self.events, "email", number, 0, self.now, LEASE_MS, worker.copy.orphaned):
                case Begin(attempt, unknown):
                    if unknown is not None:
                        self.record("unknown", unknown)
                    number = attempt
                case Wait(until, attempt):
                    assert until > self.now, "a wait that is over would spin"
                    worker.next, worker.done = Copy(attempt, until), True
                    return
                case Drop():
                    worker.done = True
                    return
        raise AssertionError("three rounds must do when nobody interferes")

    @precondition(lambda self: any(w.began and not w.answer for w in self.workers))
    @rule(data=st.data(), answer=st.sampled_from(["yes", "no", "yes, unheard"]))
    def call(self, data: st.DataObject, answer: str) -> None:
        worker = data.draw(st.sampled_from([w for w in self.workers if w.began and not w.answer]))
        worker.answer = answer
        if answer.startswith("yes"):
            self.taken.append(worker.began)

    @precondition(lambda self: any(w.answer and not w.done for w in self.workers))
    @rule(data=st.data(), delay_ms=st.integers(0, 20_000))
    def conclude(self, data: st.DataObject, delay_ms: int) -> None:
        worker = data.draw(st.sampled_from([w for w in self.workers if w.answer and not w.done]))
        worker.done = True
        if worker.answer == "yes":
            self.record("sent", worker.began)
        elif worker.began >= MAX_ATTEMPTS:
            self.record("failed", worker.began)
        else:
            kind = "retrying" if worker.answer == "no" else "unknown"
            self.record(kind, worker.began, due_at=self.now + delay_ms)
            worker.next = Copy(worker.began + 1, self.now + delay_ms)

    @precondition(lambda self: any(w.done for w in self.workers))
    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        worker = data.draw(st.sampled_from([w for w in self.workers if w.done]))
        self.workers.remove(worker)
        if worker.next:
            self.queue.append(worker.next)

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def die(self, data: st.DataObject) -> None:
        """At any step: before it began, in the call, after it recorded, before it acknowledged."""
        worker = data.draw(st.sampled_from(self.workers))
        self.workers.remove(worker)
        self.queue.append(Copy(worker.copy.attempt, self.now, orphaned=True))

    @rule(ms=st.sampled_from([1, 1_000, LEASE_MS, 60_000]))
    def wait(self, ms: int) -> None:
        self.now += ms

    @invariant()
    def every_attempt_has_one_owner(self) -> None:
        begun = [w.began for w in self.workers if w.began]
        assert len(begun) == len(set(begun))
        sending = [one.attempt for one in self.events if one.kind == "sending"]
        assert sending == list(range(1, len(sending) + 1)), "attempts are numbered without a gap, each begun once"

    @invariant()
    def a_second_send_is_marked(self) -> None:
        """Whatever the provider took before the last of its yeses is `unknown` in the timeline, never silent."""
        for attempt in sorted(self.taken)[:-1]:
            assert self.recorded(attempt, "unknown"), f"attempt {attempt} was sent, and then another one"

    @invariant()
    def nothing_is_dropped_unsettled(self) -> None:
        """The last copy may only be given up when nobody owes the delivery anything any more."""
        if not self.queue and not self.workers:
            assert fold(self.events)["email"].settled

    def teardown(self) -> None:
        """Left alone, with a provider that says yes, it comes to an end."""
        for _ in range(50):
            while any(not w.began and not w.done for w in self.workers):
                self.begin(_First())
            for worker in self.workers:
                if worker.began and not worker.answer:
                    worker.answer = "yes"
            while any(w.answer and not w.done for w in self.workers):
                self.conclude(_First(), 0)
            while self.workers:
                self.acknowledge(_First())
            if not self.queue:
                break
            self.now = max(self.now, min(copy.due for copy in self.queue))
            while self.pullable:
                self.pull(_First())
        assert fold(self.events)["email"].settled


class _First:
    """Stands in for hypothesis where nothing is left to chance."""

    def draw(self, choices: object) -> object:
        return choices.elements[0]  # type: ignore[attr-defined]


TestRivals = pytest.mark.timeout(120)(Rivals.TestCase)
TestRivals.settings = settings(max_examples=60, stateful_step_count=40, deadline=None, database=None)


def refused(*events: Event, attempt: int = 1, gen: int = 0, at: int = T0, orphaned: bool = False) -> object:
    return after_refusal(events, "email", attempt, gen, at, LEASE_MS, orphaned)


def test_a_copy_of_what_is_settled_or_replayed_is_dropped() -> None:
    """A late copy may do nothing: its delivery has an outcome, or a newer generation."""
    sent = (event("sending", attempt=1), event("sent", attempt=1))
    assert isinstance(refused(*sent), Drop)
    assert isinstance(refused(*sent, orphaned=True), Drop)
    replayed = (*sent, event("replayed", gen=1, at=T0 + 1))
    assert isinstance(refused(*replayed, orphaned=True), Drop)
    assert isinstance(refused(), Drop)


def test_a_rival_waits_for_the_lease_and_then_takes_over_visibly() -> None:
    """Another copy's attempt belongs to its worker for the lease; after it, its outcome counts as unknown."""
    begun = event("sending", attempt=1)
    assert refused(begun, at=T0 + 1) == Wait(T0 + LEASE_MS, 1)
    assert refused(begun, at=T0 + LEASE_MS) == Begin(2, unknown=1)
    assert refused(begun, at=T0 + 1, orphaned=True) == Begin(2, unknown=1)


def test_a_copy_of_an_attempt_with_a_recorded_failure_waits_for_its_time_only_if_orphaned() -> None:
    """The next attempt travels as an item of its own, unless its worker died before it published it."""
    failed = (event("sending", attempt=1), event("retrying", attempt=1, due_at=T0 + 900))
    assert isinstance(refused(*failed), Drop)
    assert refused(*failed, orphaned=True) == Wait(T0 + 900, 2)
    assert refused(*failed, orphaned=True, at=T0 + 900) == Begin(2)
