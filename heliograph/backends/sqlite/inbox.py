"""SQLite store: a person's inbox. Reads notifications and sets the marks (seen, read, archived) on them.

An item is in the inbox unless its channels leave `in_app` out or it was cancelled. Ids are ordered by time, so the
newest first is the largest id first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from heliograph.backends.sqlite.connection import DatabaseFile
from heliograph.backends.sqlite.statements import item_json, keys_text, listed
from heliograph.core.model import Engagement, InboxItem, Key, Millis
from heliograph.core.ports import InboxQuery

UNREAD: Final = "in_inbox = 1 AND read_at IS NULL AND archived_at IS NULL"
COUNTS: Final = f"""
    SELECT {
    listed(f"(SELECT count(*) FROM notifications WHERE tenant = k.value ->> 0 AND user = k.value ->> 1 AND {UNREAD})")
} FROM json_each(?) AS k
"""
CHANGES: Final[dict[Engagement, str]] = {
    "seen": "seen_at = coalesce(seen_at, :now)",
    "read": "seen_at = coalesce(seen_at, :now), read_at = coalesce(read_at, :now)",
    "unread": "read_at = NULL",
    "archive": "archived_at = coalesce(archived_at, :now)",
    "unarchive": "archived_at = NULL",
}
ENGAGE: Final[dict[Engagement, str]] = {
    mark: f"""
        UPDATE notifications SET {change}
        WHERE tenant = :tenant AND id = :id AND user = :user AND in_inbox = 1
        RETURNING {item_json("notifications")}
    """
    for mark, change in CHANGES.items()
}
READ_ALL: Final = f"UPDATE notifications SET {CHANGES['read']} WHERE tenant = :tenant AND user = :user AND {UNREAD}"

_items: Final = msgspec.json.Decoder(list[InboxItem])
_item: Final = msgspec.json.Decoder(InboxItem)
_counts: Final = msgspec.json.Decoder(list[int])


class Inbox:
    """See `core.ports.InboxStore`."""

    _file: DatabaseFile

    async def inbox(self, query: InboxQuery) -> Sequence[InboxItem]:
        bindings = {
            "tenant": query.user.tenant,
            "user": query.user.id,
            "before": query.before,
            "category": query.category,
            "limit": query.limit,
        }
        return await self._file.fetch(_page(query), bindings, _items)

    async def unread(self, users: Sequence[Key]) -> Sequence[int]:
        return await self._file.fetch(COUNTS, (keys_text(users),), _counts)

    async def engage(self, user: Key, notification_id: str, mark: Engagement, now: Millis) -> InboxItem | None:
        bindings = {"tenant": user.tenant, "id": notification_id, "user": user.id, "now": now}
        found = await self._file.write(lambda connection: connection.execute(ENGAGE[mark], bindings).get)
        return None if found is None else _item.decode(found)

    async def read_all(self, user: Key, now: Millis) -> int:
        bindings = {"tenant": user.tenant, "user": user.id, "now": now}
        return await self._file.execute(READ_ALL, bindings)


def _page(query: InboxQuery) -> str:
    """One of two dozen texts, so that each is planned for what it asks."""
    conditions = ["tenant = :tenant", "user = :user", "in_inbox = 1"]
    conditions.append("archived_at IS NOT NULL" if query.archived else "archived_at IS NULL")
    if query.unread is not None:
        conditions.append("read_at IS NULL" if query.unread else "read_at IS NOT NULL")
    if query.category is not None:
        conditions.append("category = :category")
    if query.before is not None:
        conditions.append("id < :before")
    return f"""
        SELECT {listed(item_json("n"), "n.id DESC")} FROM (
            SELECT * FROM notifications WHERE {" AND ".join(conditions)} ORDER BY id DESC LIMIT :limit
        ) AS n
    """
