"""A real-time node without sockets and servers: clients are links that note what they get, time stands in a field."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from heliograph.access import UserTokens
from heliograph.core.errors import PresenceUnavailable, StoreUnavailable
from heliograph.core.frames import NotificationFrame, pack_notifications
from heliograph.core.lifecycle import Event
from heliograph.core.model import InboxItem, InboxState, Key, Notification
from heliograph.core.ports import Appended, Position, PresenceLease, Receive, StreamEntry
from heliograph.core.routing import Presence
from heliograph.roles.realtime import Limits, RealtimeNode
from heliograph.roles.realtime.connection import Connection

SECRET = "a-secret-for-user-tokens-of-32-bytes"
ANNA = Key("default", "anna")
BERT = Key("default", "bert")


class Time:
    """Wall clock and monotonic clock in one: `now` in seconds."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def clock(self) -> int:
        return int(self.now * 1000)

    def monotonic(self) -> float:
        return self.now


class Link:
    """The far end of a connection."""

    def __init__(self) -> None:
        self.frames: list[dict[str, Any]] = []
        self.closed: int | None = None
        self.aborted = False

    def send(self, text: bytes) -> None:
        assert self.closed is None, "a frame after the close frame"
        self.frames.append(json.loads(text))

    def close(self, code: int, reason: str) -> None:
        assert self.closed is None, "closed twice"
        self.closed = code

    def abort(self) -> None:
        self.aborted = True

    def got(self, kind: str) -> list[dict[str, Any]]:
        return [frame for frame in self.frames if frame["t"] == kind]

    @property
    def offsets(self) -> list[int]:
        return [frame["offset"] for frame in self.got("notification")]


class Cache:
    """Presence and streams as the Redis backend keeps them: `away` = nothing answers, `wipe` = it lost its data."""

    def __init__(self, kept: int = 1000) -> None:
        self.leases: dict[PresenceLease, int] = {}
        self.streams: dict[Key, tuple[str, list[StreamEntry]]] = {}
        self.away = False
        self.kept = kept
        self.calls: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self._epochs = 0

    async def _enter(self, call: str) -> None:
        self.calls.append(call)
        await asyncio.sleep(0)
        await self.gate.wait()
        if self.away:
            raise PresenceUnavailable("away")

    def wipe(self) -> None:
        self.leases.clear()
        self.streams.clear()

    async def renew(self, leases: Sequence[PresenceLease], now: int, ttl_ms: int) -> None:
        await self._enter(f"renew {len(leases)}")
        for lease in leases:
            self.leases[lease] = now + ttl_ms

    async def release(self, leases: Sequence[PresenceLease]) -> None:
        await self._enter(f"release {len(leases)}")
        for lease in leases:
            self.leases.pop(lease, None)

    async def look(self, users: Sequence[Key], now: int) -> Sequence[Presence]:
        await self._enter("look")
        return [self.presence(user, now) for user in users]

    def presence(self, user: Key, now: int) -> Presence:
        live = [lease for lease, until in self.leases.items() if lease.user == user and until > now]
        return Presence(
            frozenset(lease.node for lease in live), frozenset(lease.device for lease in live if lease.device)
        )

    async def forget(self, user: Key) -> None:
        self.streams.pop(user, None)

    def stream(self, user: Key) -> tuple[str, list[StreamEntry]]:
        if user not in self.streams:
            self._epochs += 1
            self.streams[user] = (f"epoch-{self._epochs}", [])
        return self.streams[user]

    def put(self, user: Key, notification_id: str, planned: bool = True) -> NotificationFrame:
        epoch, entries = self.stream(user)
        entry = StreamEntry(len(entries) + 1, notification_id, planned, b'{"id":"%b"}' % notification_id.encode())
        entries.append(entry)
        return NotificationFrame(user, epoch, entry)

    async def append(self, entries: Sequence[tuple[Key, str, bool, bytes]], now: int) -> Sequence[Appended | None]:
        raise NotImplementedError

    async def open_stream(self, user: Key) -> Position:
        await self._enter("open_stream")
        epoch, entries = self.stream(user)
        return Position(epoch, len(entries))

    async def since(self, user: Key, position: Position) -> Sequence[StreamEntry] | None:
        await self._enter("since")
        epoch, entries = self.stream(user)
        if position.epoch != epoch or position.offset > len(entries) or len(entries) - position.offset > self.kept:
            return None
        return entries[position.offset :]


