"""Heartbeat: a notification of our own that takes the whole way, so that silence is noticed before a person complains.

Writes one notification every so often to a user whom no tenant has, is that user's only live connection, and tells how
long it took from accepted to the page: store, ingest lane, router, presence, in-app lane and worker, stream and bus.
Of several processes one sends. Never calls a provider; what it wrote is erased once an hour.
"""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress
from typing import Final

from heliograph import telemetry
from heliograph.core.errors import PresenceUnavailable, QueueUnavailable, StoreUnavailable
from heliograph.core.frames import NotificationFrames, unpack
from heliograph.core.ids import accepted_at, new_notification_id
from heliograph.core.lanes import INGEST, IngestItem
from heliograph.core.lifecycle import IN_APP, Event
from heliograph.core.model import Key, Millis, Notification
from heliograph.core.ports import Bus, Clock, PresenceCache, PresenceLease, Queue, Store, Submission, UserStreams
from heliograph.core.reconciling import GRACE_MS

USER: Final = Key("~heartbeat", "heartbeat")
"""No tenant can be called so (`core.names`): no key sees it, no inbox shows it, nobody's figures contain it."""
_AWAY: Final = (StoreUnavailable, QueueUnavailable, PresenceUnavailable)
_KEPT_MS: Final = 3600 * 1000

log = telemetry.logger("heartbeat")


class Heartbeat:
    """Args:
    every_s: between two of them.
    """

    name = "heartbeat"

    def __init__(
        self, store: Store, queue: Queue, presence: PresenceCache, streams: UserStreams, bus: Bus, clock: Clock,
        every_s: float,
    ) -> None:  # fmt: skip
        self._store = store
        self._queue = queue
        self._presence = presence
        self._streams = streams
        self._bus = bus
        self._clock = clock
        self._every_s = every_s
        self._node = f"hb-{secrets.token_hex(6)}"
        self._erased_at: Millis = 0

    async def run(self, stop: asyncio.Event) -> None:
        telemetry.heartbeat_at.set_to_current_time()  # none came yet: its age counts from here
        await self._bus.subscribe(self._node, self.heard)
        while not stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self._every_s)
                return
            try:
                await self.beat()
            except _AWAY as error:
                log.warning("backend_away", action="wait", error=repr(error))

    async def beat(self) -> bool:
        """Sends one, unless another process does. Raises what the backends raise when they are away."""
        now, apart_ms = self._clock(), round(self._every_s * 1000)
        if not await self._store.lease(self.name, self._node, now, now + 2 * apart_ms):
            return False
        if now - self._erased_at >= _KEPT_MS:
            await self._store.erase_user(USER)
            self._erased_at = now
        await self._streams.open_stream(USER)
        await self._presence.renew([PresenceLease(USER, self._node)], now, 2 * apart_ms)
        notification = Notification(
            id=new_notification_id(now), tenant=USER.tenant, user=USER.id, type="transactional", created_at=now,
            title="Heartbeat", channels=("in_app",), expires_at=now + 2 * apart_ms,
        )  # fmt: skip
        await self._store.accept([Submission(tenant=USER.tenant, notification=notification, check_at=now + GRACE_MS)])
        await self._queue.publish(INGEST, [IngestItem(notification)])
        return True

    async def heard(self, payload: bytes) -> None:
        """What the in-app worker told our node."""
        message = unpack(payload)
        if not isinstance(message, NotificationFrames):
            return
        now = self._clock()
        for frame in message.frames:
            telemetry.heartbeat_at.set(now / 1000)
            telemetry.heartbeat_seconds.set((now - accepted_at(frame.entry.notification_id)) / 1000)
        try:
            await self._store.record([
                Event(
                    tenant=USER.tenant, notification_id=frame.entry.notification_id, at=now, kind="delivered",
                    target=IN_APP, attempt=1,
                )
                for frame in message.frames
            ])  # fmt: skip
        except StoreUnavailable as error:
            log.warning("backend_away", action="record", error=repr(error))
