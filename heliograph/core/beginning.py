"""What a worker does when the store refused to begin its attempt: another one is at it, or was before it. Pure.

Reads a notification's events; decides whether this copy of the item begins the next attempt, waits or is dropped.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from heliograph.core.lifecycle import Event, fold
from heliograph.core.model import Millis


class Begin(msgspec.Struct, frozen=True):
    """Start this attempt; `unknown` names an earlier one whose outcome nobody recorded."""

    attempt: int
    unknown: int | None = None


class Wait(msgspec.Struct, frozen=True):
    """Not now (somebody else is at it, or its time hasn't come): look again then, as this attempt."""

    until: Millis
    attempt: int


class Drop(msgspec.Struct, frozen=True):
    """Nothing to do for this copy."""

    reason: str


def after_refusal(
    events: Sequence[Event], target: str, attempt: int, gen: int, now: Millis, lease_ms: int, orphaned: bool
) -> Begin | Wait | Drop:
    """What a worker does whose attempt the store refused to begin.

    The store refuses when the attempt was begun already: by this item before its worker died, or by a second copy of
    it. `orphaned` = the queue delivers the item again because its worker went silent, so nobody is at it any more.
    """
    delivery = fold(events).get(target)
    if delivery is None or delivery.settled or gen < delivery.gen:
        return Drop("settled already")
    if delivery.status == "sending":
        started = max(e.at for e in events if e.target == target and e.kind == "sending")
        if not orphaned and now - started < lease_ms:
            return Wait(started + lease_ms, attempt)
        return Begin(delivery.attempts + 1, unknown=delivery.attempts)
    if attempt > delivery.attempts:
        return Begin(attempt)
    if not orphaned:
        # Its outcome is recorded and the next attempt is on its way as an item of its own.
        return Drop("superseded")
    if delivery.due_at is not None and delivery.due_at > now:
        return Wait(delivery.due_at, delivery.attempts + 1)
    return Begin(delivery.attempts + 1)
