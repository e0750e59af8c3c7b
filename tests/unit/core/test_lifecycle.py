"""What the events of a notification amount to: the fold, the statuses, and how much is still owed."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.core.lifecycle import (
    IN_APP,
    INBOX,
    ROUTING,
    Delivery,
    Event,
    History,
    Status,
    best_of,
    deliveries_of,
    fold,
    status_of,
    timeline_order,
)
from heliograph.core.reconciling import owed
from tests.unit.given import T0, event, notification

SETTINGS = settings(max_examples=70, deadline=None, database=None)
RANK: dict[Status, int] = {
    "queued": 1, "sending": 2, "retrying": 2, "sent": 4, "cancelled": 5, "expired": 5, "suppressed": 5, "failed": 6,
    "delivered": 7,
}  # fmt: skip
STEPS = ("sending", "retrying", "unknown", "requeued", "rendered")
ENDS = ("sent", "delivered", "failed", "suppressed", "expired")
REMARKS = ("deferred", "opened", "clicked")
COIN: st.SearchStrategy[bool] = st.booleans()
TARGETS = ("in_app", "push:dev_1", "email")


def only(*events: Event) -> Delivery:
    """The one delivery of these events."""
    (found,) = fold(events).values()
    return found


@st.composite
def steps_of(draw: st.DrawFn, target: str, gen: int) -> list[Event]:
    """Events of one generation of a delivery; attempts go on counting from generation to generation."""
    first = 3 * gen + 1
    return draw(st.lists(st.builds(
        event,
        st.sampled_from(STEPS + ENDS + REMARKS),
        st.just(target),
        at=st.integers(T0, T0 + 5_000),
        gen=st.just(gen),
        attempt=st.integers(first, first + 2),
        provider=st.sampled_from([None, "smtp", "sendgrid"]),
        due_at=st.sampled_from([None, T0 + 9_000]),
        unique=st.sampled_from(["", "a", "b"]),
    ), max_size=6))  # fmt: skip


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """Events as the boxes write them: planned first, replayed only when settled, each recorded once."""
    plan: tuple[str, ...] = tuple(draw(st.lists(st.sampled_from(TARGETS), unique=True)))
    events = [event("routed", plan=plan, at=T0 + draw(st.integers(0, 3_000)))]
    if not plan:
        events.append(event("failed", ROUTING))
    added = tuple(target for target in TARGETS if target not in plan)
    if draw(COIN) and plan and added:
        events.append(event("escalated", plan=added, at=T0 + 4_000))
        plan += added
    for target in plan:
        events += draw(steps_of(target, 0))
        if any(one.settles == f"{target}.0" for one in events) and draw(COIN):
            replayed = event("replayed", target, gen=1, at=T0 + draw(st.integers(0, 6_000)))
            events += [replayed, *draw(steps_of(target, 1))]
    return list({one.id: one for one in events}.values())


@SETTINGS
@given(histories(), st.randoms(use_true_random=False))
def test_order_and_repeats_of_events_do_not_matter(events: list[Event], random: object) -> None:
    """Late, doubled or shuffled webhooks and writes fold to the same deliveries, in the same order."""
    shuffled = [*events, *events[: len(events) // 2]]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert list(fold(shuffled).items()) == list(fold(events).items())


@SETTINGS
@given(histories(), st.data())
def test_one_event_more_never_moves_a_status_back(events: list[Event], data: st.DataObject) -> None:
    """Within a generation the rank of a status only grows, whatever arrives and however late."""
    added = data.draw(st.sampled_from(events))
    before = fold([one for one in events if one.id != added.id])
    after = fold(events)
    for target, delivery in before.items():
        if target in after and after[target].gen == delivery.gen:
            assert RANK[after[target].status] >= RANK[delivery.status]
            assert after[target].attempts >= delivery.attempts
            assert after[target].settled >= delivery.settled


@SETTINGS
@given(histories())
def test_the_count_of_owed_deliveries_is_what_the_fold_says(events: list[Event]) -> None:
    """`open` as every store keeps it (opens, less the first of each `settles`) equals the unsettled deliveries."""
    counted = 1 + sum(one.opens for one in events) - len({one.settles for one in events} - {None})
    assert counted == len(owed(History(notification(), tuple(events))))


@SETTINGS
@given(histories())
def test_a_delivery_is_settled_by_its_last_generation_alone(events: list[Event]) -> None:
    """A replayed delivery is owed again until something of the new generation settles it."""
    for target, delivery in fold(events).items():
        closing = f"{target}.{delivery.gen}"
        assert delivery.settled == any(one.settles == closing for one in events)
        assert delivery.gen == max((e.gen for e in events if e.target == target and e.kind == "replayed"), default=0)


def test_a_second_too_early_on_the_providers_clock_is_no_loss() -> None:
    """Webhooks count whole seconds: one that seems older than the replay it belongs to still counts for it."""
    story = [
        event("routed", plan=("email",)),
        event("failed", attempt=1, at=T0 + 100),
        event("replayed", gen=1, at=T0 + 10_500),
        event("sent", attempt=2, gen=1, at=T0 + 10_700),
        event("delivered", attempt=2, gen=1, at=T0 + 10_000, unique="sg-1"),
    ]
    assert only(*story).status == "delivered"


def test_an_old_generations_news_does_not_settle_the_new_one() -> None:
    """A replay is owed its own outcome, even if the first try turns out to have arrived."""
    story = [
        event("failed", attempt=1, at=T0 + 1),
        event("replayed", gen=1, at=T0 + 2),
        event("delivered", attempt=1, at=T0 + 3, unique="late"),
    ]
    assert (only(*story).status, only(*story).settled, only(*story).base) == ("queued", False, 1)


@pytest.mark.parametrize(
    ("kinds", "status"),
    [
        (["delivered", "failed"], "delivered"),
        (["sent", "failed"], "failed"),
        (["failed", "sent"], "failed"),
        (["sent", "expired"], "expired"),
        (["sent", "sending"], "sent"),
        (["sending", "retrying"], "retrying"),
        (["sending", "unknown"], "retrying"),
        (["sending"], "sending"),
        (["requeued"], "queued"),
        (["rendered"], "queued"),
        (["sent", "opened", "clicked", "complained", "unsubscribed"], "sent"),
        (["deferred"], "queued"),
    ],
)
def test_the_highest_rank_stands(kinds: list[str], status: Status) -> None:
    """A bounce after "sent" is a failure; nothing takes "delivered" back; engagement is no status."""
    steps = [event(kind, attempt=1, at=T0 + n, unique=str(n)) for n, kind in enumerate(kinds)]
    assert only(*steps).status == status


def test_a_rivals_late_progress_does_not_hide_the_newer_attempt() -> None:
    """Progress belongs to its attempt: attempt 1's retry, written late, leaves attempt 2 under way."""
    story = [
        event("sending", attempt=1),
        event("sending", attempt=2, at=T0 + 5),
        event("retrying", attempt=1, at=T0 + 9, due_at=T0 + 99),
    ]
    assert (only(*story).status, only(*story).attempts, only(*story).due_at) == ("sending", 2, None)


