"""Push receipts: asks providers that tell only later what became of a push, and records what they say.

Runs beside the push worker. Reads tickets whose receipt is due; writes `delivered` and `failed` events, forgets devices
that are gone, and drops tickets that are answered or too old. Everything it needs is in the store, so it goes on where
another process stopped; of several, one at a time asks.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from typing import Final

from heliograph import telemetry
from heliograph.core.errors import StoreUnavailable
from heliograph.core.model import Key, Millis
from heliograph.core.outcomes import ProviderOutcome
from heliograph.core.ports import Clock, ReceiptProvider, Store, Ticket
from heliograph.core.receipts import Later, Settled, conclude

log = telemetry.logger("push-receipts")
BATCH: Final = 1_000
"""Expo takes no more ids at a time."""
_LEASE_MS: Final = 30_000
"""Longer than a round takes; a process that dies in one holds the others up for so long."""


class PushReceipts:
    """Args:
    providers: those that give receipts.
    after_s: a receipt that isn't there is asked for again after this long.
    every_s: pause between two rounds.
    """

    name = "push-receipts"

    def __init__(
        self, store: Store, providers: Sequence[ReceiptProvider], clock: Clock, *, after_s: float, every_s: float
    ) -> None:
        self._store = store
        self._providers = providers
        self._clock = clock
        self._after_ms = round(after_s * 1000)
        self._every_s = every_s
        self._holder = secrets.token_hex(8)

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                found = max([await self.round(provider) for provider in self._providers], default=0)
            except StoreUnavailable as error:
                log.warning("backend_away", action="wait", error=repr(error))
                found = 0
            # A full round means that more is waiting: no pause then.
            pause_s = 0.0 if found >= BATCH else self._every_s
            try:
                await asyncio.wait_for(stop.wait(), pause_s)
            except TimeoutError:
                continue

    async def round(self, provider: ReceiptProvider) -> int:
        """Asks for what is due; answers how much that was."""
        lease, now = f"receipts:{provider.name}", self._clock()
        if not await self._store.lease(lease, self._holder, now, now + _LEASE_MS):
            return 0
        count = await self._ask(provider, now)
        await self._store.lease(lease, self._holder, now, now)  # and gives it back
        return count

    async def _ask(self, provider: ReceiptProvider, now: Millis) -> int:
        # load
        tickets = await self._store.tickets_due(provider.name, now, BATCH)
        if not tickets:
            return 0
        found = await provider.receipts([ticket.id for ticket in tickets])
        receipts: Mapping[str, ProviderOutcome] = found if isinstance(found, Mapping) else {}
        if not isinstance(found, Mapping):
            log.warning("no_receipts", action="ask again", provider=provider.name, outcome=repr(found))

        # decide
        now = self._clock()
        ends = [(one, conclude(one, receipts.get(one.id), now, now + self._after_ms)) for one in tickets]

        # commit: tickets last, for what was done twice is done once, and what was left out is never done
        settled = [(ticket, end) for ticket, end in ends if isinstance(end, Settled)]
        events = [end.event for _, end in settled if end.event]
        await self._store.record(events)
        telemetry.count_ends(events)
        for event in events:
            telemetry.webhook_events_total.labels(provider.name, event.kind).inc()
        await self._forget([ticket for ticket, end in settled if end.forget])
        await self._store.drop_tickets([ticket for ticket, _ in settled])
        await self._store.postpone_tickets([one for one, end in ends if isinstance(end, Later)], now + self._after_ms)
        return len(tickets)

    async def _forget(self, tickets: Sequence[Ticket]) -> None:
        """Removes their devices, but for those that were registered anew after the push was sent."""
        if not tickets:
            return
        registered = await self._registered([ticket.user_key for ticket in tickets])
        gone = [
            (t.user_key, t.device_id) for t in tickets if registered.get((t.user_key, t.device_id), t.at + 1) <= t.at
        ]
        removed = await self._store.remove_devices(gone)
        log.info("devices_forgotten", action="forget", devices=sum(removed))

    async def _registered(self, users: Sequence[Key]) -> Mapping[tuple[Key, str], Millis]:
        """When each device of these users was registered last."""
        keys = list(dict.fromkeys(users))
        found = await self._store.recipients(keys)
        return {
            (key, device.id): device.created_at
            for key, recipient in zip(keys, found, strict=True)
            for device in recipient.devices
        }
