"""Store: a person's inbox."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from heliograph.core.model import Engagement, InboxItem, Key, Millis


class InboxQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Newest first. `before` = an item's id (exclusive). `unread` / `category` None = both / any."""

    user: Key
    limit: int = 20
    before: str | None = None
    unread: bool | None = None
    category: str | None = None
    archived: bool = False


class InboxStore(Protocol):
    async def inbox(self, query: InboxQuery) -> Sequence[InboxItem]: ...

    async def unread(self, users: Sequence[Key]) -> Sequence[int]:
        """Counts items that are in the inbox, not read and not archived."""

    async def engage(self, user: Key, notification_id: str, mark: Engagement, now: Millis) -> InboxItem | None:
        """Marks one item; repeating a mark keeps the first time. `read` implies seen; `unread` clears `read_at`.

        Returns the item as it is now, None if the user has no such item.
        """

    async def read_all(self, user: Key, now: Millis) -> int:
        """Marks every unread item read (and seen); returns how many."""
