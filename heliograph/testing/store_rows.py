"""The in-memory twin of the store: what it holds, and how one notification changes by itself.

Nothing here knows of callers, tenants or time; `store.py` and `store_people.py` do.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from msgspec.structs import replace

from heliograph.core.keys import ApiKey
from heliograph.core.lifecycle import Event, History
from heliograph.core.model import Batch, Device, Engagement, InboxState, Key, Millis, Notification, Preferences, User
from heliograph.core.ports import Accepted, DeadLetter, DueBatch, Reached, Submission, Ticket
from heliograph.core.suppressing import Reason, Suppression


@dataclass
class Sent:
    """A notification and what became of it."""

    notification: Notification
    check_at: Millis
    open: int = 1
    cancelled: bool = False
    hidden: bool = False
    state: InboxState = field(default_factory=InboxState)
    events: list[Event] = field(default_factory=list)

    def history(self) -> History:
        return History(self.notification, tuple(self.events), self.state, self.open, self.cancelled)

    def add(self, event: Event) -> bool:
        """False = it was there already."""
        self.hidden = self.hidden or event.hides
        if any(known.id == event.id for known in self.events):
            return False
        closes = event.settles is not None and all(known.settles != event.settles for known in self.events)
        self.events.append(event)
        self.open = 0 if self.cancelled else max(0, self.open + event.opens - closes)
        return True

    @property
    def left(self) -> bool:
        return any(event.kind in ("sending", "sent", "delivered") for event in self.events)

    @property
    def in_inbox(self) -> bool:
        return self.notification.in_inbox and not self.cancelled and not self.hidden

    @property
    def unread(self) -> bool:
        return self.in_inbox and self.state.read_at is None and self.state.archived_at is None


@dataclass
class KeptBatch:
    """A batch and how far its expansion has come."""

    batch: Batch
    check_at: Millis
    reached: Reached

    @property
    def due(self) -> DueBatch:
        return DueBatch(self.batch.key, self.reached.level, self.reached.cursor, self.reached.at)


@dataclass
class Kept:
    """Everything the store holds."""

    sent: dict[Key, Sent] = field(default_factory=dict)
    batches: dict[Key, KeptBatch] = field(default_factory=dict)
    subscriptions: set[tuple[Key, str]] = field(default_factory=set)
    claims: dict[Key, tuple[Submission, Accepted]] = field(default_factory=dict)
    users: dict[Key, User] = field(default_factory=dict)
    preferences: dict[Key, Preferences] = field(default_factory=dict)
    devices: list[Device] = field(default_factory=list)
    suppressed: dict[tuple[Key, Reason], Suppression] = field(default_factory=dict)
    keys: dict[str, ApiKey] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    leases: dict[str, tuple[str, Millis]] = field(default_factory=dict)
    letters: dict[Key, DeadLetter] = field(default_factory=dict)
    tickets: dict[tuple[str, str], Ticket] = field(default_factory=dict)


def merged(old: User | None, given: User) -> User:
    """Given fields overwrite, absent ones stay."""
    if old is None:
        return given
    absent = {name: getattr(old, name) for name in given.__struct_fields__ if getattr(given, name) is None}
    return replace(given, updated_at=max(old.updated_at, given.updated_at), **absent)


def marked(state: InboxState, mark: Engagement, now: Millis) -> InboxState:
    def first(at: Millis | None) -> Millis:
        return now if at is None else at

    match mark:
        case "seen":
            return replace(state, seen_at=first(state.seen_at))
        case "read":
            return replace(state, seen_at=first(state.seen_at), read_at=first(state.read_at))
        case "unread":
            return replace(state, read_at=None)
        case "archive":
            return replace(state, archived_at=first(state.archived_at))
        case "unarchive":
            return replace(state, archived_at=None)
