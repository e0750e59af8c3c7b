"""Delivery router: decides where each accepted notification goes.

Reads the ingest lanes, users, suppressions and the presence cache; writes `routed` events to the store, and the
`sending` of those that leave for an open page; then one item per delivery to its channel's lane, in the level of its
type. Expands batches and routes what comes out of them. Never calls a provider.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from typing import Final

from heliograph import telemetry
from heliograph.consumer import AWAY
from heliograph.core.lanes import INGEST, BatchItem, IngestItem, LaneItem
from heliograph.core.lifecycle import IN_APP, INBOX, Event
from heliograph.core.model import PART, Batch, Key, Millis, Notification
from heliograph.core.outcomes import DONE, Dead, Outcome
from heliograph.core.ports import Clock, Pulled, Queue, Reached, Store
from heliograph.core.reconciling import GRACE_MS
from heliograph.core.routing import Facts, Route, inbox_keeps, route
from heliograph.planning import Handover, Planner

CHUNK: Final = PART
_DIGITS: Final = 10

log = telemetry.logger("router")


class Router:
    """Args:
    unseen_after_ms: when the reconciler looks whether an online user acknowledged.
    """

    def __init__(self, store: Store, queue: Queue, planner: Planner, clock: Clock, unseen_after_ms: int) -> None:
        self._store = store
        self._queue = queue
        self._planner = planner
        self._clock = clock
        self._unseen_after_ms = unseen_after_ms
        self._stage = telemetry.Stage(INGEST.role, INGEST.channel)

    async def handle(self, batch: Sequence[Pulled]) -> Sequence[Outcome]:
        """Routes notifications; expands batches, a chunk each, and routes their members."""
        outcomes: list[Outcome] = [DONE] * len(batch)
        arrived: list[tuple[int, IngestItem]] = []
        for position, pulled in enumerate(batch):
            match pulled.item:
                case BatchItem() as item:
                    await self._expand(item)
                case IngestItem() as item:
                    arrived.append((position, item))
        routed = await self._route([item for _, item in arrived])
        for (position, _), outcome in zip(arrived, routed, strict=True):
            outcomes[position] = outcome
        return outcomes

    async def _route(self, items: Sequence[IngestItem]) -> Sequence[Outcome]:
        # load: one round trip per backend
        facts = await self._planner.facts([item.notification for item in items])

        # decide: pure, one notification at a time
        now = self._clock()
        events: list[Event] = []
        check_at: dict[Key, Millis] = {}
        outcomes: list[Outcome] = []
        routes: list[tuple[Notification, Facts, Route]] = []
        for item, known in zip(items, facts, strict=True):
            notification, decision = item.notification, _decide(item.notification, known, now)
            events += _decided(item, known, decision, now)
            if decision is None or not decision.targets:
                outcomes.append(_nowhere(decision))
                continue
            routes.append((notification, known, decision))
            # Soon, in case the publish below is lost; what waits in its lane then costs the reconciler one look.
            check_at[notification.key] = now + min(GRACE_MS, self._unseen_after_ms)
            outcomes.append(DONE)

        # commit: store first, then publish. Event ids and delivery targets derive from the notification, so a
        # redelivered batch writes the same rows; a crash between the two lines is the reconciler's to find.
        leaving = [notification for notification, _, decision in routes if decision.leaves_for_page]
        _, stopped = await asyncio.gather(self._store.record(events, check_at), self._begin(leaving, now))
        telemetry.count_ends(events)
        handover = Handover()
        for notification, known, decision in routes:
            if notification.key not in stopped:
                handover.add_route(notification, known, decision)
        await handover.publish(self._queue)
        return outcomes

    async def _begin(self, leaving: Sequence[Notification], now: Millis) -> set[Key]:
        """Begins the in-app attempts, in the same commit as the decision where the store shares commits; answers those
        that were cancelled or erased meanwhile. One that was begun before goes again: its stream keeps the first."""
        if not leaving:
            return set()
        begun = await self._store.begin([_leaves(notification, now) for notification in leaving])
        return {
            notification.key
            for notification, one in zip(leaving, begun, strict=True)
            if not one.begun and (one.history is None or one.history.cancelled)
        }

    async def _expand(self, item: BatchItem) -> None:
        """One chunk: its members' rows, then where they go, then the rest of the batch as an item of its own at the end
        of the lane, so that a big batch never holds the lane for long. A death in between leaves open rows, which are
        the reconciler's to find."""
        batch = await self._store.batch(item.key, _place(item.reached), CHUNK)
        if batch is None:
            return
        members, reached = await self._chunk(batch, item.reached)
        await self._store.expand(members, self._clock() + GRACE_MS, reached)
        items: list[LaneItem] = [*await self._route_members([IngestItem(member.lighten()) for member in members])]
        if not reached.done:
            items.append(BatchItem(batch.tenant, batch.id, int(reached.level), reached.cursor))
        if items:
            await self._queue.publish(INGEST, items)

    async def _route_members(self, members: Sequence[IngestItem]) -> Sequence[IngestItem]:
        """Answers those that have to come by alone: what ends as a dead letter, and all if one of them is poison."""
        try:
            outcomes = await self._route(members) if members else []
        except AWAY:
            raise
        except Exception as error:  # noqa: BLE001 - it is met again, alone, as an item of the lane
            log.warning("batch_failed", action="split", stage=INGEST.role, items=len(members), error=repr(error))
            return members
        odd = [member for member, outcome in zip(members, outcomes, strict=True) if outcome is not DONE]
        if members:
            self._stage.ended(members[0].level, "done", len(members) - len(odd))
        return odd

    async def _chunk(self, batch: Batch, cursor: str) -> tuple[Sequence[Notification], Reached]:
        now = self._clock()
        if batch.topic is not None:
            users = await self._store.subscribers(Key(batch.tenant, batch.topic), cursor, CHUNK)
            last = users[-1] if users else cursor
            done = len(users) < CHUNK
            return [batch.subscriber(user) for user in users], Reached(batch.key, batch.level, last, now, done)
        start = _place(cursor)
        members = batch.members(start, CHUNK)
        end = start + len(members)
        members = [member for member in members if member.user]  # an erased one is nobody
        return members, Reached(batch.key, batch.level_at(end), str(end), now, end >= batch.size)


