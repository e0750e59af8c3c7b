"""Records that clients acknowledged in-app deliveries. Reads nothing; writes one `delivered` event per notification.

A store that is away is tried again for a while; what could not be written is logged, and the reconciler then sends the
e-mail as if nobody had acknowledged (DESIGN G7: at worst one mail too many).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Final

import msgspec

from heliograph import telemetry
from heliograph.batching import Batcher
from heliograph.core.errors import Overloaded, StoreUnavailable
from heliograph.core.lifecycle import IN_APP, Event
from heliograph.core.model import Key, Millis
from heliograph.core.ports import Clock, Store

_TRIES: Final = 6
_FIRST_WAIT_S: Final = 0.1
_AT_ONCE: Final = 1_000
"""Events of one write."""
_NAMED: Final = 50
"""Notifications that one line of the log names."""

log = telemetry.logger("realtime")


class Ack(msgspec.Struct, frozen=True):
    """One client acknowledged these."""

    tenant: str
    notification_ids: Sequence[str]
    at: Millis

    def events(self) -> Iterator[Event]:
        for one in self.notification_ids:
            yield Event(tenant=self.tenant, notification_id=one, at=self.at, kind="delivered", target=IN_APP, attempt=1)


class Acks:
    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._acks: Batcher[Ack, None] = Batcher(self._flush, high_water=20_000)

    def delivered(self, user: Key, notification_ids: Sequence[str]) -> None:
        """Returns at once; concurrent acknowledgements share one write."""
        try:
            self._acks.submit(Ack(user.tenant, notification_ids, self._clock()))
        except Overloaded as error:
            _lost(notification_ids, error)

    async def drained(self) -> None:
        """Returns when everything so far was recorded or given up."""
        await self._acks.drained()

    async def _flush(self, acks: Sequence[Ack]) -> Sequence[None]:
        events = chain.from_iterable(ack.events() for ack in acks)
        while group := list(islice(events, _AT_ONCE)):
            await self._record(group)
        return [None] * len(acks)

    async def _record(self, events: Sequence[Event]) -> None:
        error: Exception | None = None
        for failures in range(_TRIES):
            try:
                await self._store.record(events)
                telemetry.count_ends(events)
                return
            except StoreUnavailable as away:
                error = away
                await asyncio.sleep(_FIRST_WAIT_S * 2**failures)
            except Exception as bug:  # noqa: BLE001 - it is logged below with every notification it concerns
                error = bug
                break
        _lost([event.notification_id for event in events], error)


def _lost(notification_ids: Sequence[str], error: Exception | None) -> None:
    for start in range(0, len(notification_ids), _NAMED):
        named = notification_ids[start : start + _NAMED]
        log.error("ack_lost", action="record", notifications=named, error=repr(error))