class Bus:
    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes]] = []
        self.nodes: dict[str, Receive] = {}

    async def send(self, node: str, payload: bytes) -> None:
        self.sent.append((node, payload))
        if node in self.nodes:
            await self.nodes[node](payload)

    async def subscribe(self, node: str, receive: Receive) -> None:
        self.nodes[node] = receive


class Inbox:
    """The part of the store that real time uses. `failures` = how many of the next calls find it away."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.records = 0
        self.counts: dict[Key, int] = {}
        self.count_calls: list[list[Key]] = []
        self.items: dict[tuple[Key, str], InboxState] = {}
        self.failures = 0

    async def _enter(self) -> None:
        await asyncio.sleep(0)
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable("away")

    async def record(self, events: Sequence[Event], check_at: object = None) -> None:
        self.records += 1
        await self._enter()
        self.events.extend(events)

    async def unread(self, users: Sequence[Key]) -> Sequence[int]:
        self.count_calls.append(list(users))
        await self._enter()
        return [self.counts.get(user, 0) for user in users]

    async def engage(self, user: Key, notification_id: str, mark: str, now: int) -> InboxItem | None:
        await self._enter()
        if (user, notification_id) not in self.items:
            return None
        state = self.items[user, notification_id]
        if mark == "read" and state.read_at is None:
            self.counts[user] = self.counts.get(user, 0) - 1
        marked = {
            "seen": InboxState(now, state.read_at, state.archived_at),
            "read": InboxState(now, now, state.archived_at),
            "unread": InboxState(state.seen_at, None, state.archived_at),
            "archive": InboxState(state.seen_at, state.read_at, now),
            "unarchive": InboxState(state.seen_at, state.read_at, None),
        }[mark]
        self.items[user, notification_id] = marked
        return InboxItem(Notification(notification_id, user.tenant, user.id, "alert", now), marked)


class World:
    def __init__(self, limits: Limits | None = None, node_id: str = "n1", beside: World | None = None) -> None:
        self.time = beside.time if beside else Time()
        self.cache = beside.cache if beside else Cache()
        self.bus = beside.bus if beside else Bus()
        self.inbox = beside.inbox if beside else Inbox()
        self.tokens = UserTokens(SECRET, self.time.clock)
        self.node = RealtimeNode(
            node_id, self.tokens, self.cache, self.cache, self.bus, self.inbox,  # type: ignore[arg-type]
            self.time.clock, heartbeat_s=25, presence_ttl_s=45, limits=limits, monotonic=self.time.monotonic,
        )  # fmt: skip

    def arrive(self) -> Client:
        """A client that made the handshake."""
        return Client(self)

    async def connect(self, user: Key = ANNA, **fields: Any) -> Client:
        """A client that is connected."""
        client = self.arrive()
        client.connect(user, **fields)
        await self.settle()
        return client

    async def settle(self) -> None:
        """Lets everything that can run, run."""
        for _ in range(60):
            await asyncio.sleep(0)

    async def notify(self, *frames: NotificationFrame) -> None:
        for payload in pack_notifications(frames):
            await self.node._receive(payload)
        await self.settle()

    async def push(self, user: Key, notification_id: str, planned: bool = True) -> None:
        """As the in-app worker does it."""
        await self.notify(self.cache.put(user, notification_id, planned))

    async def pass_time(self, seconds: float, step_s: float = 0.25) -> None:
        """Time goes by, the node's timer runs."""
        until = self.time.now + seconds
        while self.time.now < until:
            self.time.now = min(self.time.now + step_s, until)
            self.node.beat()
        await self.settle()


class Client:
    def __init__(self, world: World) -> None:
        self.world = world
        self.link = Link()
        self.connection = Connection(world.node, self.link)

    def say(self, frame: dict[str, Any] | bytes) -> None:
        if self.connection.admit():
            self.connection.received(frame if isinstance(frame, bytes) else json.dumps(frame).encode())

    def connect(self, user: Key = ANNA, ttl_s: int = 3600, **fields: Any) -> None:
        token, _ = self.world.tokens.mint(user, ttl_s)
        self.say({"t": "connect", "token": token, **fields})

    def leave(self) -> None:
        """The socket is gone."""
        self.connection.lost()

    @property
    def connected(self) -> dict[str, Any]:
        (frame,) = self.link.got("connected")
        return frame

    @property
    def position(self) -> dict[str, Any]:
        offsets = self.link.offsets
        return {"epoch": self.connected["epoch"], "offset": offsets[-1] if offsets else self.connected["offset"]}
