"""Store: accepting, expanding, and what happens to a notification afterwards (events, attempts, cancelling)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

import msgspec

from heliograph.core.lifecycle import Event, History
from heliograph.core.model import Batch, Key, Level, Millis, Notification, User


class Idempotency(msgspec.Struct, frozen=True):
    """`key` as the caller gave it; `fingerprint` = a digest of the body: same key, other fingerprint = 422."""

    key: str
    fingerprint: str


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """One accepted request: exactly one of `notification` and `batch`; users named inline are written on the way."""

    tenant: str
    notification: Notification | None = None
    batch: Batch | None = None
    users: tuple[User, ...] = ()
    idempotency: Idempotency | None = None
    check_at: Millis = 0
    """When the reconciler looks at it first."""

    @property
    def id(self) -> str:
        found = self.notification or self.batch
        assert found is not None
        return found.id

    @property
    def level(self) -> Level:
        found = self.notification or self.batch
        assert found is not None
        return found.level


class Accepted(msgspec.Struct, frozen=True):
    """`id` is on disk. `replayed` = it already was, under the same idempotency key and body."""

    id: str
    replayed: bool = False


class Mismatch(msgspec.Struct, frozen=True):
    """The idempotency key belongs to another body. Nothing was stored."""


class Begun(msgspec.Struct, frozen=True):
    """Whether the attempt was begun by this very event, and if not, what stands in its way."""

    begun: bool
    history: History | None = None
    """Only when refused; None then = the notification doesn't exist (erased)."""


class Reached(msgspec.Struct, frozen=True):
    """How far the expansion of a batch has come, and in which level it goes on.

    `cursor`: as `reached` of `core.lanes.BatchItem`.
    """

    key: Key
    level: Level
    cursor: str
    at: Millis
    done: bool = False
    """Every member has its row: nothing more to recover."""


class DueBatch(msgspec.Struct, frozen=True):
    """A batch that isn't expanded. `moved_at`: when it was accepted, or reached `cursor`."""

    key: Key
    level: Level
    cursor: str
    moved_at: Millis


CancelResult = Literal["cancelled", "already_left", "not_found"]


class NotificationStore(Protocol):
    async def accept(self, submissions: Sequence[Submission]) -> Sequence[Accepted | Mismatch]:
        """Writes them durably in one commit (G1). Submissions with the same idempotency key, here or in a rival
        process, all get the id of one of them. Inline users are upserted (given fields overwrite, absent ones stay).

        Raises:
            StoreUnavailable: nothing of it is promised.
        """

    async def expand(self, notifications: Sequence[Notification], check_at: Millis, reached: Reached) -> None:
        """Writes members of a batch, then how far it has come; members that exist already stay as they are.

        `check_at`: when the reconciler looks at these members, and at what is left of the batch.
        """

    async def batch(self, key: Key, start: int = 0, limit: int | None = None) -> Batch | None:
        """With `limit` (1 or more), of a bulk only the sends that `members(start, limit)` needs are read."""

    async def batches_due(self, now: Millis, limit: int) -> Sequence[DueBatch]:
        """Batches that aren't expanded and whose `check_at` has come, the most urgent level first, then oldest."""

    async def batch_postpone(self, keys: Sequence[Key], check_at: Millis) -> None: ...

    async def histories(self, keys: Sequence[Key]) -> Sequence[History | None]:
        """Notifications with their events and inbox state."""

    async def record(self, events: Sequence[Event], check_at: Mapping[Key, Millis] | None = None) -> None:
        """Appends events, each once (by `Event.id`), atomically per notification.

        Keeps `open` = owed deliveries: an event's first recording adds `opens` (`routed` replaces the initial 1 by its
        plan's size) and takes one away for the first event of a `settles` name. `cancelled` kinds are not written here.
        `check_at` sets the time of the next look for some. Events of unknown notifications are ignored.
        """

    async def begin(self, attempts: Sequence[Event]) -> Sequence[Begun]:
        """Records `sending` events before the provider is called (G3).

        Refused when an event of the same id exists already (told apart by `Event.token`), when the target's generation
        is settled (an answer came late, by webhook say), and when the notification is cancelled or unknown. After the
        first begun attempt a notification can't be cancelled.
        """

    async def cancel(self, key: Key, now: Millis) -> CancelResult:
        """Cancels unless an attempt was begun or an in-app delivery left. Takes it out of the inbox, open = 0.

        Repeating it answers `cancelled` again.
        """

    async def due(self, level: Level, now: Millis, limit: int) -> Sequence[History]:
        """Open notifications of the level whose `next_check_at` has come, the longest due first."""

    async def postpone(self, check_at: Mapping[Key, Millis]) -> None:
        """Sets `next_check_at`."""

    async def close(self, keys: Sequence[Key]) -> None:
        """Sets `open` to 0."""

    async def recheck_all(self, now: Millis) -> int:
        """Makes every open notification and unexpanded batch due now: the queue lost its data. Returns how many."""

    async def amend(self, notification: Notification) -> bool:
        """Replaces the content of a notification that was corrected by hand; its user, level and batch stay. False =
        there is no such notification."""

    async def batch_histories(self, key: Key, after: str, limit: int) -> Sequence[History]:
        """Members of a batch that have a row, in the order of their ids, from the one behind `after` on."""
