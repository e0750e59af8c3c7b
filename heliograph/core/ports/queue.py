"""The message queue: lanes, pulled strictly by level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from heliograph.core.lanes import Lane, LaneItem
from heliograph.core.model import Level, Millis


class Pulled(msgspec.Struct):
    """One item in hand. `orphaned` = delivered before, to a worker that went silent; `deliveries` counts."""

    item: LaneItem
    level: Level
    orphaned: bool
    deliveries: int
    receipt: object
    """The queue's own; opaque."""
    admission: object = None
    """The consumer's own: by which it was pulled."""


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

    async def ready(self, lane: Lane) -> Level:
        """Returns when at least one item can be pulled at once: the most urgent level that has any."""

    async def pull(self, lane: Lane, limit: int) -> Sequence[Pulled]:
        """Items of the most urgent level that has any, up to `limit` or the first that takes their `weight` there;
        waits for the first. Items in hand are kept from redelivery until they are settled or this process dies."""

    async def settle(self, pulled: Sequence[Pulled]) -> None:
        """These items need no redelivery."""

    async def give_back(self, pulled: Sequence[Pulled]) -> None:
        """These items go back to their lane at once (the process is stopping)."""

    async def lanes(self) -> Mapping[tuple[str, Level], LaneState]:
        """State of every lane and level."""

    async def incarnation(self) -> str:
        """Changes when the queue lost its data (its streams were created anew)."""
