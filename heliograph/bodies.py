"""Heavy bodies travel by id: this puts them back into the items of a batch, with one read, if any is missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from heliograph.core.model import Key, Notification
from heliograph.core.ports import NotificationStore


class HasNotification(Protocol):
    @property
    def notification(self) -> Notification: ...


async def whole(store: NotificationStore, items: Sequence[HasNotification]) -> dict[Key, Notification | None]:
    """Each item's notification with its body; None = it was erased meanwhile."""
    found: dict[Key, Notification | None] = {item.notification.key: item.notification for item in items}
    heavy = [key for key, notification in found.items() if notification and notification.body is None]
    if heavy:
        for key, history in zip(heavy, await store.histories(heavy), strict=True):
            found[key] = history.notification if history else None
    return found
