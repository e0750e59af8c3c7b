"""How long what is kept, and which of the old ones goes now. Pure.

A notification with its events is one thing: it goes as a whole, never while anything of it is owed, and never while the
inbox shows it. Its age is in its id.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from heliograph.core.ids import BATCH, NOTIFICATION, floor_of
from heliograph.core.model import Millis

DAY_S: Final = 86_400.0
Fate = Literal["keep", "hide", "remove"]


class Keep(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds; 0 = for ever. `inbox`: how long the inbox shows what nobody removed."""

    notifications_s: float = 0.0
    inbox_s: float = 0.0
    batches_s: float = 0.0
    dead_letters_s: float = 0.0
    idempotency_s: float = 0.0


class Bounds(msgspec.Struct, frozen=True):
    """Ids below which a closed notification leaves the inbox, and below which it goes."""

    hide: str
    remove: str

    @property
    def walk(self) -> str:
        """What isn't below this is too young for either."""
        return max(self.hide, self.remove)


def before(kept_s: float, now: Millis) -> Millis:
    """What was made before this time has been kept long enough; 0 = nothing has."""
    return max(0, now - round(kept_s * 1000)) if kept_s else 0


def bounds(keep: Keep, now: Millis) -> Bounds:
    hide, remove = before(keep.inbox_s, now), before(keep.notifications_s, now)
    return Bounds(floor_of(NOTIFICATION, hide), floor_of(NOTIFICATION, remove))


def floors(made_before: Millis) -> tuple[tuple[str, str], tuple[str, str]]:
    """The ranges of ids (from, below) of notifications and of batches that were made before a time."""
    return (
        (floor_of(BATCH, 0), floor_of(BATCH, made_before)),
        (floor_of(NOTIFICATION, 0), floor_of(NOTIFICATION, made_before)),
    )


def fate(notification_id: str, in_inbox: bool, limits: Bounds) -> Fate:
    """Of a notification of which nothing is owed."""
    shown = in_inbox and notification_id >= limits.hide
    if notification_id < limits.remove and not shown:
        return "remove"
    return "hide" if in_inbox and not shown else "keep"
