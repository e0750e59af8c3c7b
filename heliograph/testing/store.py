"""The in-memory twin of the store: what SQLite and MongoDB do, in the plainest words.

One dictionary per kind of object; every method does its work without awaiting, so it is atomic in its event loop.
Nothing survives the process. After `close_store` every call raises `StoreUnavailable`, until `open`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from heliograph.core.lifecycle import Event, History
from heliograph.core.model import PART, Batch, Engagement, InboxItem, Key, Level, Millis, Notification
from heliograph.core.ports import Accepted, Begun, CancelResult, DueBatch, InboxQuery, Mismatch, Reached, Submission
from heliograph.testing.store_people import MemoryPeople
from heliograph.testing.store_retention import MemoryRetention
from heliograph.testing.store_rows import KeptBatch, Sent, marked, merged
from heliograph.testing.store_topics import MemoryTopics


class MemoryStore(MemoryPeople, MemoryTopics, MemoryRetention):
    """Implements `core.ports.Store`."""

    async def open(self) -> None:
        self._open = True

    async def ping(self) -> None:
        assert self._kept

    def in_use(self) -> int:
        return 0

    async def close_store(self) -> None:
        self._open = False

    # --- sending ------------------------------------------------------------------------------------------------------

    async def accept(self, submissions: Sequence[Submission]) -> Sequence[Accepted | Mismatch]:
        return [self._accept(submission) for submission in submissions]

    def _accept(self, submission: Submission) -> Accepted | Mismatch:
        answer = Accepted(submission.id)
        if submission.idempotency:
            claim = Key(submission.tenant, submission.idempotency.key)
            first, answer = self._kept.claims.setdefault(claim, (submission, answer))
            if first.idempotency and first.idempotency.fingerprint != submission.idempotency.fingerprint:
                return Mismatch()
            if first.id != submission.id:
                return replace(answer, replayed=True)
        for user in submission.users:
            self._kept.users[user.key] = merged(self._kept.users.get(user.key), user)
        if submission.notification:
            self._add(submission.notification, submission.check_at)
        if submission.batch:
            batch = submission.batch
            begin = Reached(batch.key, batch.level, "", batch.created_at)
            self._kept.batches.setdefault(batch.key, KeptBatch(batch, submission.check_at, begin))
        return answer

    def _add(self, notification: Notification, check_at: Millis) -> None:
        self._kept.sent.setdefault(notification.key, Sent(notification, check_at))

    async def expand(self, notifications: Sequence[Notification], check_at: Millis, reached: Reached) -> None:
        for notification in notifications:
            self._add(notification, check_at)
        if reached.key in self._kept.batches:
            kept = self._kept.batches[reached.key]
            kept.reached, kept.check_at = reached, check_at

    async def batch(self, key: Key, start: int = 0, limit: int | None = None) -> Batch | None:
        found = self._kept.batches.get(key)
        if found is None or limit is None or not found.batch.sends:
            return found.batch if found else None
        whole, parts = found.batch.divided()
        return whole.joined(start // PART, parts[start // PART : (start + limit - 1) // PART + 1])

    async def batches_due(self, now: Millis, limit: int) -> Sequence[DueBatch]:
        due = [kept for kept in self._unexpanded() if kept.check_at <= now]
        return [
            kept.due for kept in sorted(due, key=lambda k: (k.reached.level, k.batch.created_at, k.batch.id))[:limit]
        ]

    def _unexpanded(self) -> list[KeptBatch]:
        return [kept for kept in self._kept.batches.values() if not kept.reached.done]

    async def batch_postpone(self, keys: Sequence[Key], check_at: Millis) -> None:
        for key in keys:
            if key in self._kept.batches:
                self._kept.batches[key].check_at = check_at

    async def batch_histories(self, key: Key, after: str, limit: int) -> Sequence[History]:
        found = {
            sent.notification.id: sent
            for sent in self._kept.sent.values()
            if Key(sent.notification.tenant, sent.notification.batch_id or "") == key
        }
        return [found[one].history() for one in sorted(found) if one > after][:limit]

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
        settled = any(known.settles == event.owed for known in sent.events)
        if ours or (not sent.cancelled and not settled and sent.add(event)):
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

    def _open_ones(self) -> list[Sent]:
        return [sent for sent in self._kept.sent.values() if sent.open > 0]

    async def postpone(self, check_at: Mapping[Key, Millis]) -> None:
        for key, at in check_at.items():
            if key in self._kept.sent:
                self._kept.sent[key].check_at = at

    async def close(self, keys: Sequence[Key]) -> None:
        for key in keys:
            if key in self._kept.sent:
                self._kept.sent[key].open = 0

    async def amend(self, notification: Notification) -> bool:
        sent = self._kept.sent.get(notification.key)
        if sent:
            sent.notification = notification
        return sent is not None

    async def recheck_all(self, now: Millis) -> int:
        open_ones = self._open_ones()
        for sent in open_ones:
            sent.check_at = min(sent.check_at, now)
        waiting = self._unexpanded()
        for kept in waiting:
            kept.check_at = min(kept.check_at, now)
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

    def _of(self, user: Key) -> list[Sent]:
        return [sent for sent in self._kept.sent.values() if sent.notification.user_key == user]

    async def unread(self, users: Sequence[Key]) -> Sequence[int]:
        return [sum(sent.unread for sent in self._of(user)) for user in users]

    async def engage(self, user: Key, notification_id: str, mark: Engagement, now: Millis) -> InboxItem | None:
        sent = self._kept.sent.get(Key(user.tenant, notification_id))
        if sent is None or sent.notification.user_key != user or not sent.in_inbox:
            return None
        sent.state = marked(sent.state, mark, now)
        return InboxItem(sent.notification, sent.state)

    async def read_all(self, user: Key, now: Millis) -> int:
        found = [sent for sent in self._of(user) if sent.unread]
        for sent in found:
            sent.state = marked(sent.state, "read", now)
        return len(found)
