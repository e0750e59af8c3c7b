"""In-app worker: puts notifications into their users' streams and tells the real-time nodes.

Reads the in-app lanes; writes the user's stream in the cache, one bus message per node and batch, and `sent` events.
The attempt was begun by the router, in the commit of its decision: nothing durable stands between the queue and the
page. Whether a person's client acknowledged is the real-time service's to record.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence

from heliograph import telemetry
from heliograph.bodies import whole
from heliograph.core.frames import NotificationFrame, pack_notifications
from heliograph.core.lanes import InAppItem
from heliograph.core.lifecycle import IN_APP, Event
from heliograph.core.model import Millis, Notification
from heliograph.core.outcomes import DONE, Outcome
from heliograph.core.ports import Appended, Bus, Clock, Pulled, Store, StreamEntry, UserStreams
from heliograph.core.wire import fresh_inbox_item


class InAppWorker:
    def __init__(self, store: Store, streams: UserStreams, bus: Bus, clock: Clock) -> None:
        self._store = store
        self._streams = streams
        self._bus = bus
        self._clock = clock

    async def handle(self, batch: Sequence[Pulled]) -> Sequence[Outcome]:
        """Every item is done after this: what nobody acknowledges in time is escalated by the reconciler."""
        items = [pulled.item for pulled in batch if isinstance(pulled.item, InAppItem)]

        # load
        notifications = await whole(self._store, items)

        # decide
        now = self._clock()
        going = [
            (item.planned, notification)
            for item in items
            if (notification := notifications[item.key]) is not None and not notification.expired(now)
        ]

        # commit: the stream first, so that a client which connects meanwhile finds the entry there
        entries = [(n.user_key, n.id, planned, fresh_inbox_item(n)) for planned, n in going]
        appended = await self._streams.append(entries, now) if entries else []
        placed = [
            (planned, notification, entry[3], place)
            for (planned, notification), entry, place in zip(going, entries, appended, strict=True)
            if place is not None
        ]
        await self._tell_nodes(placed)
        sent = [_sent(notification, now, place) for planned, notification, _, place in placed if planned]
        if sent:
            await self._store.record(sent)
            telemetry.count_ends(sent)
        return [DONE] * len(batch)

    async def _tell_nodes(self, placed: Sequence[tuple[bool, Notification, bytes, Appended]]) -> None:
        frames: dict[str, list[NotificationFrame]] = defaultdict(list)
        for planned, notification, payload, place in placed:
            entry = StreamEntry(place.position.offset, notification.id, planned, payload)
            frame = NotificationFrame(notification.user_key, place.position.epoch, entry)
            for node in place.nodes:
                frames[node].append(frame)
        await asyncio.gather(*(
            self._bus.send(node, payload) for node, ours in frames.items() for payload in pack_notifications(ours)
        ))  # fmt: skip


def _sent(notification: Notification, now: Millis, place: Appended) -> Event:
    return Event(
        tenant=notification.tenant, notification_id=notification.id, at=now, kind="sent", target=IN_APP, attempt=1,
        detail=f"{len(place.nodes)} node(s), offset {place.position.offset}",
    )  # fmt: skip
