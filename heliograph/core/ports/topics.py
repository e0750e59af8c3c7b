"""Store: topics and their subscribers. A topic exists while somebody is subscribed to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from heliograph.core.model import Key


class TopicStore(Protocol):
    async def subscribe(self, topic: Key, users: Sequence[str]) -> int:
        """Returns how many of them weren't subscribed before. Nothing needs to be known of a user but the id."""

    async def unsubscribe(self, topic: Key, users: Sequence[str]) -> int:
        """Returns how many of them were subscribed."""

    async def subscribers(self, topic: Key, after: str, limit: int) -> Sequence[str]:
        """Users in the order of their ids (by code point), from the one behind `after` on."""

    async def subscriber_count(self, topic: Key) -> int: ...

    async def topics_of(self, user: Key) -> Sequence[str]:
        """The topics that a user is subscribed to, in order."""
