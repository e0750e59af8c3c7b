"""Presence, user streams and the bus: what the real-time side needs of the cache, all of it may be lost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from heliograph.core.model import Key, Millis
from heliograph.core.routing import Presence


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
