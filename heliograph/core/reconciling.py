"""What the reconciler does with one notification that made no progress, pure.

It needs no record of the queue's contents: a lane is first in, first out within a level, so an item that was handed to
a lane before the lane's oldest message isn't in it any more. Such an item was lost (a wipe, a failed publish) and is
handed over again; otherwise it simply waits its turn.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Final

import msgspec

from heliograph.core.lanes import INAPP, PUSH_LANES
from heliograph.core.lifecycle import ROUTING, Delivery, History, fold
from heliograph.core.model import Level, Millis

GRACE_MS: Final = 15_000
"""An item that isn't in its lane may be in a worker's hands: this long after its last step it counts as lost."""
SLACK_MS: Final = 1_000
"""How much younger than the event of its handing over a message may seem: that clock is a worker's, this one is the
queue server's."""
RECHECK_MS: Final = 40_000
"""When to look again at what waits in its lane: with the grace before it, within the minute of G1. A wiped queue
doesn't wait for that: the reconciler notices the new streams and looks at everything at once."""

Backlog = Mapping[tuple[str, Level], Millis]
"""Per (lane, level), retry lane included: when its oldest message was published; absent = empty."""

_LANES_OF_CHANNEL: Final = {
    "routing": ("ingest",),
    "in_app": ("inapp",),
    "push": tuple({lane.name: lane for lane in PUSH_LANES.values()}),
    "email": ("email", "outbox"),
}


class Reroute(msgspec.Struct, frozen=True):
    """Hand the notification to the ingest lane again."""

    delivery: Delivery


class Requeue(msgspec.Struct, frozen=True):
    """Hand this delivery to its lane again, as its next attempt."""

    delivery: Delivery


class Escalate(msgspec.Struct, frozen=True):
    """The in-app delivery wasn't acknowledged: route as if offline."""


class Close(msgspec.Struct, frozen=True):
    """The notification is settled but still counted as open."""


Step = Reroute | Requeue | Escalate | Close


class Verdict(msgspec.Struct, frozen=True):
    steps: tuple[Step, ...]
    check_at: Millis
    """When to look again, if nothing closes it before."""


def examine(
    history: History, backlog: Backlog, now: Millis, unseen_after_ms: int, emptied_at: Millis = 0, *,
    paused: Container[str] = frozenset(),
) -> Verdict:  # fmt: skip
    """Decides the next steps for a notification whose `next_check_at` has come.

    Args:
        emptied_at: when the queue was last seen to have lost everything; 0 = not that anybody knows.
        paused: lanes, by hand.
    """
    if history.cancelled:
        return Verdict((Close(),), now + RECHECK_MS)
    open_deliveries = owed(history)
    if not open_deliveries:
        return Verdict((Close(),), now + RECHECK_MS)
    steps: list[Step] = []
    check_at = now + RECHECK_MS
    for delivery in open_deliveries:
        if delivery.channel == "in_app" and delivery.status == "queued" and INAPP.name in paused:
            continue  # nobody can have seen what waits in a paused lane
        lanes = backlog if delivery.moved_at >= emptied_at else {}
        wait_until = _in_time_until(history, delivery, lanes, now, unseen_after_ms)
        if wait_until is not None:
            check_at = min(check_at, wait_until)
        else:
            steps.append(_overdue(delivery))
            check_at = min(check_at, now + GRACE_MS)
    return Verdict(tuple(steps), check_at)


def owed(history: History) -> list[Delivery]:
    """Deliveries that aren't settled; routing itself is one until it is done."""
    deliveries = fold(history.events)
    if not history.routed:
        accepted_at = history.notification.created_at
        fresh = Delivery(target=ROUTING, updated_at=accepted_at, moved_at=accepted_at)
        deliveries.setdefault(ROUTING, fresh)
    return [delivery for delivery in deliveries.values() if not delivery.settled]


def _overdue(delivery: Delivery) -> Step:
    match delivery.channel:
        case "in_app":
            return Escalate()
        case "routing":
            return Reroute(delivery)
        case _:
            return Requeue(delivery)


def _in_time_until(
    history: History, delivery: Delivery, backlog: Backlog, now: Millis, unseen_after_ms: int
) -> Millis | None:
    """When to look at this delivery again; None = it is overdue now."""
    if delivery.channel == "in_app":
        due = delivery.updated_at + unseen_after_ms
        return due if due > now else None
    since = max(delivery.moved_at, delivery.due_at or 0)
    if since > now:
        return since
    planned_by_us = delivery.due_at is not None and delivery.due_at - delivery.updated_at > LONG_DELAY_MS
    if planned_by_us or (delivery.status == "queued" and delivery.due_at is not None):
        return None
    level = history.notification.level
    lanes = _LANES_OF_CHANNEL[delivery.channel]
    if any(in_lane(lane, level, since - SLACK_MS, backlog) for lane in lanes):
        return now + RECHECK_MS
    if any(in_lane(lane, level, since, backlog) for lane in lanes):
        return now + GRACE_MS  # can't be told from what came into the lane just after it
    return since + GRACE_MS if now - since < GRACE_MS else None


LONG_DELAY_MS: Final = 60_000
"""Delays above this live in the store and are published by the reconciler; shorter ones are the queue's."""


def in_lane(lane: str, level: Level, since: Millis, backlog: Backlog) -> bool:
    """Whether something that was handed to the lane at `since` may still be in it."""
    oldest = backlog.get((lane, level))
    return oldest is not None and oldest <= since + SLACK_MS
