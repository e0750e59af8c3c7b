"""Nothing accepted is lost (G1), as a rule: lanes that lose things, workers that die, and one reconciler."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from heliograph.core.lifecycle import IN_APP, ROUTING, Event, History, fold
from heliograph.core.model import Level, Type
from heliograph.core.reconciling import (
    GRACE_MS,
    LONG_DELAY_MS,
    RECHECK_MS,
    SLACK_MS,
    Close,
    Escalate,
    Requeue,
    Reroute,
    Verdict,
    examine,
    in_lane,
    owed,
)
from tests.unit.given import T0, event, notification

UNSEEN_MS = 30_000
LANES = ("ingest", "email", "outbox")
NEXT = {"ingest": "email", "email": "outbox"}


class Message:
    """One item in a lane. `at` = its timestamp on the queue's server; in the future = held until then."""

    def __init__(self, owner: str, lane: str, at: int) -> None:
        self.owner = owner
        self.lane = lane
        self.at = at
        self.in_hand = False


class Lanes(RuleBasedStateMachine):
    """Notifications on the e-mail path: ingest lane, e-mail lane, outbox with its retries, a provider."""

    @initialize()
    def start(self) -> None:
        self.now = T0
        self.messages: list[Message] = []
        self.histories: dict[str, History] = {}
        self.check_at: dict[str, int] = {}
        self.unmasked: dict[str, int] = {}
        """Since when nothing in its lane could be taken for a lost item."""
        self.wiped_at = 0

    # --- the system ---------------------------------------------------------------------------------------------------

    @rule(kind=st.sampled_from(["transactional", "marketing"]), lost=st.booleans(), late_ms=st.integers(0, SLACK_MS))
    def accept(self, kind: Type, lost: bool, late_ms: int) -> None:
        name = f"ntf_{len(self.histories)}"
        self.histories[name] = History(notification(id=name, type=kind, created_at=self.now))
        self.check_at[name] = self.now + GRACE_MS
        self.publish(name, "ingest", lost, late_ms)

    @precondition(lambda self: any(m.lane in NEXT for m in self.heads))
    @rule(data=st.data(), lost=st.booleans(), late_ms=st.integers(0, SLACK_MS))
    def hand_on(self, data: st.DataObject, lost: bool, late_ms: int) -> None:
        """The router or the e-mail worker does the first item of its lane; what it publishes may get lost."""
        message = data.draw(st.sampled_from([m for m in self.heads if m.lane in NEXT]))
        name = message.owner
        if message.lane == "ingest":
            self.record(name, event("routed", plan=("email",), at=self.now))
            self.check_at[name] = self.now + RECHECK_MS
            self.publish(name, "email", lost, late_ms)
        else:
            # The e-mail worker waits for a queue that is away, and only then settles: nothing is lost here.
            self.publish(name, "outbox", False, late_ms)
            if self.now + late_ms - self.histories[name].notification.created_at > SLACK_MS:
                attempts = fold(self.histories[name].events)["email"].attempts
                moved = event("rendered", attempt=attempts, at=self.now + late_ms, unique=str(self.now))
                self.record(name, moved)
        self.messages.remove(message)

    @precondition(lambda self: any(m.lane == "outbox" for m in self.heads))
    @rule(data=st.data())
    def take(self, data: st.DataObject) -> None:
        message = data.draw(st.sampled_from([m for m in self.heads if m.lane == "outbox"]))
        delivery = fold(self.histories[message.owner].events)["email"]
        if delivery.settled:
            self.messages.remove(message)
            return
        if delivery.status == "sending":
            self.record(message.owner, event("unknown", attempt=delivery.attempts, at=self.now))
        self.record(message.owner, event("sending", attempt=delivery.attempts + 1, at=self.now))
        message.in_hand = True

    @precondition(lambda self: any(m.in_hand for m in self.messages))
    @rule(data=st.data(), delay_ms=st.sampled_from([None, 0, 1_000, 20_000, LONG_DELAY_MS, LONG_DELAY_MS + 1, 600_000]))
    def conclude(self, data: st.DataObject, delay_ms: int | None) -> None:
        message = data.draw(st.sampled_from([m for m in self.messages if m.in_hand]))
        attempt = fold(self.histories[message.owner].events)["email"].attempts
        self.messages.remove(message)
        if delay_ms is None:
            self.record(message.owner, event("sent", attempt=attempt, at=self.now))
            return
        due = self.now + delay_ms
        self.record(message.owner, event("retrying", attempt=attempt, at=self.now, due_at=due))
        if delay_ms <= LONG_DELAY_MS:
            self.messages.append(Message(message.owner, "outbox", due))

    @precondition(lambda self: any(m.in_hand for m in self.messages))
    @rule(data=st.data())
    def die(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from([m for m in self.messages if m.in_hand])).in_hand = False

    @rule()
    def wipe(self) -> None:
        """The queue loses everything, what is in workers' hands included; the reconciler looks at all at once."""
        self.now += 1
        self.messages.clear()
        self.wiped_at = self.now
        self.check_at = dict.fromkeys(self.check_at, self.now)

    @rule(ms=st.sampled_from([1, 500, 5_000, GRACE_MS, RECHECK_MS]))
    def wait(self, ms: int) -> None:
        until = self.now + ms
        while True:
            self.look()
            due = min([at for name, at in self.check_at.items() if self.open(name)], default=until)
            if due > until:
                break
            self.now = max(self.now + 1, due)
            if self.now > until:
                break
        self.now = max(self.now, until)

    # --- its parts ----------------------------------------------------------------------------------------------------

    def publish(self, name: str, lane: str, lost: bool, late_ms: int) -> None:
        if not lost:
            self.messages.append(Message(name, lane, self.now + late_ms))
        self.now += late_ms

    def record(self, name: str, *events: Event) -> None:
        known = self.histories[name]
        self.histories[name] = History(known.notification, (*known.events, *events))

    def open(self, name: str) -> bool:
        return bool(owed(self.histories[name]))

    def level(self, name: str) -> Level:
        return self.histories[name].notification.level

    @property
    def heads(self) -> list[Message]:
        """The oldest message of every lane and level that nobody has in hand."""
        first: dict[tuple[str, Level], Message] = {}
        for message in sorted(self.messages, key=lambda m: m.at):
            if message.at <= self.now and not message.in_hand:
                first.setdefault((message.lane, self.level(message.owner)), message)
        return list(first.values())

    @property
    def backlog(self) -> dict[tuple[str, Level], int]:
        found: dict[tuple[str, Level], int] = {}
        for message in self.messages:
            place = message.lane, self.level(message.owner)
            if message.at <= self.now:
                found[place] = min(message.at, found.get(place, message.at))
        return found

    def look(self) -> None:
        """One round of the reconciler."""
        backlog = self.backlog
        for name, at in self.check_at.items():
            if at > self.now or not self.open(name):
                continue
            verdict = examine(self.histories[name], backlog, self.now, UNSEEN_MS)
            assert self.now < verdict.check_at <= self.now + RECHECK_MS, "it is looked at again, and soon"
            self.check_at[name] = verdict.check_at
            for step in verdict.steps:
                assert isinstance(step, Requeue | Reroute)
                assert all(m.owner != name for m in self.messages), "it is in its lane, and would go out twice"
                self.apply(name, step)

    def apply(self, name: str, step: Requeue | Reroute) -> None:
        delivery = step.delivery
        if delivery.status == "sending":
            self.record(name, event("unknown", delivery.target, attempt=delivery.attempts, at=self.now))
        unique = str(self.now)
        again = event("requeued", delivery.target, attempt=delivery.attempts, at=self.now, unique=unique)
        self.record(name, again)
        self.messages.append(Message(name, "ingest" if isinstance(step, Reroute) else "email", self.now))

    @invariant()
    def the_lost_are_found(self) -> None:
        """No later than the next look after its lane has moved past it; after a wipe, within two graces."""
        self.look()
        for name in self.histories:
            delivery = next(iter(owed(self.histories[name])), None)
            if delivery is None or any(m.owner == name for m in self.messages):
                self.unmasked.pop(name, None)
                continue
            since = max(delivery.moved_at, delivery.due_at or 0)
            lanes = ("ingest",) if delivery.target == ROUTING else ("email", "outbox")
            if since > self.now or any(in_lane(lane, self.level(name), since, self.backlog) for lane in lanes):
                self.unmasked.pop(name, None)
                continue
            lost_for = self.now - self.unmasked.setdefault(name, self.now)
            bound = RECHECK_MS if delivery.moved_at > self.wiped_at else GRACE_MS
            assert lost_for <= bound + GRACE_MS, f"{name} is lost for {lost_for} ms: {delivery}"


