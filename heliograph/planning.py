"""From a decision to lane items: shared by the delivery router and the reconciler, which both hand out work.

Reads users, devices, suppressions and presence in bulk; decides nothing itself (`core.routing`) and writes nothing.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence

from heliograph import telemetry
from heliograph.core.errors import PresenceUnavailable, QueueUnavailable
from heliograph.core.lanes import EMAIL, INAPP, PUSH_LANES, EmailItem, InAppItem, Lane, LaneItem, push_item
from heliograph.core.model import Key, Notification, Recipient
from heliograph.core.ports import Clock, PresenceCache, Queue, Store
from heliograph.core.routing import Facts, Means, Presence, Route, inbox_keeps

log = telemetry.logger("planning")
OFFLINE = Presence()


class Planner:
    """Gathers the facts that a routing decision needs, and turns decisions into lane items."""

    def __init__(self, store: Store, presence: PresenceCache, clock: Clock, means: Means) -> None:
        self._store = store
        self._presence = presence
        self._clock = clock
        self._means = means

    async def facts(self, notifications: Sequence[Notification], *, look: bool = True) -> Sequence[Facts]:
        """One `Facts` per notification; users are read once each. `look` = ask the presence cache."""
        users = list(dict.fromkeys(notification.user_key for notification in notifications))
        people, presence = await asyncio.gather(self._people(users), self._look(users) if look else _nobody(users))
        recipients, suppressed = people
        return [
            Facts(recipients[user], presence[user], self._means, suppressed.get(user))
            for user in (notification.user_key for notification in notifications)
        ]

    async def _people(self, users: Sequence[Key]) -> tuple[Mapping[Key, Recipient], Mapping[Key, str | None]]:
        """Who they are, and why their addresses must not be written to, where that is so."""
        recipients = dict(zip(users, await self._store.recipients(users), strict=True))
        addresses = {
            user: Key(user.tenant, recipient.user.email)
            for user, recipient in recipients.items()
            if recipient.user and recipient.user.email
        }
        reasons = await self._store.suppressed(list(addresses.values())) if addresses else []
        return recipients, dict(zip(addresses, reasons, strict=True))

    async def _look(self, users: Sequence[Key]) -> Mapping[Key, Presence]:
        try:
            return dict(zip(users, await self._presence.look(users, self._clock()), strict=True))
        except PresenceUnavailable as error:
            # Presence is a hint (G7): without it everyone counts as offline and gets the e-mail.
            log.warning("presence_away", action="route", users=len(users), error=str(error))
            return dict.fromkeys(users, OFFLINE)


async def _nobody(users: Sequence[Key]) -> Mapping[Key, Presence]:
    return dict.fromkeys(users, OFFLINE)


class Handover:
    """Collects lane items and publishes them, one bulk publish a lane. What can't be published is the reconciler's."""

    def __init__(self) -> None:
        self._items: dict[str, tuple[Lane, list[LaneItem]]] = defaultdict()

    def add(self, lane: Lane, item: LaneItem) -> None:
        self._items.setdefault(lane.name, (lane, []))[1].append(item)

    def add_route(self, notification: Notification, facts: Facts, route: Route) -> None:
        """The items of a decision. A user whose stream a client may resume gets whatever the inbox keeps."""
        light = notification.lighten()
        if route.leaves_for_page or (facts.presence.known and inbox_keeps(notification, facts)):
            self.add(INAPP, InAppItem(notification=light, planned=route.leaves_for_page))
        for device in route.devices:
            self.add(PUSH_LANES[device.kind], push_item(notification, device))
        if route.email:
            user = facts.recipient.user
            self.add(EMAIL, EmailItem(notification=light, address=route.email, name=user.name if user else None))

    async def publish(self, queue: Queue) -> None:
        for lane, items in self._items.values():
            try:
                await queue.publish(lane, items)
            except QueueUnavailable as error:
                telemetry.publish_failed_total.labels(lane.name).inc(len(items))
                log.warning("publish_failed", action="leave", lane=lane.name, items=len(items), error=str(error))
