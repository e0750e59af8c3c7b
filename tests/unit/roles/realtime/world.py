"""A real-time node without sockets and servers: clients are links that note what they get, time stands in a field."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

from heliograph.access import UserTokens
from heliograph.core.errors import StoreUnavailable
from heliograph.core.frames import NotificationFrame, pack_notifications
from heliograph.core.lifecycle import Event
from heliograph.core.model import Engagement, InboxItem, InboxState, Key, Notification
from heliograph.core.ports import Appended, Position, PresenceLease, StreamEntry, Submission
from heliograph.core.routing import Presence
from heliograph.roles.realtime import Limits, RealtimeNode
from heliograph.roles.realtime.connection import Connection
from heliograph.testing.realtime import MemoryBus, MemoryCache, MemoryPresence, MemoryStreams
from heliograph.testing.store import MemoryStore

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
    """Presence and streams (the twins, one server); every call suspends, and waits for `gate`."""

    def __init__(self) -> None:
        self.server = MemoryCache()
        self.calls: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self._presence = MemoryPresence(self.server)
        self._streams = MemoryStreams(self.server)

    async def _enter(self, call: str) -> None:
        self.calls.append(call)
        await asyncio.sleep(0)
        await self.gate.wait()

    def keep(self, entries: int) -> None:
        """Clients can catch up on so many."""
        self._streams = MemoryStreams(self.server, kept=entries)

    @property
    def leases(self) -> set[tuple[Key, str, str]]:
        return {(user, *place) for user, places in self.server.leases.items() for place in places}

    def online(self, user: Key, now: int) -> bool:
        return bool(self.server.live(user, now))

    def put(self, user: Key, notification_id: str, planned: bool = True) -> NotificationFrame:
        """Appends to the user's stream; what the in-app worker would tell the nodes."""
        stream = self.server.stream(user)
        payload = b'{"id":"%b"}' % notification_id.encode()
        entry = StreamEntry(len(stream.entries) + 1, notification_id, planned, payload)
        stream.entries.append(entry)
        return NotificationFrame(user, stream.epoch, entry)

    async def renew(self, leases: Sequence[PresenceLease], now: int, ttl_ms: int) -> None:
        await self._enter(f"renew {len(leases)}")
        await self._presence.renew(leases, now, ttl_ms)

    async def release(self, leases: Sequence[PresenceLease]) -> None:
        await self._enter(f"release {len(leases)}")
        await self._presence.release(leases)

    async def look(self, users: Sequence[Key], now: int) -> Sequence[Presence]:
        await self._enter("look")
        return await self._presence.look(users, now)

    async def forget(self, user: Key) -> None:
        await self._presence.forget(user)

    async def append(self, entries: Sequence[tuple[Key, str, bool, bytes]], now: int) -> Sequence[Appended | None]:
        return await self._streams.append(entries, now)

    async def open_stream(self, user: Key) -> Position:
        await self._enter("open_stream")
        return await self._streams.open_stream(user)

    async def since(self, user: Key, position: Position) -> Sequence[StreamEntry] | None:
        await self._enter("since")
        return await self._streams.since(user, position)


class Bus(MemoryBus):
    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[str, bytes]] = []

    async def send(self, node: str, payload: bytes) -> None:
        self.sent.append((node, payload))
        await super().send(node, payload)


class Inbox(MemoryStore):
    """The store, whose calls suspend and wait for `gate`. `failures` = how many of the next ones find it away."""

    def __init__(self) -> None:
        super().__init__()
        self.recorded: list[Event] = []
        self.records = 0
        self.counted: list[list[Key]] = []
        self.failures = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def _enter(self) -> None:
        await asyncio.sleep(0)
        await self.gate.wait()
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable("away, as the test wants it")

    async def hold(self, user: Key, *notification_ids: str) -> None:
        """These are in the user's inbox."""
        found = [Notification(one, user.tenant, user.id, "alert", 0, "Hello") for one in notification_ids]
        await self.accept([Submission(tenant=user.tenant, notification=one) for one in found])

    def state(self, user: Key, notification_id: str) -> InboxState:
        return self._kept.sent[Key(user.tenant, notification_id)].state

    @property
    def acknowledged(self) -> list[str]:
        return [event.notification_id for event in self.recorded]

    async def record(self, events: Sequence[Event], check_at: Mapping[Key, int] | None = None) -> None:
        self.records += 1
        await self._enter()
        self.recorded.extend(events)

    async def unread(self, users: Sequence[Key]) -> Sequence[int]:
        self.counted.append(list(users))
        await self._enter()
        return await super().unread(users)

    async def engage(self, user: Key, notification_id: str, mark: Engagement, now: int) -> InboxItem | None:
        await self._enter()
        return await super().engage(user, notification_id, mark, now)


class World:
    def __init__(self, limits: Limits | None = None, node_id: str = "n1", beside: World | None = None) -> None:
        self.time: Time = beside.time if beside else Time()
        self.cache: Cache = beside.cache if beside else Cache()
        self.bus: Bus = beside.bus if beside else Bus()
        self.inbox: Inbox = beside.inbox if beside else Inbox()
        self.tokens = UserTokens(SECRET, self.time.clock)
        self.node = RealtimeNode(
            node_id, self.tokens, self.cache, self.cache, self.bus, self.inbox,
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
