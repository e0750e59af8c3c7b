"""What the roles need from the outside world: one Protocol per port.

Each has one implementation in `backends/` or `providers/` (two for the store) and one in-memory twin in
`heliograph/testing.py`; one contract suite in `tests/contract/` runs against all of them. Every method that takes a
sequence answers with one of the same length and order, and costs the backend a constant number of commands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

import msgspec

from heliograph.core.lanes import Lane, LaneItem
from heliograph.core.lifecycle import Event, History
from heliograph.core.model import (
    Batch,
    Device,
    Engagement,
    InboxItem,
    Key,
    Level,
    Mail,
    Millis,
    Notification,
    PushMessage,
    Recipient,
    User,
)
from heliograph.core.outcomes import ProviderOutcome
from heliograph.core.routing import Presence

# --- store: sending --------------------------------------------------------------------------------------------------


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


class Accepted(msgspec.Struct, frozen=True):
    """`id` is on disk. `replayed` = it already was, under the same idempotency key and body; `count`: its size."""

    id: str
    replayed: bool = False
    count: int | None = None
    """Members of a batch; None for a single notification."""


class Mismatch(msgspec.Struct, frozen=True):
    """The idempotency key belongs to another body. Nothing was stored."""


class Begun(msgspec.Struct, frozen=True):
    """Whether the attempt was begun by this very event, and if not, what stands in its way."""

    begun: bool
    history: History | None = None
    """Only when refused; None then = the notification doesn't exist (erased)."""


CancelResult = Literal["cancelled", "already_left", "not_found"]


class NotificationStore(Protocol):
    async def accept(self, submissions: Sequence[Submission]) -> Sequence[Accepted | Mismatch]:
        """Writes them durably in one commit (G1). Submissions with the same idempotency key, here or in a rival
        process, all get the id of one of them. Inline users are upserted (given fields overwrite, absent ones stay).

        Raises:
            StoreUnavailable: nothing of it is promised.
        """

    async def expand(self, notifications: Sequence[Notification], check_at: Millis) -> None:
        """Writes members of a batch; those that exist already stay as they are."""

    async def batch(self, key: Key) -> Batch | None: ...

    async def batches_due(self, now: Millis, limit: int) -> Sequence[Batch]:
        """Batches not marked expanded whose `check_at` has come, the most urgent level first, then oldest."""

    async def batch_expanded(self, key: Key) -> None:
        """Every member has its row: nothing more to recover."""

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

        Refused when an event of the same id exists already (told apart by `Event.token`), when the notification is
        cancelled or unknown. After the first begun attempt a notification can't be cancelled.
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

    async def batch_histories(self, key: Key) -> Sequence[History]:
        """All members of a batch that have a row."""


# --- store: inbox -----------------------------------------------------------------------------------------------------


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


# --- store: people, access, dead letters ---------------------------------------------------------------------------


class UserStore(Protocol):
    async def put_user(self, user: User) -> User:
        """Replaces the user's fields."""

    async def user(self, key: Key) -> User | None: ...

    async def recipients(self, keys: Sequence[Key]) -> Sequence[Recipient]:
        """Users with their devices; unknown users as `Recipient(None)`."""

    async def erase_user(self, key: Key) -> bool:
        """Deletes the user, devices, notifications, events and dead letters. False = nothing was known."""

    async def add_device(self, device: Device) -> Device:
        """Registers a device. A (kind, value) belongs to one user of a tenant at a time: registering it again
        refreshes its time, or moves it; the stored device (with its first id) is returned."""

    async def devices(self, user: Key) -> Sequence[Device]: ...

    async def remove_devices(self, user_devices: Sequence[tuple[Key, str]]) -> Sequence[bool]:
        """Removes (user, device id) pairs; False where there was none."""

    async def suppressed(self, addresses: Sequence[Key]) -> Sequence[str | None]:
        """Per (tenant, address): the reason it must not be written to, or None. Case-insensitive."""

    async def suppress(self, address: Key, reason: str, now: Millis) -> None: ...