def _place(cursor: str) -> int:
    """Which member comes next; of a topic, whose cursor is a name, nobody asks."""
    return int(cursor) if cursor.isdecimal() and len(cursor) < _DIGITS else 0


def _decide(notification: Notification, facts: Facts, now: Millis) -> Route | None:
    """None = its time to live was over before it could be routed."""
    return None if notification.expired(now) else route(notification, facts)


def _leaves(notification: Notification, now: Millis) -> Event:
    return Event(
        tenant=notification.tenant, notification_id=notification.id, at=now, kind="sending", target=IN_APP, attempt=1,
        token=secrets.token_hex(4),
    )  # fmt: skip


def _decided(item: IngestItem, facts: Facts, decision: Route | None, now: Millis) -> list[Event]:
    """What is recorded of a decision; one that leaves no way ends the notification at once."""
    hides = item.notification.in_inbox and not inbox_keeps(item.notification, facts)
    if decision is None:
        target = (item.notification.channels or ("in_app",))[0]
        why = "its time to live was over before it could be routed"
        return [_routed(item, (target,), now, {}, why, hides), _ended(item, target, "expired", now, why)]
    if not decision.targets and decision.withheld:
        withheld = tuple(channel for channel, _ in decision.withheld)
        because = ", ".join(decision.why[channel].removeprefix("not chosen: ") for channel in withheld)
        routed = _routed(item, withheld, now, decision.why, because, hides)
        return [routed, *(_ended(item, channel, "suppressed", now, reason) for channel, reason in decision.withheld)]
    routed = _routed(item, decision.targets, now, decision.why, decision.summary, hides)
    if decision.inbox_only:
        return [routed, _ended(item, "in_app", "sent", now, "waits in the inbox", provider=INBOX)]
    return [routed]


def _nowhere(decision: Route | None) -> Outcome:
    if decision is None or decision.withheld:
        return DONE
    return Dead("no_route", "; ".join(f"{channel}: {why}" for channel, why in decision.why.items()))


def _routed(
    item: IngestItem, plan: tuple[str, ...], now: Millis, why: dict[str, str], because: str, hides: bool
) -> Event:
    # A redelivered item may be decided otherwise, because the world has changed: that is an event of its own, or what
    # it plans would be settled without ever having been owed.
    return Event(
        tenant=item.key.tenant, notification_id=item.key.id, at=now, kind="routed", gen=item.gen, plan=plan, why=why,
        detail=because, unique=",".join(plan), hides=hides,
    )  # fmt: skip


def _ended(
    item: IngestItem, target: str, kind: str, now: Millis, detail: str | None, provider: str | None = None
) -> Event:
    return Event(
        tenant=item.key.tenant,
        notification_id=item.key.id,
        at=now,
        kind=kind,  # type: ignore[arg-type]
        target=target,
        provider=provider,
        detail=detail,
    )