TestLanes = pytest.mark.timeout(120)(Lanes.TestCase)
TestLanes.settings = settings(max_examples=40, stateful_step_count=40, deadline=None, database=None)


def history(*events: Event, **fields: object) -> History:
    return History(notification(), events, **fields)  # type: ignore[arg-type]


def looked_at(known: History, at: int, **oldest: int) -> Verdict:
    return examine(known, {(lane, Level.P0): when for lane, when in oldest.items()}, at, UNSEEN_MS)


ROUTED = event("routed", plan=("email",))


def test_an_accepted_one_that_was_never_routed_is_routed_again() -> None:
    """Accepted, published, lost: its way begins anew as soon as the grace is over."""
    assert looked_at(history(), T0 + GRACE_MS - 1) == Verdict((), T0 + GRACE_MS)
    (step,) = looked_at(history(), T0 + GRACE_MS).steps
    assert isinstance(step, Reroute)
    assert looked_at(history(), T0 + GRACE_MS, ingest=T0).steps == ()


def test_what_waits_its_turn_is_left_alone() -> None:
    """A lane is first in, first out: an older message before it means that it may still be there."""
    later = T0 + 10 * GRACE_MS
    assert looked_at(history(ROUTED), later, email=T0 - 1) == Verdict((), later + RECHECK_MS)
    assert looked_at(history(ROUTED), later, outbox=T0 - 1).steps == ()
    (step,) = looked_at(history(ROUTED), later, email=T0 + SLACK_MS + 1, outbox=T0 + SLACK_MS + 1).steps
    assert isinstance(step, Requeue)


