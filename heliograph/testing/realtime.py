"""The twins of presence cache, user streams and bus: their ports in memory.

Several of them share a `MemoryCache` as processes share a server; it can lose everything (`flush`) and go away
(`away`). Leases end by the clock that callers pass; streams never end by themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import structlog

from heliograph.core.errors import PresenceUnavailable
from heliograph.core.model import Key, Millis
from heliograph.core.ports import Appended, Position, PresenceLease, Receive, StreamEntry
from heliograph.core.routing import Presence

_KEPT: Final = 128

log = structlog.get_logger(component="bus")


class _Stream:
    def __init__(self, epoch: str) -> None:
        self.epoch = epoch
        self.entries: list[StreamEntry] = []

    @property
    def position(self) -> Position:
        return Position(self.epoch, len(self.entries))


class MemoryCache:
    """What a Redis server is to its clients."""

    def __init__(self) -> None:
        self.away = False
        self.leases: dict[Key, dict[tuple[str, str], Millis]] = {}
        self.streams: dict[Key, _Stream] = {}
        self._born = 0

    def flush(self) -> None:
        self.leases.clear()
        self.streams.clear()

    def reach(self) -> None:
        if self.away:
            raise PresenceUnavailable("away, as the test wants it")

    def live(self, user: Key, now: Millis) -> list[tuple[str, str]]:
        """(node, device) of the leases that haven't ended, the first to end first, as Redis has them."""
        leases = sorted(self.leases.get(user, {}).items(), key=lambda lease: (lease[1], lease[0]))
        return [place for place, ends in leases if ends > now]

    def stream(self, user: Key) -> _Stream:
        """The user's stream; a new one if there is none."""
        if user not in self.streams:
            self._born += 1
            self.streams[user] = _Stream(f"epoch-{self._born}")
        return self.streams[user]


class MemoryPresence:
    """Implements `PresenceCache`."""

    def __init__(self, cache: MemoryCache | None = None) -> None:
        self.cache = cache or MemoryCache()

    async def renew(self, leases: Sequence[PresenceLease], now: Millis, ttl_ms: int) -> None:
        self.cache.reach()
        for lease in leases:
            self.cache.leases.setdefault(lease.user, {})[lease.node, lease.device] = now + ttl_ms

    async def release(self, leases: Sequence[PresenceLease]) -> None:
        self.cache.reach()
        for lease in leases:
            self.cache.leases.get(lease.user, {}).pop((lease.node, lease.device), None)

    async def look(self, users: Sequence[Key], now: Millis) -> Sequence[Presence]:
        self.cache.reach()
        return [self._presence(user, now) for user in users]

    async def forget(self, user: Key) -> None:
        self.cache.reach()
        self.cache.leases.pop(user, None)
        self.cache.streams.pop(user, None)

    async def close(self) -> None:
        """Nothing to do."""

    def _presence(self, user: Key, now: Millis) -> Presence:
        places = self.cache.live(user, now)
        return Presence(
            nodes=frozenset(node for node, _ in places),
            devices=frozenset(device for _, device in places if device),
            known=user in self.cache.streams,
        )


class MemoryStreams:
    """Implements `UserStreams`. `kept` = how many entries a client can catch up on."""

    def __init__(self, cache: MemoryCache | None = None, *, kept: int = _KEPT) -> None:
        self.cache = cache or MemoryCache()
        self._kept = kept

    async def append(self, entries: Sequence[tuple[Key, str, bool, bytes]], now: Millis) -> Sequence[Appended | None]:
        self.cache.reach()
        return [self._append(*entry, now) for entry in entries]

    async def open_stream(self, user: Key) -> Position:
        self.cache.reach()
        return self.cache.stream(user).position

    async def since(self, user: Key, position: Position) -> Sequence[StreamEntry] | None:
        self.cache.reach()
        stream = self.cache.streams.get(user)
        if stream is None or stream.epoch != position.epoch:
            return None
        missed = len(stream.entries) - position.offset
        return stream.entries[position.offset :] if 0 <= missed <= self._kept else None

    async def close(self) -> None:
        """Nothing to do."""

    def _append(self, user: Key, notification_id: str, planned: bool, payload: bytes, now: Millis) -> Appended | None:
        nodes = tuple(dict.fromkeys(node for node, _ in self.cache.live(user, now)))
        if not nodes and user not in self.cache.streams:
            return None
        stream = self.cache.stream(user)
        offset = next((entry.offset for entry in stream.entries if entry.notification_id == notification_id), 0)
        if not offset:
            offset = len(stream.entries) + 1
            stream.entries.append(StreamEntry(offset, notification_id, planned, payload))
        return Appended(Position(stream.epoch, offset), nodes)


class MemoryBus:
    """Implements `Bus`; hands over at once. Share one instance between those who send and those who listen."""

    def __init__(self) -> None:
        self._nodes: dict[str, list[Receive]] = {}

    async def send(self, node: str, payload: bytes) -> None:
        for receive in self._nodes.get(_checked(node), []):
            try:
                await receive(payload)
            except Exception:
                log.exception("bug", action="receive", node=node)

    async def subscribe(self, node: str, receive: Receive) -> None:
        self._nodes.setdefault(_checked(node), []).append(receive)


def _checked(node: str) -> str:
    """Raises ValueError for what could not be a word of a NATS subject."""
    if not node or any(sign in node for sign in " .*>\r\n\t"):
        raise ValueError(f"not a node's name: {node!r}")
    return node
