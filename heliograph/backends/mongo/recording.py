"""MongoDB store: events as updates that may be repeated.

All events of one notification are first tried as one update, which matches when none of them was recorded before. If
that was not so (a repeat, in part or whole), the updates after it do what is left, event by event; else they match
nothing. `open` counts as the port says: it never falls below 0, and stays there once the notification is cancelled.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pymongo import UpdateOne

from heliograph.backends.mongo.connection import Document
from heliograph.backends.mongo.documents import event_document, id_of
from heliograph.core.lifecycle import Event
from heliograph.core.model import Key


def recording(events: Iterable[Event]) -> list[UpdateOne]:
    """Ordered updates of `sends` that record these events, each once."""
    by_key: dict[Key, dict[str, Event]] = {}
    for event in events:
        if event.kind != "cancelled":
            by_key.setdefault(event.key, {}).setdefault(event.id, event)
    return [update for group in by_key.values() for update in _of_one(list(group.values()))]


def _of_one(events: Sequence[Event]) -> list[UpdateOne]:
    updates = [_all_at_once(events)]
    for event in events:
        if len(events) > 1:
            updates.append(_all_at_once([event]))
        if event.opens and event.settles:
            updates.append(_opening(event))
        if event.opens or event.settles:
            updates.append(_uncounted(event))
    return updates


def _all_at_once(events: Sequence[Event]) -> UpdateOne:
    """Matches when every event is new, and so is every name that one of them settles."""
    settled = list(dict.fromkeys(event.settles for event in events if event.settles))
    change, lowest = _balance(events)
    unrecorded: Document = {"_id": id_of(events[0].key), "events.i": {"$nin": [event.id for event in events]}}
    update: Document = {"$push": {"events": {"$each": [event_document(event) for event in events]}}}
    if settled:
        unrecorded["settled"] = {"$nin": settled}
        update["$push"]["settled"] = {"$each": settled}
    if settled or change or lowest:
        unrecorded |= {"cancelled": False, "open": {"$gte": -lowest}}
        update["$inc"] = {"open": change}
    return UpdateOne(unrecorded, update | _leaving(events))


def _balance(events: Sequence[Event]) -> tuple[int, int]:
    """By how much these events change `open`, and the lowest point on the way."""
    change = lowest = 0
    names: set[str] = set()
    for event in events:
        change += event.opens - (event.settles is not None and event.settles not in names)
        names.update(filter(None, [event.settles]))
        lowest = min(lowest, change)
    return change, lowest


def _opening(event: Event) -> UpdateOne:
    """For an event that opens deliveries and settles what is settled already: a routing that was decided anew."""
    unrecorded = {"events.i": {"$ne": event.id}, "settled": event.settles, "cancelled": False}
    update: Document = {"$push": {"events": event_document(event)}, "$inc": {"open": event.opens}}
    return UpdateOne({"_id": id_of(event.key), **unrecorded}, update | _leaving([event]))


def _uncounted(event: Event) -> UpdateOne:
    """For an event whose delivery is settled, whose notification is cancelled, or that owes nothing any more."""
    update: Document = {"$push": {"events": event_document(event)}}
    if event.settles:
        update["$addToSet"] = {"settled": event.settles}
    return UpdateOne({"_id": id_of(event.key), "events.i": {"$ne": event.id}}, update | _leaving([event]))


def _leaving(events: Sequence[Event]) -> Document:
    left = any(event.kind in ("sending", "sent", "delivered") for event in events)
    return {"$set": {"left": True}} if left else {}