class ApiKey(msgspec.Struct, frozen=True):
    """A server key. Only its SHA-256 is stored; `prefix` is what a person may see of it."""

    digest: str
    tenant: str
    prefix: str
    created_at: Millis


class AccessStore(Protocol):
    async def add_key(self, key: ApiKey) -> None: ...

    async def api_key(self, digest: str) -> ApiKey | None: ...

    async def keep(self, name: str, value: str) -> str:
        """Stores a setting of the installation unless there is one; returns the one that stands."""

    async def replace(self, name: str, value: str) -> None:
        """Stores a setting of the installation, whatever stood there."""

    async def lease(self, name: str, holder: str, now: Millis, until: Millis) -> bool:
        """Takes or renews a lease that nobody else holds at `now`."""


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """An item that will not be tried again by itself. `id` = notification id + target."""

    tenant: str
    notification_id: str
    target: str
    lane: str
    level: Level
    cause: str
    detail: str = ""
    attempts: int = 0
    at: Millis
    item: bytes = b""
    """The whole lane item, msgpack."""

    @property
    def id(self) -> str:
        return f"{self.notification_id}:{self.target}"

    @property
    def channel(self) -> str:
        return self.target.partition(":")[0] or "routing"


class DeadGroup(msgspec.Struct, frozen=True):
    cause: str
    count: int
    oldest_at: Millis
    example: DeadLetter


class DeadLetterStore(Protocol):
    async def bury(self, letters: Sequence[DeadLetter]) -> None:
        """Keeps dead letters; the same id again replaces the older one."""

    async def dead_groups(self, tenant: str, channel: str | None) -> Sequence[DeadGroup]:
        """Grouped by cause, the largest first."""

    async def dead_letters(
        self, tenant: str, *, cause: str | None = None, ids: Sequence[str] | None = None, limit: int = 10_000
    ) -> Sequence[DeadLetter]:
        """By cause or by ids (of dead letters or of notifications), most urgent first, then oldest."""

    async def unbury(self, letters: Sequence[DeadLetter]) -> None:
        """Forgets them: they were replayed."""

    async def dead_count(self) -> int: ...


class Store(NotificationStore, InboxStore, UserStore, AccessStore, DeadLetterStore, Protocol):
    async def open(self) -> None:
        """Connects and creates what is missing (tables, indexes). Raises `StoreUnavailable`."""

    async def ping(self) -> None:
        """Raises `StoreUnavailable` unless the store answers and can write."""

    async def close_store(self) -> None: ...


# --- queue ------------------------------------------------------------------------------------------------------------


class Pulled(msgspec.Struct):
    """One item in hand. `orphaned` = delivered before, to a worker that went silent; `deliveries` counts."""

    item: LaneItem
    level: Level
    orphaned: bool
    deliveries: int
    receipt: object
    """The queue's own; opaque."""


class LaneState(msgspec.Struct, frozen=True):
    """In notifications, retry lane included. `oldest_at`: when the oldest waiting or in-flight message was sent."""

    depth: int
    in_flight: int
    oldest_at: Millis | None


class Queue(Protocol):
    async def publish(self, lane: Lane, items: Sequence[LaneItem]) -> None:
        """Packs items by level and publishes them. Raises `QueueUnavailable` (some may have been taken)."""

    async def publish_later(self, lane: Lane, items: Sequence[tuple[LaneItem, Millis]]) -> None:
        """Publishes each into its level's retry lane at its time."""

    async def ready(self, lane: Lane) -> None:
        """Returns when at least one item of any level can be pulled at once."""

    async def pull(self, lane: Lane, limit: int) -> Sequence[Pulled]:
        """Up to `limit` items, all of the most urgent level that has any; waits for the first. Items in hand are kept
        from redelivery until they are settled or this process dies."""

    async def settle(self, pulled: Sequence[Pulled]) -> None:
        """These items need no redelivery."""

    async def give_back(self, pulled: Sequence[Pulled]) -> None:
        """These items go back to their lane at once (the process is stopping)."""

    async def lanes(self) -> Mapping[tuple[str, Level], LaneState]:
        """State of every lane and level."""

    async def incarnation(self) -> str:
        """Changes when the queue lost its data (its streams were created anew)."""