def test_a_retry_keeps_its_time_until_something_hands_it_over() -> None:
    """`due_at` stands while a retry waits; being handed to a lane or beginning ends it."""
    waiting = [event("sending", attempt=1), event("retrying", attempt=1, at=T0 + 1, due_at=T0 + 500, detail="busy")]
    assert (only(*waiting).due_at, only(*waiting).reason) == (T0 + 500, "busy")
    for kind, attempt in (("requeued", 1), ("rendered", 1), ("sending", 2)):
        moved = only(*waiting, event(kind, attempt=attempt, at=T0 + 600))
        assert (moved.due_at, moved.moved_at) == (None, T0 + 600)


def test_moved_is_when_it_was_planned_or_last_handed_over() -> None:
    """The reconciler compares `moved_at` with the lane's oldest message; a remark of a provider is no move."""
    assert only(event("routed", plan=("email",), at=T0 + 7)).moved_at == T0 + 7
    early = [event("deferred", at=T0), event("routed", plan=("email",), at=T0 + 7)]
    assert only(*early).moved_at == T0 + 7


def test_an_open_page_owes_an_acknowledgement_and_an_inbox_does_not() -> None:
    """A frame on its way isn't settled; an item that waits in the inbox is."""
    assert not only(event("sent", IN_APP, attempt=1)).settled
    assert only(event("sent", IN_APP, attempt=1), event("sending", IN_APP, attempt=2)).status == "sent"
    assert only(event("sent", IN_APP, provider=INBOX)).settled
    assert only(event("sent", IN_APP, attempt=1), event("delivered", IN_APP, attempt=1)).settled
    assert only(event("sent", attempt=1)).settled


