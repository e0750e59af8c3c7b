"""Records that clients acknowledged in-app deliveries. Reads nothing; writes one `delivered` event per notification.

A store that is away is tried again for a while; what could not be written is logged, and the reconciler then sends the
e-mail as if nobody had acknowledged (DESIGN G7: at worst one mail too many).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

from heliograph import telemetry
from heliograph.batching import Batcher
from heliograph.core.errors import Overloaded, StoreUnavailable
from heliograph.core.lifecycle import IN_APP, Event
from heliograph.core.model import Key
from heliograph.core.ports import Clock, Store

_TRIES: Final = 6
_FIRST_WAIT_S: Final = 0.1

log = telemetry.logger("realtime")


class Acks:
    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._events: Batcher[Event, None] = Batcher(self._record, high_water=100_000)

    def delivered(self, user: Key, notification_ids: Iterable[str]) -> None:
        """Returns at once; concurrent acknowledgements share one write."""
        now = self._clock()
        for notification_id in notification_ids:
            event = Event(
                tenant=user.tenant, notification_id=notification_id, at=now, kind="delivered", target=IN_APP, attempt=1
            )
            try:
                self._events.submit(event)
            except Overloaded:
                log.warning("ack_lost", action="record", notification=notification_id, error="too many are waiting")

    async def drained(self) -> None:
        """Returns when everything so far was recorded or given up."""
        await self._events.drained()

    async def _record(self, events: Sequence[Event]) -> Sequence[None]:
        error: Exception | None = None
        for failures in range(_TRIES):
            try:
                await self._store.record(events)
                return [None] * len(events)
            except StoreUnavailable as away:
                error = away
                await asyncio.sleep(_FIRST_WAIT_S * 2**failures)
            except Exception as bug:  # noqa: BLE001 - it is logged below with every notification it concerns
                error = bug
                break
        for event in events:
            log.error("ack_lost", action="record", notification=event.notification_id, error=repr(error))
        return [None] * len(events)