# --- presence, real time, pace ---------------------------------------------------------------------------------------


class PresenceLease(msgspec.Struct, frozen=True):
    """A user has at least one live connection on `node`; `device` = that of a device's own connection, else empty."""

    user: Key
    node: str
    device: str = ""


class PresenceCache(Protocol):
    async def renew(self, leases: Sequence[PresenceLease], now: Millis, ttl_ms: int) -> None:
        """Takes or renews leases, in one round trip."""

    async def release(self, leases: Sequence[PresenceLease]) -> None: ...

    async def look(self, users: Sequence[Key], now: Millis) -> Sequence[Presence]:
        """In one round trip. Raises `PresenceUnavailable`."""

    async def forget(self, user: Key) -> None:
        """Erases what is known of a user: leases and stream."""


class StreamEntry(msgspec.Struct, frozen=True, array_like=True):
    """One entry of a user's stream: what a client is owed at `offset`. `payload` = the inbox item as JSON text."""

    offset: int
    notification_id: str
    planned: bool
    payload: bytes


class Position(msgspec.Struct, frozen=True, array_like=True):
    """A place in a user's stream. A new epoch means that the stream began anew: nothing before it can be resumed."""

    epoch: str
    offset: int


class Appended(msgspec.Struct, frozen=True):
    """Where an entry stands, and the nodes that hold the user's connections at that very moment."""

    position: Position
    nodes: tuple[str, ...]


class UserStreams(Protocol):
    """A short, numbered history per user, so that a client resumes without the store."""

    async def append(self, entries: Sequence[tuple[Key, str, bool, bytes]], now: Millis) -> Sequence[Appended | None]:
        """Appends (user, notification id, planned, payload) entries in one round trip.

        The same notification again keeps its first offset. None where the user has no stream (nobody connected
        lately). Reading the nodes happens in the same step, so that a client that connects concurrently either finds
        the entry or is found. Raises `PresenceUnavailable`.
        """

    async def open_stream(self, user: Key) -> Position:
        """The stream's newest position; creates the stream if there is none, and keeps it alive."""

    async def since(self, user: Key, position: Position) -> Sequence[StreamEntry] | None:
        """Everything after `position`, oldest first; None = can't be resumed (other epoch, or too long ago)."""


class Bus(Protocol):
    """Messages between boxes that nobody must keep: to a real-time node, at most once."""

    async def send(self, node: str, payload: bytes) -> None: ...

    async def subscribe(self, node: str, receive: Receive) -> None:
        """Calls `receive(payload)` for every message to `node` from now on."""


class Receive(Protocol):
    async def __call__(self, payload: bytes) -> None: ...


class RateLimiter(Protocol):
    async def take(self, bucket: str, wanted: int, rate_per_s: float, now: Millis) -> tuple[int, float]:
        """Takes up to `wanted` tokens of a bucket that all processes share. Returns (granted, seconds until the next
        token); a bucket holds at most one second's worth."""


# --- providers --------------------------------------------------------------------------------------------------------


class MailProvider(Protocol):
    name: str

    async def send(self, mail: Mail) -> ProviderOutcome: ...

    async def close(self) -> None: ...


class PushProvider(Protocol):
    name: str
    kinds: frozenset[str]

    async def send(self, message: PushMessage) -> ProviderOutcome: ...

    async def close(self) -> None: ...


class Clock(Protocol):
    def __call__(self) -> Millis:
        """Milliseconds since the epoch, UTC."""
