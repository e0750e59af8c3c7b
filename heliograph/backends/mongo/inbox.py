"""MongoDB store: a person's inbox. Reads notifications and sets the marks (seen, read, archived) on them.

An item is in the inbox unless its channels leave `in_app` out or it was cancelled. Ids are ordered by time, so the
newest first is the largest id first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pymongo import ReturnDocument

from heliograph.backends.mongo.connection import Connected, Document, reaching
from heliograph.backends.mongo.documents import MARKS, NEVER, id_of, item_of
from heliograph.core.model import Engagement, InboxItem, Key, Millis
from heliograph.core.ports import InboxQuery

UNREAD: Final = {"in_inbox": True, "read_at": NEVER, "archived_at": NEVER}
_ITEM: Final = dict.fromkeys(("content", *MARKS), 1)


class Inbox(Connected):
    """See `core.ports.InboxStore`."""

    @reaching
    async def inbox(self, query: InboxQuery) -> Sequence[InboxItem]:
        found = self._database.sends.find(_wanted(query), _ITEM, sort=[("id", -1)], limit=query.limit)
        return [item_of(document) async for document in found]

    @reaching
    async def unread(self, users: Sequence[Key]) -> Sequence[int]:
        theirs = {
            "tenant": {"$in": list({user.tenant for user in users})},
            "user": {"$in": list({user.id for user in users})},
        }
        groups = await self._database.sends.aggregate([
            {"$match": theirs | UNREAD},
            {"$group": {"_id": {"tenant": "$tenant", "user": "$user"}, "count": {"$sum": 1}}},
        ])  # fmt: skip
        counts = {Key(g["_id"]["tenant"], g["_id"]["user"]): int(g["count"]) async for g in groups}
        return [counts.get(user, 0) for user in users]

    @reaching
    async def engage(self, user: Key, notification_id: str, mark: Engagement, now: Millis) -> InboxItem | None:
        found = await self._database.sends.find_one_and_update(
            {"_id": id_of(Key(user.tenant, notification_id)), "user": user.id, "in_inbox": True},
            _marking(mark, now),
            projection=_ITEM,
            return_document=ReturnDocument.AFTER,
        )
        return item_of(found) if found else None

    @reaching
    async def read_all(self, user: Key, now: Millis) -> int:
        result = await self._database.sends.update_many(
            {"tenant": user.tenant, "user": user.id, **UNREAD}, _marking("read", now)
        )
        return result.modified_count


def _wanted(query: InboxQuery) -> Document:
    wanted: Document = {"tenant": query.user.tenant, "user": query.user.id, "in_inbox": True}
    wanted["archived_at"] = {"$lt": NEVER} if query.archived else NEVER
    if query.before is not None:
        wanted["id"] = {"$lt": query.before}
    if query.unread is not None:
        wanted["read_at"] = NEVER if query.unread else {"$lt": NEVER}
    if query.category is not None:
        wanted["category"] = query.category
    return wanted


def _marking(mark: Engagement, now: Millis) -> Document:
    """`$min` keeps a mark's first time, as `NEVER` is later than any."""
    match mark:
        case "seen":
            return {"$min": {"seen_at": now}}
        case "read":
            return {"$min": {"seen_at": now, "read_at": now}}
        case "unread":
            return {"$set": {"read_at": NEVER}}
        case "archive":
            return {"$min": {"archived_at": now}}
        case "unarchive":
            return {"$set": {"archived_at": NEVER}}
