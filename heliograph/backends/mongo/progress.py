"""MongoDB store: what happens to a notification after it was accepted. Reads and writes its document in `sends`.

Events are an array that only grows. Adding events, counting what is owed and noting what is settled is one update of
one document, behind a filter that no longer matches once it was done: whatever is repeated counts once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pymongo import UpdateOne

from heliograph.backends.mongo.connection import Connected, reaching
from heliograph.backends.mongo.documents import LEVELS, event_document, history_of, id_of, ids_of, text
from heliograph.backends.mongo.recording import recording
from heliograph.core.lifecycle import Event, History
from heliograph.core.model import Key, Level, Millis, Notification
from heliograph.core.ports import Begun, CancelResult

_OPEN = {"$gt": 0}


class Progress(Connected):
    """See `core.ports.NotificationStore`."""

    @reaching
    async def histories(self, keys: Sequence[Key]) -> Sequence[History | None]:
        return await self._histories(keys)

    async def _histories(self, keys: Sequence[Key]) -> list[History | None]:
        found = {d["_id"]: history_of(d) async for d in self._database.sends.find({"_id": ids_of(keys)})}
        return [found.get(id_of(key)) for key in keys]

    @reaching
    async def record(self, events: Sequence[Event], check_at: Mapping[Key, Millis] | None = None) -> None:
        updates = [*recording(events), *_hiding(events), *_looks(check_at or {})]
        if updates:
            await self._database.sends.bulk_write(updates)

    @reaching
    async def begin(self, attempts: Sequence[Event]) -> Sequence[Begun]:
        if not attempts:
            return []
        result = await self._database.sends.bulk_write([_beginning(event) for event in attempts])
        if result.modified_count == len(attempts):
            return [Begun(begun=True) for _ in attempts]
        histories = await self._histories([event.key for event in attempts])
        return [_begun(event, history) for event, history in zip(attempts, histories, strict=True)]

    @reaching
    async def cancel(self, key: Key, now: Millis) -> CancelResult:
        event = Event(tenant=key.tenant, notification_id=key.id, at=now, kind="cancelled")
        still_here = {"_id": id_of(key), "cancelled": False, "left": False, "open": _OPEN}
        change = {
            "$set": {"cancelled": True, "in_inbox": False, "open": 0},
            "$push": {"events": event_document(event)},
        }
        result = await self._database.sends.update_one(still_here, change)
        if result.modified_count:
            return "cancelled"
        found = await self._database.sends.find_one({"_id": id_of(key)}, {"cancelled": 1})
        if found is None:
            return "not_found"
        return "cancelled" if found["cancelled"] else "already_left"

    @reaching
    async def due(self, level: Level, now: Millis, limit: int) -> Sequence[History]:
        found = self._database.sends.find(
            {"level": level.value, "open": _OPEN, "check_at": {"$lte": now}}, sort=[("check_at", 1)], limit=limit
        )
        return [history_of(document) async for document in found]

    @reaching
    async def postpone(self, check_at: Mapping[Key, Millis]) -> None:
        if check_at:
            await self._database.sends.bulk_write(_looks(check_at), ordered=False)

    @reaching
    async def close(self, keys: Sequence[Key]) -> None:
        await self._database.sends.update_many({"_id": ids_of(keys)}, {"$set": {"open": 0}})

    @reaching
    async def recheck_all(self, now: Millis) -> int:
        sooner = {"$min": {"check_at": now}}
        sends = self._database.sends
        open_ones = await sends.update_many({"level": {"$in": LEVELS}, "open": _OPEN}, sooner)
        batches = await sends.update_many({"level": {"$in": LEVELS}, "expanded": False}, sooner)
        return open_ones.matched_count + batches.matched_count

    @reaching
    async def amend(self, notification: Notification) -> bool:
        content = {"$set": {"content": text(notification)}}
        result = await self._database.sends.update_one({"_id": id_of(notification.key)}, content)
        return result.matched_count > 0

    @reaching
    async def batch_histories(self, key: Key, after: str, limit: int) -> Sequence[History]:
        of_batch = {"tenant": key.tenant, "batch": key.id, "id": {"$gt": after}}
        members = self._database.sends.find(of_batch, sort=[("id", 1)], limit=limit)
        return [history_of(document) async for document in members]


def _hiding(events: Sequence[Event]) -> list[UpdateOne]:
    hidden = {"$set": {"in_inbox": False}}
    return [UpdateOne({"_id": id_of(event.key)}, hidden) for event in events if event.hides]


def _looks(check_at: Mapping[Key, Millis]) -> list[UpdateOne]:
    return [UpdateOne({"_id": id_of(key)}, {"$set": {"check_at": at}}) for key, at in check_at.items()]


def _beginning(attempt: Event) -> UpdateOne:
    return UpdateOne(
        {
            "_id": id_of(attempt.key),
            "cancelled": False,
            "events.i": {"$ne": attempt.id},
            "settled": {"$ne": attempt.owed},
        },
        {"$push": {"events": event_document(attempt)}, "$set": {"left": True}},
    )


def _begun(attempt: Event, history: History | None) -> Begun:
    found = next((event for event in history.events if event.id == attempt.id), None) if history else None
    if found and found.token == attempt.token:
        return Begun(begun=True)
    return Begun(begun=False, history=history)