def test_routing_that_found_no_way_stays_owed_until_its_failure_is_on_record() -> None:
    """A router that dies between the two writes leaves something for the reconciler to find (G2)."""
    nowhere = event("routed", at=T0)
    found = owed(History(notification(), (nowhere,)))
    assert [delivery.target for delivery in found] == [ROUTING]
    assert nowhere.opens == 0
    assert owed(History(notification(), (nowhere, event("failed", ROUTING, at=T0 + 1)))) == []


def test_a_replayed_routing_is_owed_until_it_finds_a_way() -> None:
    """Replaying a "no route" routes again; the deliveries it then plans take its place."""
    dead = [event("routed"), event("failed", ROUTING, detail="no_route"), event("replayed", ROUTING, gen=1, at=T0 + 9)]
    assert [(d.target, d.gen) for d in owed(History(notification(), tuple(dead)))] == [(ROUTING, 1)]
    routed = event("routed", gen=1, at=T0 + 10, plan=("email",))
    assert list(fold([*dead, routed])) == ["email"]
    again = event("routed", gen=1, at=T0 + 10)
    assert [d.target for d in owed(History(notification(), (*dead, again)))] == [ROUTING]


@pytest.mark.parametrize(
    ("statuses", "status"),
    [
        ([], "accepted"),
        (["queued"], "queued"),
        (["failed", "delivered"], "delivered"),
        (["sent", "delivered", "failed"], "delivered"),
        (["sending", "failed"], "sending"),
        (["retrying", "expired"], "retrying"),
        (["expired", "failed", "suppressed"], "failed"),
        (["suppressed", "expired"], "expired"),
        (["suppressed"], "suppressed"),
    ],
)
def test_a_notification_shows_its_best_news(statuses: list[Status], status: Status) -> None:
    """The best of its deliveries; while none arrived, what is under way; else the worst end."""
    assert best_of(set(statuses)) == status


def test_cancelling_shows_on_what_had_not_left() -> None:
    """A cancelled notification and its unsettled deliveries are cancelled; what was settled before stays as it is."""
    events = (event("routed", plan=("in_app", "email")), event("sent", "email", at=T0 + 1))
    cancelled = History(notification(), events, cancelled=True)
    assert status_of(cancelled) == "cancelled"
    assert {d.target: d.status for d in deliveries_of(cancelled).values()} == {"in_app": "cancelled", "email": "sent"}


def test_the_id_of_an_event_tells_what_is_recorded_once() -> None:
    """Same target, kind, generation and attempt = the same event, unless a `unique` tells them apart."""
    first = event("sending", attempt=1, token="a")
    assert first.id == event("sending", attempt=1, token="b", at=T0 + 5).id
    others = [
        event("sending", attempt=2), event("sending", attempt=1, gen=1), event("sending", "push:d", attempt=1),
        event("retrying", attempt=1), event("sending", attempt=1, unique="x"),
    ]  # fmt: skip
    assert len({first.id, *(one.id for one in others)}) == 6


def test_a_timeline_is_in_order_of_time_and_cause() -> None:
    """What has the same millisecond stands in the order in which it must have happened."""
    story = [
        event("routed", plan=("email",)), event("sending", attempt=1), event("retrying", attempt=1),
        event("sending", attempt=2), event("sent", attempt=2),
    ]  # fmt: skip
    assert timeline_order(story[::-1]) == story


def test_deliveries_name_their_channel() -> None:
    """A push target carries its device; the channel is what stands before the colon."""
    assert Delivery(target="push:dev_1").channel == "push"
    assert Delivery(target="email").channel == "email"
    assert msgspec.json.decode(msgspec.json.encode(event("sent")), type=Event) == event("sent")


def test_excused_attempts_do_not_count() -> None:
    """`base` grows by one for each, however often and in whatever order its events are told; a replay starts anew."""
    told = [
        event("routed", plan=("email",)),
        event("sending", attempt=1),
        event("retrying", attempt=1, excused=True),
        event("sending", attempt=2),
        event("unknown", attempt=2, excused=True),
        event("retrying", attempt=2, excused=True, unique="later"),
        event("sending", attempt=3),
        event("retrying", attempt=3),
    ]
    for events in (told, told[::-1], told * 2):
        delivery = fold(events)["email"]
        assert (delivery.attempts, delivery.base) == (3, 2)
    replayed = fold([*told, event("replayed", gen=1), event("retrying", gen=1, attempt=4, excused=True)])["email"]
    assert (replayed.attempts, replayed.base) == (4, 4)
