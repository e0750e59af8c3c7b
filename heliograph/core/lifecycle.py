"""What may happen to a notification, and what its events amount to.

The store keeps an append-only list of events per notification; status, timeline and the reconciler's next step are all
derived from it here. A status is a rank, never a sequence: late, doubled or shuffled events never move it back.
See docs/lifecycle.md for the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Final, Literal

import msgspec

from heliograph.core.model import InboxState, Key, Millis, Notification

Status = Literal[
    "accepted", "scheduled", "queued", "sending", "sent", "delivered", "retrying", "failed", "suppressed", "expired",
    "cancelled",
]  # fmt: skip
EventKind = Literal[
    "routed", "escalated", "replayed", "requeued", "rendered", "sending", "unknown", "retrying", "sent", "delivered",
    "failed", "suppressed", "expired", "cancelled", "deferred", "opened", "clicked", "complained", "unsubscribed",
    "edited", "discarded",
]  # fmt: skip

_RANK: Final[dict[Status, int]] = {
    "accepted": 0, "scheduled": 0, "queued": 1, "sending": 2, "retrying": 2, "sent": 4,
    "cancelled": 5, "expired": 5, "suppressed": 5, "failed": 6, "delivered": 7,
}  # fmt: skip
IN_APP: Final = "in_app"
INBOX: Final = "inbox"
"""The `provider` of an in-app delivery that simply waits in the inbox."""
ROUTING: Final = "routing"
"""The target that stands for routing itself, when that failed."""

_STATUS_OF_KIND: Final[dict[str, Status]] = {
    "sent": "sent", "delivered": "delivered", "failed": "failed", "suppressed": "suppressed", "expired": "expired",
    "cancelled": "cancelled", "discarded": "failed",
}  # fmt: skip


class Event(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One thing that happened to one notification.

    `id` is unique within the notification: recording the same event twice records it once. `plan` (of `routed` and
    `escalated`) names the targets that are now owed a delivery. `settles` closes the target's generation `gen`.
    """

    tenant: str
    notification_id: str
    at: Millis
    kind: EventKind
    target: str = ""
    attempt: int = 0
    gen: int = 0
    token: str = ""
    """Of a `sending` event: drawn by the worker, to tell its own attempt from a rival's."""
    provider: str | None = None
    provider_id: str | None = None
    detail: str | None = None
    plan: tuple[str, ...] = ()
    why: dict[str, str] = {}
    unique: str = ""
    """Distinguishes events of one kind and attempt (a webhook's own event id, a requeue's time)."""
    due_at: Millis | None = None
    """Of `retrying` and `replayed`: when the next try is meant to happen."""
    hides: bool = False
    """Of `routed`: its user muted in-app for it, so their inbox doesn't keep it."""
    excused: bool = False
    """Of `retrying` and `unknown`: the provider's account was in trouble, so the attempt doesn't count as one of the
    message's `retry_max_attempts`."""

    @property
    def id(self) -> str:
        return f"{self.target}|{self.kind}|{self.gen}.{self.attempt}|{self.unique}"

    @property
    def key(self) -> Key:
        return Key(self.tenant, self.notification_id)

    @property
    def settles(self) -> str | None:
        """The name of what this event closes, or None. The first event of a name closes it, later ones do not."""
        if self.kind == "routed":
            # Routing itself was owed until now. If it found no way it is owed still: its failure settles it.
            return f"{ROUTING}.{self.gen}" if self.plan else None
        if self.kind not in _STATUS_OF_KIND or self._awaits_ack:
            return None
        return self.owed

    @property
    def owed(self) -> str:
        """The name of the delivery it belongs to, which the first event that `settles` closes."""
        return f"{self.target}.{self.gen}"

    @property
    def _awaits_ack(self) -> bool:
        """A frame on its way to an open page is owed an acknowledgement; an item that waits in the inbox is not."""
        return self.kind == "sent" and self.target == IN_APP and self.provider != INBOX

    @property
    def opens(self) -> int:
        """How many deliveries this event adds to those that are owed."""
        return 1 if self.kind == "replayed" else len(self.plan)


class Delivery(msgspec.Struct, kw_only=True):
    """Where one delivery stands: the fold of its events. `gen` counts replays; `base` = attempts that don't count: what
    came before the last replay, and the excused ones."""

    target: str
    status: Status = "queued"
    attempts: int = 0
    gen: int = 0
    base: int = 0
    excused: int = 0
    """The last attempt that was."""
    provider: str | None = None
    provider_id: str | None = None
    reason: str | None = None
    updated_at: Millis = 0
    moved_at: Millis = 0
    """When it was last handed to a lane or began an attempt: older than everything in its lane = lost by the lane."""
    due_at: Millis | None = None
    """Of `retrying` and a paced replay: when the next try is meant to happen."""
    settled: bool = False
    """Nobody owes it another step. `sent` settles too: whether word of the mailbox ever comes back is the provider's
    choice (SMTP never tells). Only an in-app frame is owed its acknowledgement."""

    @property
    def channel(self) -> str:
        return self.target.partition(":")[0]


