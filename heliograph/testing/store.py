"""The in-memory twin of the store: what SQLite and MongoDB do, in the plainest words.

One dictionary per kind of object; every method does its work without awaiting, so it is atomic in its event loop.
Nothing survives the process. After `close_store` every call raises `StoreUnavailable`, until `open`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from heliograph.core.errors import StoreUnavailable
from heliograph.core.lifecycle import Event, History
from heliograph.core.model import (
    Batch,
    Device,
    Engagement,
    InboxItem,
    InboxState,
    Key,
    Level,
    Millis,
    Notification,
    Recipient,
    User,
)
from heliograph.core.ports import (
    Accepted,
    ApiKey,
    Begun,
    CancelResult,
    DeadGroup,
    DeadLetter,
    InboxQuery,
    Mismatch,
    Submission,
)


@dataclass
class _Sent:
    """A notification and what became of it."""

    notification: Notification
    check_at: Millis
    open: int = 1
    cancelled: bool = False
    state: InboxState = InboxState()
    events: list[Event] = field(default_factory=list)

    def history(self) -> History:
        return History(self.notification, tuple(self.events), self.state, self.open, self.cancelled)

    def add(self, event: Event) -> bool:
        """False = it was there already."""
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
        return self.notification.in_inbox and not self.cancelled

    @property
    def unread(self) -> bool:
        return self.in_inbox and self.state.read_at is None and self.state.archived_at is None


@dataclass
class _Kept:
    """Everything the store holds."""

    sent: dict[Key, _Sent] = field(default_factory=dict)
    batches: dict[Key, tuple[Batch, Millis]] = field(default_factory=dict)
    expanded: set[Key] = field(default_factory=set)
    claims: dict[Key, tuple[Submission, Accepted]] = field(default_factory=dict)
    users: dict[Key, User] = field(default_factory=dict)
    devices: list[Device] = field(default_factory=list)
    suppressed: dict[Key, str] = field(default_factory=dict)
    keys: dict[str, ApiKey] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    leases: dict[str, tuple[str, Millis]] = field(default_factory=dict)
    letters: dict[Key, DeadLetter] = field(default_factory=dict)


class MemoryStore:
    """Implements `core.ports.Store`."""

    def __init__(self) -> None:
        self._everything = _Kept()
        self._open = True

    @property
    def _kept(self) -> _Kept:
        if not self._open:
            raise StoreUnavailable("the store is closed")
        return self._everything

    async def open(self) -> None:
        self._open = True

    async def ping(self) -> None:
        assert self._kept

    async def close_store(self) -> None:
        self._open = False

    # --- sending ------------------------------------------------------------------------------------------------------

    async def accept(self, submissions: Sequence[Submission]) -> Sequence[Accepted | Mismatch]:
        return [self._accept(submission) for submission in submissions]

    def _accept(self, submission: Submission) -> Accepted | Mismatch:
        answer = Accepted(submission.id, count=len(submission.batch.users) if submission.batch else None)
        if submission.idempotency:
            claim = Key(submission.tenant, submission.idempotency.key)
            first, answer = self._kept.claims.setdefault(claim, (submission, answer))
            if first.idempotency and first.idempotency.fingerprint != submission.idempotency.fingerprint:
                return Mismatch()
            if first.id != submission.id:
                return replace(answer, replayed=True)
        for user in submission.users:
            self._kept.users[user.key] = _merged(self._kept.users.get(user.key), user)
        if submission.notification:
            self._add(submission.notification, submission.check_at)
        if submission.batch:
            key = Key(submission.tenant, submission.batch.id)
            self._kept.batches.setdefault(key, (submission.batch, submission.check_at))
        return answer

    def _add(self, notification: Notification, check_at: Millis) -> None:
        self._kept.sent.setdefault(notification.key, _Sent(notification, check_at))

    async def expand(self, notifications: Sequence[Notification], check_at: Millis) -> None:
        for notification in notifications:
            self._add(notification, check_at)

    async def batch(self, key: Key) -> Batch | None:
        found = self._kept.batches.get(key)
        return found[0] if found else None

    async def batches_due(self, now: Millis, limit: int) -> Sequence[Batch]:
        kept = self._kept
        due = [b for key, (b, check_at) in kept.batches.items() if key not in kept.expanded and check_at <= now]
        return sorted(due, key=lambda b: (b.level, b.created_at, b.id))[:limit]

    async def batch_expanded(self, key: Key) -> None:
        self._kept.expanded.add(key)

    async def batch_postpone(self, keys: Sequence[Key], check_at: Millis) -> None:
        for key in keys:
            if key in self._kept.batches:
                self._kept.batches[key] = (self._kept.batches[key][0], check_at)

    async def batch_histories(self, key: Key) -> Sequence[History]:
        found = [
            s for s in self._kept.sent.values() if Key(s.notification.tenant, s.notification.batch_id or "") == key
        ]
        return [sent.history() for sent in sorted(found, key=lambda sent: sent.notification.id)]

    # --- progress -----------------------------------------------------------------------------------------------------

    async def histories(self, keys: Sequence[Key]) -> Sequence[History | None]:
        found = [self._kept.sent.get(key) for key in keys]
        return [sent.history() if sent else None for sent in found]

    async def record(self, events: Sequence[Event], check_at: Mapping[Key, Millis] | None = None) -> None:
        for event in events:
            if event.kind != "cancelled" and event.key in self._kept.sent:
                self._kept.sent[event.key].add(event)
        await self.postpone(check_at or {})

    async def begin(self, attempts: Sequence[Event]) -> Sequence[Begun]:
        return [self._begin(event) for event in attempts]

    def _begin(self, event: Event) -> Begun:
        sent = self._kept.sent.get(event.key)
        if sent is None:
            return Begun(begun=False)
        ours = any(known.id == event.id and known.token == event.token for known in sent.events)
        if ours or (not sent.cancelled and sent.add(event)):
            return Begun(begun=True)
        return Begun(begun=False, history=sent.history())

    async def cancel(self, key: Key, now: Millis) -> CancelResult:
        sent = self._kept.sent.get(key)
        if sent is None:
            return "not_found"
        if not sent.cancelled and (sent.left or sent.open == 0):
            return "already_left"
        if not sent.cancelled:
            sent.cancelled = True
            sent.add(Event(tenant=key.tenant, notification_id=key.id, at=now, kind="cancelled"))
        return "cancelled"

    async def due(self, level: Level, now: Millis, limit: int) -> Sequence[History]:
        found = [s for s in self._open_ones() if s.notification.level == level and s.check_at <= now]
        return [sent.history() for sent in sorted(found, key=lambda sent: sent.check_at)[:limit]]

    def _open_ones(self) -> list[_Sent]:
        return [sent for sent in self._kept.sent.values() if sent.open > 0]

    async def postpone(self, check_at: Mapping[Key, Millis]) -> None:
        for key, at in check_at.items():
            if key in self._kept.sent:
                self._kept.sent[key].check_at = at

    async def close(self, keys: Sequence[Key]) -> None:
        for key in keys:
            if key in self._kept.sent:
                self._kept.sent[key].open = 0

    async def recheck_all(self, now: Millis) -> int:
        open_ones = self._open_ones()
        for sent in open_ones:
            sent.check_at = min(sent.check_at, now)
        waiting = {k: b for k, b in self._kept.batches.items() if k not in self._kept.expanded}
        self._kept.batches.update({key: (batch, min(at, now)) for key, (batch, at) in waiting.items()})
        return len(open_ones) + len(waiting)

    # --- inbox --------------------------------------------------------------------------------------------------------

    async def inbox(self, query: InboxQuery) -> Sequence[InboxItem]:
        found = [
            InboxItem(sent.notification, sent.state)
            for sent in self._of(query.user)
            if sent.in_inbox
            and (sent.state.archived_at is not None) == query.archived
            and query.unread in (None, sent.state.read_at is None)
            and query.category in (None, sent.notification.category)
            and (query.before is None or sent.notification.id < query.before)
        ]
        return sorted(found, key=lambda item: item.notification.id, reverse=True)[: query.limit]

    def _of(self, user: Key) -> list[_Sent]:
        return [sent for sent in self._kept.sent.values() if sent.notification.user_key == user]

    async def unread(self, users: Sequence[Key]) -> Sequence[int]:
        return [sum(sent.unread for sent in self._of(user)) for user in users]

    async def engage(self, user: Key, notification_id: str, mark: Engagement, now: Millis) -> InboxItem | None:
        sent = self._kept.sent.get(Key(user.tenant, notification_id))
        if sent is None or sent.notification.user_key != user or not sent.in_inbox:
            return None
        sent.state = _marked(sent.state, mark, now)
        return InboxItem(sent.notification, sent.state)

    async def read_all(self, user: Key, now: Millis) -> int:
        found = [sent for sent in self._of(user) if sent.unread]
        for sent in found:
            sent.state = _marked(sent.state, "read", now)
        return len(found)

    # --- people -------------------------------------------------------------------------------------------------------

    async def put_user(self, user: User) -> User:
        self._kept.users[user.key] = user
        return user

    async def user(self, key: Key) -> User | None:
        return self._kept.users.get(key)

    async def recipients(self, keys: Sequence[Key]) -> Sequence[Recipient]:
        return [Recipient(self._kept.users.get(key), tuple(await self.devices(key))) for key in keys]

    async def erase_user(self, key: Key) -> bool:
        kept, theirs = self._kept, {sent.notification.key for sent in self._of(key)}
        known = bool(theirs) or key in kept.users or bool(await self.devices(key))
        kept.users.pop(key, None)
        kept.devices = [device for device in kept.devices if Key(device.tenant, device.user) != key]
        kept.sent = {k: sent for k, sent in kept.sent.items() if k not in theirs}
        kept.claims = {k: c for k, c in kept.claims.items() if Key(k.tenant, c[1].id) not in theirs}
        kept.letters = {k: d for k, d in kept.letters.items() if Key(d.tenant, d.notification_id) not in theirs}
        return known

    async def add_device(self, device: Device) -> Device:
        same = (device.tenant, device.kind, device.value)
        first = next((d for d in self._kept.devices if (d.tenant, d.kind, d.value) == same), device)
        stored = replace(device, id=first.id)
        self._kept.devices = [*(d for d in self._kept.devices if d is not first), stored]
        return stored

    async def devices(self, user: Key) -> Sequence[Device]:
        return sorted((d for d in self._kept.devices if Key(d.tenant, d.user) == user), key=lambda d: d.id)

    async def remove_devices(self, user_devices: Sequence[tuple[Key, str]]) -> Sequence[bool]:
        return [self._remove_device(user, device_id) for user, device_id in user_devices]

    def _remove_device(self, user: Key, device_id: str) -> bool:
        before = self._kept.devices
        self._kept.devices = [d for d in before if (Key(d.tenant, d.user), d.id) != (user, device_id)]
        return len(self._kept.devices) < len(before)

    async def suppressed(self, addresses: Sequence[Key]) -> Sequence[str | None]:
        return [self._kept.suppressed.get(_folded(address)) for address in addresses]

    async def suppress(self, address: Key, reason: str, now: Millis) -> None:  # noqa: ARG002
        self._kept.suppressed.setdefault(_folded(address), reason)

    # --- access -------------------------------------------------------------------------------------------------------

    async def add_key(self, key: ApiKey) -> None:
        self._kept.keys[key.digest] = key

    async def api_key(self, digest: str) -> ApiKey | None:
        return self._kept.keys.get(digest)

    async def keep(self, name: str, value: str) -> str:
        return self._kept.settings.setdefault(name, value)

    async def replace(self, name: str, value: str) -> None:
        self._kept.settings[name] = value

    async def lease(self, name: str, holder: str, now: Millis, until: Millis) -> bool:
        other, their_until = self._kept.leases.get(name, (holder, now))
        if other != holder and their_until > now:
            return False
        self._kept.leases[name] = (holder, until)
        return True

    # --- dead letters -------------------------------------------------------------------------------------------------

    async def bury(self, letters: Sequence[DeadLetter]) -> None:
        self._kept.letters.update({Key(letter.tenant, letter.id): letter for letter in letters})

    async def dead_groups(self, tenant: str, channel: str | None) -> Sequence[DeadGroup]:
        groups: dict[str, list[DeadLetter]] = {}
        for letter in self._kept.letters.values():
            if letter.tenant == tenant and channel in (None, letter.channel):
                groups.setdefault(letter.cause, []).append(letter)
        oldest = {cause: min(letters, key=lambda letter: letter.at) for cause, letters in groups.items()}
        found = [DeadGroup(cause, len(groups[cause]), first.at, first) for cause, first in oldest.items()]
        return sorted(found, key=lambda group: (-group.count, group.cause))

    async def dead_letters(
        self, tenant: str, *, cause: str | None = None, ids: Sequence[str] | None = None, limit: int = 10_000
    ) -> Sequence[DeadLetter]:
        found = [
            letter
            for letter in self._kept.letters.values()
            if letter.tenant == tenant
            and cause in (None, letter.cause)
            and (ids is None or letter.id in ids or letter.notification_id in ids)
        ]
        return sorted(found, key=lambda letter: (letter.level, letter.at, letter.id))[:limit]

    async def unbury(self, letters: Sequence[DeadLetter]) -> None:
        for letter in letters:
            kept = self._kept.letters.get(Key(letter.tenant, letter.id))
            if kept and kept.at == letter.at:
                del self._kept.letters[Key(letter.tenant, letter.id)]

    async def dead_count(self) -> int:
        return len(self._kept.letters)


def _merged(old: User | None, given: User) -> User:
    """Given fields overwrite, absent ones stay."""
    if old is None:
        return given
    absent = {name: getattr(old, name) for name in given.__struct_fields__ if getattr(given, name) is None}
    return replace(given, updated_at=max(old.updated_at, given.updated_at), **absent)


def _marked(state: InboxState, mark: Engagement, now: Millis) -> InboxState:
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


def _folded(address: Key) -> Key:
    return Key(address.tenant, address.id.casefold())