def test_a_doubt_about_the_clocks_costs_a_grace_and_no_more() -> None:
    """A message that seems a little younger may be it, or what came just after it: look again soon."""
    later = T0 + 10 * GRACE_MS
    assert looked_at(history(ROUTED), later, email=T0 + SLACK_MS) == Verdict((), later + GRACE_MS)


@pytest.mark.parametrize("plan", [("email", IN_APP), (IN_APP, "email")])
def test_of_several_deliveries_the_first_to_come_due_decides(plan: tuple[str, ...]) -> None:
    """One notification is looked at as often as its most impatient delivery needs."""
    both = history(event("routed", plan=plan))
    assert looked_at(both, T0 + 1_000, email=T0 - 1) == Verdict((), T0 + UNSEEN_MS)
    assert looked_at(both, T0 + 1_000) == Verdict((), T0 + GRACE_MS)


def test_levels_do_not_hide_each_other() -> None:
    """A full P2 lane says nothing of a lost P0."""
    crowded = {("email", Level.P2): T0 - 5, ("email", Level.P1): T0 - 5}
    (step,) = examine(history(ROUTED), crowded, T0 + GRACE_MS, UNSEEN_MS).steps
    assert isinstance(step, Requeue)


def test_a_long_delay_is_published_when_it_is_due() -> None:
    """Delays over a minute live in the store alone: at their time they are handed over without a grace."""
    due = T0 + LONG_DELAY_MS + 1
    waiting = history(ROUTED, event("sending", attempt=1), event("retrying", attempt=1, due_at=due))
    assert looked_at(waiting, due - 1) == Verdict((), due)
    (step,) = looked_at(waiting, due, outbox=T0).steps
    assert isinstance(step, Requeue)
    assert step.delivery.attempts == 1


def test_a_short_delay_is_the_queues_and_gets_its_grace() -> None:
    """The queue's own schedule publishes it; only a lost one is handed over again."""
    due = T0 + 5_000
    waiting = history(ROUTED, event("sending", attempt=1), event("retrying", attempt=1, due_at=due))
    assert looked_at(waiting, due) == Verdict((), due + GRACE_MS)
    (step,) = looked_at(waiting, due + GRACE_MS).steps
    assert isinstance(step, Requeue)


def test_a_retry_the_queue_lost_is_not_taken_for_one_of_those_that_wait_since() -> None:
    """Its time came after the wipe, and others stand in the lane by then: it gets its grace, not a minute."""
    due, emptied_at = T0 + 5_000, T0 + 2_000
    waiting = history(ROUTED, event("sending", attempt=1), event("retrying", attempt=1, due_at=due))
    since = {("outbox", Level.P0): emptied_at + 100}
    assert examine(waiting, since, due, UNSEEN_MS, emptied_at) == Verdict((), due + GRACE_MS)
    (step,) = examine(waiting, since, due + GRACE_MS, UNSEEN_MS, emptied_at).steps
    assert isinstance(step, Requeue)
    assert examine(waiting, since, due + GRACE_MS, UNSEEN_MS, T0).steps == (), "handed over after an earlier wipe"


def test_a_paced_replay_is_published_when_it_is_due() -> None:
    """A replay at a rate gives each its own time, however near."""
    dead = (ROUTED, event("failed", attempt=1), event("replayed", gen=1, at=T0 + 1, due_at=T0 + 700))
    assert looked_at(history(*dead), T0 + 699) == Verdict((), T0 + 700)
    (step,) = looked_at(history(*dead), T0 + 700).steps
    assert isinstance(step, Requeue)
    assert (step.delivery.gen, step.delivery.base) == (1, 1)


def test_an_unseen_frame_escalates_and_an_item_in_the_inbox_does_not() -> None:
    """G7: presence is a hint; who doesn't acknowledge in time gets the e-mail."""
    shown = (event("routed", plan=(IN_APP,)), event("sent", IN_APP, attempt=1, at=T0 + 40))
    assert looked_at(history(*shown), T0 + 1_000) == Verdict((), T0 + 40 + UNSEEN_MS)
    assert looked_at(history(*shown), T0 + 40 + UNSEEN_MS).steps == (Escalate(),)
    seen = event("delivered", IN_APP, attempt=1, at=T0 + 50)
    assert looked_at(history(*shown, seen), T0 + UNSEEN_MS * 2).steps == (Close(),)


@pytest.mark.parametrize(
    "known", [history(ROUTED, cancelled=True), history(ROUTED, event("sent", attempt=1)), history(cancelled=True)]
)
def test_what_is_over_is_closed(known: History) -> None:
    """Nothing owed, or cancelled: it is looked at no more."""
    assert looked_at(known, T0 + GRACE_MS).steps == (Close(),)
