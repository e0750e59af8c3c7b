"""Push worker: one push to one device, through the provider of the device's kind.

Reads the push lanes and preferences; writes attempts and their outcomes to the store, and forgets devices that are
gone. Retries travel through the push retry lane. Never decides who gets a push.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from heliograph import telemetry
from heliograph.attempts import Attempts
from heliograph.bodies import whole
from heliograph.core.lanes import PushItem
from heliograph.core.lifecycle import Event
from heliograph.core.model import Level, Millis, Notification, PushMessage
from heliograph.core.outcomes import DONE, Outcome, ProviderOutcome, Rejected, Unregistered
from heliograph.core.ports import Clock, Pulled, PushProvider, Store
from heliograph.core.preferences import PREFERENCE
from heliograph.core.wire import encode
from heliograph.gate import Admission, admission_of
from heliograph.muting import muted

log = telemetry.logger("push-worker")


class PushWorker:
    """Args:
    providers: per device kind.
    """

    def __init__(self, store: Store, attempts: Attempts, providers: Mapping[str, PushProvider], clock: Clock) -> None:
        self._store = store
        self._attempts = attempts
        self._providers = providers
        self._clock = clock

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
        gone: list[PushItem] = []
        admission = admission_of(batch)

        async def call(item: PushItem, _: int) -> tuple[str, ProviderOutcome]:
            notification = notifications[item.key]
            assert notification is not None
            provider, outcome = await self._send(item, notification, admission)
            if isinstance(outcome, Unregistered):
                gone.append(item)
            return provider, outcome

        made = await self._attempts.make([(items[index], batch[index].orphaned) for index in going], call, admission)
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

    async def _forget(self, gone: Sequence[PushItem]) -> None:
        if gone:
            removed = await self._store.remove_devices([(i.notification.user_key, i.device_id) for i in gone])
            log.info("devices_forgotten", action="forget", devices=sum(removed))


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
        action_url=notification.action_url,
        image_url=notification.image_url,
        badge=notification.badge,
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
