"""One node of the real-time service: wires its parts, runs its two loops, drains it. Works inside any uvicorn server.

    node = RealtimeNode("rt-1", tokens, presence, streams, bus, store, clock)
    uvicorn.Config(app, http="httptools", loop="uvloop", ws=node.protocol_class())
    await node.run(stop); await node.drain(within_s=15)        # before the server closes its listening socket
Reads user tokens, the user streams and the bus; writes presence leases, `delivered` events, inbox marks, frames.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Final

import msgspec

from heliograph import telemetry
from heliograph.access import UserTokens
from heliograph.batching import Batcher
from heliograph.core.errors import Overloaded, PresenceUnavailable, StoreUnavailable
from heliograph.core.frames import FORBIDDEN, Erased, InboxFrame, NotificationFrames, unpack, with_unread
from heliograph.core.model import Engagement, Key
from heliograph.core.ports import Bus, Clock, PresenceCache, Store, UserStreams
from heliograph.fanout import InboxFanout
from heliograph.roles.realtime.acks import Acks
from heliograph.roles.realtime.connection import Connection
from heliograph.roles.realtime.holes import Holes
from heliograph.roles.realtime.hub import Hub
from heliograph.roles.realtime.incoming import Since
from heliograph.roles.realtime.leases import Leases
from heliograph.roles.realtime.marks import Marks
from heliograph.roles.realtime.opening import Opening
from heliograph.roles.realtime.rounds import Rounds
from heliograph.roles.realtime.services import Counters, Limits
from heliograph.roles.realtime.socket import socket_factory
from heliograph.roles.realtime.wheel import Wheel

_BACKEND_TIMEOUT_S: Final = 3.0
"""A client waits this long for its `connected` when the cache or the store hang; then it gets one without them."""
_REFRESHES_PER_TTL: Final = 3
_LONGEST_DRAIN_S: Final = 15.0
_DRAIN_PER_CLIENT_S: Final = 0.005
"""Clients are spread so that the other nodes get at most 200 of them a second, if there is time enough."""

log = telemetry.logger("realtime")


class RealtimeNode:
    """
    Args:
        node_id: unique among all living nodes; names its bus subject and its presence leases.
        heartbeat_s: how often clients are pinged; two unanswered pings close the connection.
        presence_ttl_s: a dead node's users are offline after this long.
        monotonic: seconds; drives heartbeats and the clients' frame allowance.
    """

    name = "realtime"

    def __init__(
        self, node_id: str, tokens: UserTokens, presence: PresenceCache, streams: UserStreams, bus: Bus, store: Store,
        clock: Clock, *, heartbeat_s: float = 25.0, presence_ttl_s: float = 45.0, limits: Limits | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.node_id = node_id
        self.heartbeat_s = heartbeat_s
        self.limits = limits or Limits()
        self.counters = Counters()
        self.draining = False
        self.clock = clock
        self.monotonic = monotonic
        self.verify = tokens.verify
        self._bus = bus
        self._refresh_s = presence_ttl_s / _REFRESHES_PER_TTL
        self._resolution_s = min(0.25, heartbeat_s / 10)
        self._wheel: Wheel[Connection] = Wheel(self._resolution_s, monotonic())
        self._connections: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._subscribed = False
        self._counts: Batcher[Key, int] = Batcher(store.unread, high_water=100_000)
        self._holes = Holes(streams, _BACKEND_TIMEOUT_S)
        self._hub = Hub(node_id, self.limits.connections_per_user, self._holes.fill)
        self._leases = Leases(presence, self._hub, clock, int(presence_ttl_s * 1000), _BACKEND_TIMEOUT_S)
        self._rounds = Rounds(streams, self._hub, self._holes, _REFRESHES_PER_TTL, _BACKEND_TIMEOUT_S)
        self._opening = Opening(streams, self._leases, self._unread, monotonic, _BACKEND_TIMEOUT_S)
        self._acks = Acks(store, clock)
        fanout = InboxFanout(presence, bus, clock, node=node_id, deliver=self._tell)
        self._marks = Marks(store, fanout, clock)

    def protocol_class(self) -> Any:
        """What `uvicorn.Config(ws=…)` takes."""
        return socket_factory(self)

    # --- life ---------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Listens to the bus. Done by `run` too; call it first to be sure that no message is missed."""
        if not self._subscribed:
            await self._bus.subscribe(self.node_id, self._receive)
            self._subscribed = True

    async def run(self, stop: asyncio.Event) -> None:
        """Heartbeats and presence, until `stop`. Backends that are away are tried again for ever."""
        async with asyncio.TaskGroup() as loops:
            loops.create_task(_every(self._resolution_s, stop, self._beat))
            loops.create_task(_every(self._refresh_s, stop, self._refresh))

    async def drain(self, within_s: float) -> None:
        """Takes no new clients, sends everyone elsewhere, lets go of their leases; ends within `within_s`.

        Clients get `reconnect` with a random `after_ms` and are closed with 1012 when that has passed. Few clients are
        sent away within half a second, many within 15 s or the time there is.
        """
        self.draining = True
        ends = self.monotonic() + within_s
        closed_by = ends - min(1.0, within_s / 4)
        wanted_s = max(0.5, len(self._connections) * _DRAIN_PER_CLIENT_S)
        spread_s = min(wanted_s, _LONGEST_DRAIN_S, max(0.0, within_s - 3.0), within_s / 2)
        for connection in list(self._connections):
            connection.depart(int(spread_s * 1000))
        while self._connections and self.monotonic() < closed_by:
            self.beat()
            await asyncio.sleep(min(0.05, self._resolution_s))
        for connection in list(self._connections):
            connection.abort()
        try:
            async with asyncio.timeout(max(0.0, ends - self.monotonic())):
                await self._written()
        except TimeoutError:
            log.warning("drain_incomplete", action="drain", node=self.node_id)

    async def _written(self) -> None:
        await self._marks.drained()
        while self._tasks:
            await asyncio.wait(set(self._tasks))
        await asyncio.gather(self._acks.drained(), self._leases.drained(), self._holes.settled())

    def beat(self) -> None:
        """Wakes every connection whose time has come."""
        for connection in self._wheel.advance(self.monotonic()):
            try:
                connection.wake()
            except Exception:  # one client's bug is not the others'
                log.exception("bug", action="heartbeat", tenant=connection.user.tenant, user=connection.user.id)
                connection.abort()

    async def refresh(self) -> None:
        """Renews every lease, looks after a share of the streams."""
        if await self._leases.refresh():
            try:
                await self._rounds.visit()
            except PresenceUnavailable as error:
                log.warning("presence_away", action="visit", error=repr(error))

    async def _beat(self) -> None:
        self.beat()

    async def _refresh(self) -> None:
        await self.start()
        await self.refresh()

    # --- from the bus -------------------------------------------------------------------------------------------------

    async def _receive(self, payload: bytes) -> None:
        try:
            message = unpack(payload)
        except msgspec.MsgspecError as error:
            log.warning("bus_message_refused", action="receive", bytes=len(payload), error=str(error))
            return
        if isinstance(message, NotificationFrames):
            self._hub.notify(message.frames)
        elif isinstance(message, Erased):
            self._end(message.users)
        else:
            self._tell(message.frames)

    def _end(self, users: Sequence[Key]) -> None:
        for key in users:
            user = self._hub.user(key)
            for connection in user.connections if user else ():
                connection.close(FORBIDDEN, "the user was erased")

    def _tell(self, frames: Sequence[InboxFrame]) -> None:
        for user, texts in self._hub.here(frames).items():
            self._spawn(self._tell_user(user, texts))

    async def _tell_user(self, user: Key, texts: list[bytes]) -> None:
        """The count is read now, after the change was stored: the last frame of several has the newest count."""
        unread = await self._unread(user)
        for text in texts:
            self._hub.send(user, with_unread(text, unread))

    async def _unread(self, user: Key) -> int | None:
        try:
            async with asyncio.timeout(_BACKEND_TIMEOUT_S):
                return await self._counts.submit(user)
        except (StoreUnavailable, Overloaded, TimeoutError) as error:
            log.warning("store_away", action="unread", tenant=user.tenant, error=repr(error))
            return None

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("bug", action="tell", exc_info=task.exception())

    # --- services to connections (`connection.Services`) --------------------------------------------------------------

    def arrived(self, connection: Connection) -> None:
        self._connections.add(connection)
        self.counters.accepted += 1
        self.counters.connections = len(self._connections)

    def enter(self, connection: Connection, since: Since | None) -> bool:
        entered = self._hub.enter(connection)
        if entered:
            self._spawn(self._open(connection, since))
        return entered

    async def _open(self, connection: Connection, since: Since | None) -> None:
        await self._opening.open(connection, since)
        user = self._hub.user(connection.user)
        if connection.behind and user is not None:
            self._holes.fill(user)

    def leave(self, connection: Connection) -> None:
        if self._hub.leave(connection):
            self._leases.release(connection)

    def gone(self, connection: Connection) -> None:
        self._wheel.cancel(connection)
        self._connections.discard(connection)
        self.counters.connections = len(self._connections)

    def wake_in(self, connection: Connection, delay_s: float) -> None:
        self._wheel.schedule(connection, delay_s)

    def first_heartbeat_s(self) -> float:
        """Earlier than the others, by chance: clients that came in a storm don't stay in step."""
        return self.heartbeat_s * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret

    def farewell_ms(self, within_ms: int) -> int:
        return random.randint(0, within_ms)  # noqa: S311 - jitter, not a secret

    def delivered(self, connection: Connection, notification_ids: Sequence[str]) -> None:
        user = self._hub.user(connection.user)
        fresh = notification_ids if user is None else user.first_acks(notification_ids)
        if fresh:
            self._acks.delivered(connection.user, fresh)

    def marked(self, connection: Connection, mark: Engagement, notification_id: str) -> bool:
        return self._marks.put(connection.user, mark, notification_id)


async def _every(period_s: float, stop: asyncio.Event, work: Callable[[], Awaitable[None]]) -> None:
    while not stop.is_set():
        try:
            await work()
        except Exception:  # a bug or an undeclared error of a backend must not end the loop
            log.exception("loop_failed", action="repeat")
        try:
            async with asyncio.timeout(period_s):
                await stop.wait()
        except TimeoutError:
            continue
