"""The in-memory twin of the store: topics and their subscribers."""

from __future__ import annotations

from collections.abc import Sequence

from heliograph.core.model import Key
from heliograph.testing.store_rows import Kept


class MemoryTopics:
    """Implements `core.ports.TopicStore`."""

    @property
    def _kept(self) -> Kept:
        raise NotImplementedError

    async def subscribe(self, topic: Key, users: Sequence[str]) -> int:
        added = {(topic, user) for user in users} - self._kept.subscriptions
        self._kept.subscriptions |= added
        return len(added)

    async def unsubscribe(self, topic: Key, users: Sequence[str]) -> int:
        gone = {(topic, user) for user in users} & self._kept.subscriptions
        self._kept.subscriptions -= gone
        return len(gone)

    async def subscribers(self, topic: Key, after: str, limit: int) -> Sequence[str]:
        return sorted(user for of, user in self._kept.subscriptions if of == topic and user > after)[:limit]

    async def subscriber_count(self, topic: Key) -> int:
        return sum(of == topic for of, _ in self._kept.subscriptions)

    async def topics_of(self, user: Key) -> Sequence[str]:
        return sorted(of.id for of, who in self._kept.subscriptions if Key(of.tenant, who) == user)
