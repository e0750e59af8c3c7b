"""E-mail worker: renders mails and puts them into the outbox, the rate-limit queue.

Reads the e-mail lanes, suppressions, preferences and the tenants' senders; writes outbox lanes, and `suppressed`,
`expired` and `rendered` events. Never talks to a provider and never waits for one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from heliograph import telemetry
from heliograph.bodies import whole
from heliograph.core.lanes import OUTBOX, EmailItem, OutboxItem
from heliograph.core.lifecycle import Event
from heliograph.core.mail import render_mail
from heliograph.core.model import Key, Millis, Notification
from heliograph.core.outcomes import DONE, Outcome
from heliograph.core.ports import Clock, Pulled, Queue, Store
from heliograph.core.preferences import PREFERENCE
from heliograph.core.reconciling import SLACK_MS
from heliograph.core.suppressing import stopped_by
from heliograph.muting import muted
from heliograph.senders import Senders
from heliograph.unsubscribing import UnsubscribeLinks


class EmailWorker:
    """Args:
    senders: the tenants' own From and Reply-To.
    links: what makes the unsubscribe link of a marketing mail.
    """

    def __init__(self, store: Store, queue: Queue, clock: Clock, senders: Senders, links: UnsubscribeLinks) -> None:
        self._store = store
        self._senders = senders
        self._links = links
        self._queue = queue
        self._clock = clock

    async def handle(self, batch: Sequence[Pulled]) -> Sequence[Outcome]:
        # load
        items = [pulled.item for pulled in batch if isinstance(pulled.item, EmailItem)]
        notifications = await whole(self._store, items)
        listed, unwanted, senders = await asyncio.gather(
            self._store.suppressed([Key(item.key.tenant, item.address) for item in items]),
            muted(self._store, [item.notification for item in items], "email"),
            self._senders.of(item.key.tenant for item in items),
        )

        # decide
        now = self._clock()
        events: list[Event] = []
        mails: list[OutboxItem] = []
        for item, reasons, unwelcome in zip(items, listed, unwanted, strict=True):
            notification = notifications[item.key]
            if notification is None:
                continue
            if notification.expired(now):
                events.append(_ended(item, "expired", now, "its time to live was over"))
            elif unwelcome:
                events.append(_ended(item, "suppressed", now, PREFERENCE))
            elif reason := stopped_by(reasons, item.level):
                events.append(_ended(item, "suppressed", now, reason))
            else:
                mail = render_mail(
                    notification, item.address, item.name, item.attempt, item.gen,
                    sender=senders[item.key.tenant], unsubscribe=self._way_out(item),
                )  # fmt: skip
                mails.append(
                    OutboxItem(
                        tenant=item.key.tenant, id=item.key.id, at_level=int(item.level), mail=mail,
                        user=notification.user, category=notification.category, expires_at=notification.expires_at,
                        attempt=item.attempt, gen=item.gen, base=item.base,
                    )
                )  # fmt: skip

        # commit
        if events:
            await self._store.record(events)
            telemetry.count_ends(events)
        if mails:
            await self._queue.publish(OUTBOX, mails)
            await self._tell_moved(mails, notifications)
        return [DONE] * len(batch)

    def _way_out(self, item: EmailItem) -> str | None:
        """Mailbox providers want one in every marketing mail, and none in what a person asked for."""
        if item.notification.type != "marketing":
            return None
        return self._links.link(item.key.tenant, item.address, item.key.id)

    async def _tell_moved(self, mails: Sequence[OutboxItem], notifications: Mapping[Key, Notification | None]) -> None:
        """Records those whose notification is too old for the reconciler to know them in the outbox by its age."""
        now = self._clock()
        late = [m for m in mails if (found := notifications[m.key]) and now - found.created_at > SLACK_MS]
        if late:
            await self._store.record([_rendered(mail, now) for mail in late])


def _rendered(mail: OutboxItem, now: Millis) -> Event:
    # Before its attempt begins, the delivery has made one attempt less; of two copies each is told apart by its time.
    return Event(
        tenant=mail.tenant, notification_id=mail.id, at=now, kind="rendered", target=mail.target,
        attempt=mail.attempt - 1, gen=mail.gen, unique=str(now),
    )  # fmt: skip


def _ended(item: EmailItem, kind: str, now: Millis, detail: str) -> Event:
    return Event(
        tenant=item.key.tenant,
        notification_id=item.key.id,
        at=now,
        kind=kind,  # type: ignore[arg-type]
        target=item.target,
        attempt=item.attempt,
        gen=item.gen,
        detail=detail,
    )
