"""Push worker: one push to one device, through the provider of the device's kind.

Reads the push lanes and preferences; writes attempts and their outcomes to the store, keeps the tickets of those whose
receipt comes later (push_receipts.py asks for it), and forgets devices that are gone. Retries travel through the push
retry lane. Never decides who gets a push.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from heliograph import telemetry
from heliograph.attempts import Attempts
from heliograph.bodies import whole
from heliograph.core.lanes import PushItem
from heliograph.core.lifecycle import Event
from heliograph.core.model import Level, Millis, Notification, PushMessage
from heliograph.core.outcomes import DONE, Delivered, Outcome, ProviderOutcome, Rejected, Unregistered
from heliograph.core.ports import Clock, Pulled, PushProvider, Store, Ticket
from heliograph.core.preferences import PREFERENCE
from heliograph.core.pruning import still_meant
from heliograph.core.wire import encode
from heliograph.gate import Admission, admission_of
from heliograph.muting import muted

log = telemetry.logger("push-worker")
RECEIPT_AFTER_S: Final = 900.0
"""Expo advises to ask after a quarter of an hour."""


class PushWorker:
    """Args:
    providers: per device kind.
    receipt_after_s: when a provider that gives receipts is asked for one.
    """

    def __init__(
        self, store: Store, attempts: Attempts, providers: Mapping[str, PushProvider], clock: Clock,
        receipt_after_s: float = RECEIPT_AFTER_S,
    ) -> None:  # fmt: skip
        self._store = store
        self._attempts = attempts
        self._providers = providers
        self._clock = clock
        self._receipt_after_ms = round(receipt_after_s * 1000)

    async def handle(self, batch: Sequence[Pulled]) -> Sequence[Outcome]:
        # load
        items = [pulled.item for pulled in batch if isinstance(pulled.item, PushItem)]
        notifications, unwanted = await asyncio.gather(
            whole(self._store, items), muted(self._store, [item.notification for item in items], "push")
        )

        # decide
        now = self._clock()
        known = [(index, item) for index, item in enumerate(items) if notifications[item.key] is not None]
        ended = {index: _ended(item, unwanted[index], now) for index, item in known}
        going = [index for index, event in ended.items() if event is None]

        # commit: attempts record themselves; the rest is recorded here
        stopped = [event for event in ended.values() if event is not None]
        if stopped:
            await self._store.record(stopped)
            telemetry.count_ends(stopped)
        gone: list[tuple[PushItem, Unregistered]] = []
        admission = admission_of(batch)
        tickets: list[Ticket] = []

        async def call(item: PushItem, number: int) -> tuple[str, ProviderOutcome]:
            notification = notifications[item.key]
            assert notification is not None
            provider, outcome = await self._send(item, notification, admission)
            if isinstance(outcome, Unregistered):
                gone.append((item, outcome))
            if isinstance(outcome, Delivered) and outcome.receipt and outcome.provider_id:
                tickets.append(self._ticket(item, number, provider, outcome.provider_id))
            return provider, outcome

        made = await self._attempts.make(
            [(items[index], batch[index].orphaned) for index in going],
            call,
            admission,
            lambda: self._store.add_tickets(tickets),
        )
        await self._forget(gone)
        outcomes: list[Outcome] = [DONE] * len(batch)
        for index, outcome in zip(going, made, strict=True):
            outcomes[index] = outcome
        return outcomes

    async def _send(
        self, item: PushItem, notification: Notification, admission: Admission
    ) -> tuple[str, ProviderOutcome]:
        provider = self._providers.get(item.kind)
        if provider is None:
            return "", Rejected(f"no provider is configured for {item.kind}")
        message = push_message(item, notification, self._clock())
        return provider.name, await admission.call(lambda: provider.send(message))

    def _ticket(self, item: PushItem, attempt: int, provider: str, ticket_id: str) -> Ticket:
        now = self._clock()
        return Ticket(
            provider=provider, id=ticket_id, tenant=item.key.tenant, user=item.notification.user,
            notification_id=item.key.id, device_id=item.device_id, attempt=attempt, gen=item.gen, at=now,
            due_at=now + self._receipt_after_ms,
        )  # fmt: skip

    async def _forget(self, gone: Sequence[tuple[PushItem, Unregistered]]) -> None:
        """Of news with a time, asks the store when the device registered: it may have been after they were made."""
        if not gone:
            return
        dated = list({item.notification.user_key for item, news in gone if news.since is not None})
        recipients = await self._store.recipients(dated) if dated else ()
        registered = {device.id: device.created_at for recipient in recipients for device in recipient.devices}
        meant = [
            (item.notification.user_key, item.device_id)
            for item, news in gone
            if still_meant(registered.get(item.device_id, item.registered_at), news.since)
        ]
        removed = await self._store.remove_devices(meant) if meant else ()
        log.info("devices_forgotten", action="forget", devices=sum(removed), kept=len(gone) - len(meant))


def push_message(item: PushItem, notification: Notification, now: Millis) -> PushMessage:
    """What a provider puts into its own words. Every data value is text: FCM takes nothing else."""
    data = {name: _text(value) for name, value in (notification.data or {}).items()}
    known = {"notification_id": notification.id, "action_url": notification.action_url}
    data |= {name: value for name, value in known.items() if value}
    left_ms = None if notification.expires_at is None else max(0, notification.expires_at - now)
    return PushMessage(
        kind=item.kind,
        token=item.token,
        title=notification.title,
        body=notification.body or "",
        data=data,
        collapse_key=notification.collapse_key,
        ttl_s=None if left_ms is None else left_ms // 1000,
        urgent=notification.level is not Level.P2,
        level=notification.level,
        action_url=notification.action_url,
        image_url=notification.image_url,
        badge=notification.badge,
        id=notification.id,
        type=notification.type,
        registered_at=item.registered_at,
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else encode(value).decode()


def _ended(item: PushItem, unwanted: bool, now: Millis) -> Event | None:
    """Why a push isn't sent after all, if so."""
    if item.notification.expired(now):
        kind, detail = "expired", "its time to live was over"
    elif unwanted:
        kind, detail = "suppressed", PREFERENCE
    else:
        return None
    return Event(
        tenant=item.key.tenant, notification_id=item.key.id, at=now, kind=kind,  # type: ignore[arg-type]
        target=item.target, attempt=item.attempt, gen=item.gen, detail=detail,
    )  # fmt: skip