class History(msgspec.Struct, frozen=True):
    """Everything the store knows of one notification."""

    notification: Notification
    events: tuple[Event, ...] = ()
    state: InboxState = InboxState()
    open: int = 1
    """Owed deliveries; 1 before routing, 0 when all are settled."""
    cancelled: bool = False

    @property
    def routed(self) -> bool:
        """Whether routing found a way; while it has not, routing is what is owed."""
        return any(event.kind == "routed" and event.plan for event in self.events)


def fold(events: Sequence[Event]) -> dict[str, Delivery]:
    """Deliveries by target, in the order they were planned. Neither the order of `events` nor a repeat matters."""
    deliveries: dict[str, Delivery] = {}
    for event in sorted(events, key=_time_of):
        for target in event.plan:
            fresh = Delivery(target=target, updated_at=event.at, moved_at=event.at)
            deliveries.setdefault(target, fresh)
    for event in sorted((event for event in events if event.target), key=_step_of):
        delivery = deliveries.setdefault(event.target, Delivery(target=event.target, updated_at=event.at))
        _apply(delivery, event)
    routing = deliveries.get(ROUTING)
    done = [event.gen for event in events if event.kind == "routed" and event.plan]
    if routing and not routing.settled and done and max(done) >= routing.gen:
        del deliveries[ROUTING]
    return deliveries


_Step = tuple[int, bool, int, bool, Millis, str]


def deliveries_of(history: History) -> dict[str, Delivery]:
    """Deliveries by target, as a person is told: those that a cancellation stopped are cancelled too."""
    deliveries = fold(history.events)
    if history.cancelled:
        for delivery in deliveries.values():
            if not delivery.settled:
                delivery.status, delivery.settled = "cancelled", True
    return deliveries


def _time_of(event: Event) -> tuple[Millis, bool, _Step]:
    return event.at, not event.plan, _step_of(event)


def _step_of(event: Event) -> _Step:
    """Generation, then attempt, then time: a provider's clock counts whole seconds, and workers' clocks differ."""
    return event.gen, event.kind != "replayed", event.attempt, event.kind != "sending", event.at, event.id


def _apply(delivery: Delivery, event: Event) -> None:
    match event.kind:
        case "replayed":
            _reopen(delivery, event)
        case "sending" | "retrying" | "unknown" | "requeued" | "rendered":
            _progress(delivery, event)
        case "sent" | "delivered" | "failed" | "suppressed" | "expired" | "cancelled" | "discarded":
            _settle(delivery, event, _STATUS_OF_KIND[event.kind])
        case _:
            pass  # engagement and deferrals stand in the timeline only


def _reopen(delivery: Delivery, event: Event) -> None:
    if event.gen > delivery.gen:
        delivery.gen, delivery.base = event.gen, delivery.attempts
        delivery.status, delivery.reason, delivery.settled = "queued", None, False
        delivery.updated_at = delivery.moved_at = event.at
        delivery.due_at = event.due_at


def _progress(delivery: Delivery, event: Event) -> None:
    if event.gen < delivery.gen or event.attempt < delivery.attempts:
        return
    delivery.moved_at = max(delivery.moved_at, event.at)
    if event.kind in ("requeued", "rendered"):
        delivery.due_at = None
        return
    delivery.attempts = event.attempt
    if event.excused and event.attempt > delivery.excused:
        delivery.base, delivery.excused = delivery.base + 1, event.attempt
    if not delivery.settled and _RANK[delivery.status] <= _RANK["sending"]:
        delivery.status = "sending" if event.kind == "sending" else "retrying"
        delivery.reason = event.detail
        delivery.updated_at = event.at
        delivery.provider = event.provider or delivery.provider
        delivery.due_at = event.due_at


def _settle(delivery: Delivery, event: Event, status: Status) -> None:
    delivery.attempts = max(delivery.attempts, event.attempt)
    delivery.provider = event.provider or delivery.provider
    delivery.provider_id = event.provider_id or delivery.provider_id
    if event.gen < delivery.gen:
        return
    delivery.settled = delivery.settled or event.settles is not None
    if _RANK[status] > _RANK[delivery.status]:
        delivery.status, delivery.reason, delivery.updated_at = status, event.detail, event.at
        delivery.due_at = None


_SUCCESS: Final[tuple[Status, ...]] = ("delivered", "sent")
_UNDER_WAY: Final[tuple[Status, ...]] = ("sending", "retrying", "queued")
_ENDED: Final[tuple[Status, ...]] = ("failed", "expired", "suppressed", "cancelled")


def status_of(history: History) -> Status:
    """The notification's own status."""
    if history.cancelled:
        return "cancelled"
    return best_of({delivery.status for delivery in fold(history.events).values()})


def best_of(statuses: AbstractSet[Status]) -> Status:
    """The best news of some deliveries; while there is none, what is under way; else the worst end."""
    ranked = (*_SUCCESS, *_UNDER_WAY, *_ENDED)
    return next((status for status in ranked if status in statuses), "accepted")


def timeline_order(events: Sequence[Event]) -> list[Event]:
    return sorted(events, key=_time_of)
