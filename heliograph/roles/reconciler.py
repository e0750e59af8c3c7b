"""Reconciler: the promise that nothing accepted is lost (G1), and everything that happens because time has passed.

Reads open notifications whose next look is due, and the queue's state; hands lost items to their lanes again, publishes
retries and replays that are due, and escalates what an online user didn't acknowledge. Of several, one holds the lease.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence

import msgspec

from heliograph import telemetry
from heliograph.core.errors import PresenceUnavailable, QueueUnavailable, StoreUnavailable
from heliograph.core.lanes import EMAIL, INGEST, PUSH_LANES, BatchItem, EmailItem, IngestItem, PushItem, push_item
from heliograph.core.lifecycle import IN_APP, INBOX, Delivery, Event, History, fold
from heliograph.core.model import Key, Level, Millis
from heliograph.core.ports import Clock, Queue, Store
from heliograph.core.reconciling import (
    GRACE_MS,
    RECHECK_MS,
    Backlog,
    Close,
    Escalate,
    Requeue,
    Reroute,
    Verdict,
    examine,
    in_lane,
)
from heliograph.core.routing import Facts, escalate
from heliograph.pausing import Pauses
from heliograph.planning import Handover, Planner
from heliograph.sweeping import Sweeper

log = telemetry.logger("reconciler")
_AWAY = (StoreUnavailable, QueueUnavailable, PresenceUnavailable)
_LEASE_MS = 10_000
_REMEMBERED = 10_000
_INCARNATION = "queue_incarnation"


class Reconciler:
    """Args:
    every_s: pause between two rounds.
    batch: notifications handled at once, per level.
    pauses: what waits in a paused in-app lane is not escalated.
    sweeper: takes the old ones away; None = everything is kept.
    """

    name = "reconciler"

    def __init__(
        self, store: Store, queue: Queue, planner: Planner, clock: Clock, *,
        unseen_after_s: float, every_s: float, batch: int, pauses: Pauses | None = None,
        sweeper: Sweeper | None = None,
    ) -> None:  # fmt: skip
        self._store = store
        self._queue = queue
        self._planner = planner
        self._clock = clock
        self._unseen_after_s = unseen_after_s
        self._every_s = every_s
        self._batch = batch
        self._pauses = pauses or Pauses()
        self._sweeper = sweeper
        self.reconciled_at: Millis | None = None
        """When the last round was over; None = another one holds the lease."""
        self._holder = secrets.token_hex(8)
        self._incarnation = ""
        self._emptied_at: Millis = 0
        """When a wipe of the queue was noticed: what was handed over before it is in no lane, whoever waits there."""
        self._handed: dict[Key, Millis] = {}
        """When a lost batch was published again: else it would be, every time, for as long as it waits its turn."""

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                found = await self.round()
            except _AWAY as error:
                log.warning("backend_away", action="wait", error=repr(error))
                found = 0
            # A full round means that more is waiting: no pause then.
            pause_s = 0.0 if found >= self._batch else self._every_s
            try:
                await asyncio.wait_for(stop.wait(), pause_s)
            except TimeoutError:
                continue

    async def round(self) -> int:
        """One look at everything that is due; answers the size of the largest level's share."""
        now = self._clock()
        if not await self._store.lease(self.name, self._holder, now, now + _LEASE_MS):
            self.reconciled_at = None
            return 0
        await self._notice_wipe(now)
        lanes = await self._queue.lanes()
        backlog = {place: state.oldest_at for place, state in lanes.items() if state.oldest_at is not None}
        await self._batches(backlog, now)
        found = 0
        for level in Level:
            found = max(found, await self._level(level, backlog, now))
            if found >= self._batch:
                break  # more of it is waiting, and the less urgent would get into their lanes before it
        if self._sweeper and found < self._batch:
            await self._sweeper.sweep(now)
        self.reconciled_at = self._clock()
        telemetry.reconciler_round_at.set(now / 1000)
        return found

    async def _notice_wipe(self, now: Millis) -> None:
        """The queue came back empty: everything that is open may have been lost with it."""
        incarnation = await self._queue.incarnation()
        if incarnation == self._incarnation:
            return
        known = await self._store.keep(_INCARNATION, incarnation)
        if known != incarnation:
            self._emptied_at = now
            count = await self._store.recheck_all(now)
            log.warning("queue_was_wiped", action="recheck", notifications=count)
            await self._store.replace(_INCARNATION, incarnation)
        self._incarnation = incarnation

    async def _batches(self, backlog: Backlog, now: Millis) -> None:
        due = {found.key: found for found in await self._store.batches_due(now, 100)}
        lost = [
            found
            for key, found in due.items()
            if not in_lane(INGEST.name, found.level, max(found.moved_at, self._handed.get(key, 0)), backlog)
        ]
        if lost:
            await self._queue.publish(
                INGEST, [BatchItem(one.key.tenant, one.key.id, int(one.level), one.cursor) for one in lost]
            )
            self._handed |= {one.key: now for one in lost}
            _again("batch", len(lost))
        if due:
            await self._store.batch_postpone([*due], now + GRACE_MS)
        if len(self._handed) > _REMEMBERED:
            self._handed.clear()

    async def _level(self, level: Level, backlog: Backlog, now: Millis) -> int:
        due = await self._store.due(level, now, self._batch)
        try:
            await self._advance(due, backlog, now)
        except _AWAY:
            raise
        except Exception as error:  # noqa: BLE001 - one that can't be helped must not hold all others (G1)
            log.warning("batch_failed", action="split", stage=self.name, items=len(due), error=repr(error))
            for history in due:
                await self._advance_alone(history, backlog, now)
        return len(due)

    async def _advance_alone(self, history: History, backlog: Backlog, now: Millis) -> None:
        key = history.notification.key
        try:
            await self._advance([history], backlog, now)
        except _AWAY:
            raise
        except Exception:
            log.exception("bug", action="postpone", stage=self.name, notification=key.id, tenant=key.tenant)
            await self._store.postpone({key: now + RECHECK_MS})

    async def _advance(self, due: Sequence[History], backlog: Backlog, now: Millis) -> None:
        if not due:
            return

        # decide
        unseen_after_ms = round(self._unseen_after_s * 1000)
        emptied_at, paused = self._emptied_at, self._pauses.known
        verdicts = [
            (history, examine(history, backlog, now, unseen_after_ms, emptied_at=emptied_at, paused=paused))
            for history in due
        ]

        # commit
        work = _Work(now, self._unseen_after_s)
        facts = await self._facts(verdicts)
        for history, verdict in verdicts:
            for step in verdict.steps:
                work.take(step, history, facts.get(history.notification.key))
        await self._store.record(work.events)
        telemetry.count_ends(work.events)
        await self._store.postpone({h.notification.key: v.check_at for h, v in verdicts})
        if work.closed:
            await self._store.close(work.closed)
        await work.handover.publish(self._queue)

    async def _facts(self, verdicts: Sequence[tuple[History, Verdict]]) -> Mapping[Key, Facts]:
        needed = [h.notification for h, v in verdicts if any(isinstance(s, Requeue | Escalate) for s in v.steps)]
        if not needed:
            return {}
        found = await self._planner.facts(needed, look=False)
        return {notification.key: facts for notification, facts in zip(needed, found, strict=True)}


def _again(reason: str, count: int = 1) -> None:
    """That much is handed to the lanes again."""
    telemetry.reconciler_republished_total.labels(reason).inc(count)


class _Work:
    """What one round will write and publish."""

    def __init__(self, now: Millis, waited_s: float) -> None:
        self.events: list[Event] = []
        self.closed: list[Key] = []
        self.handover = Handover()
        self._now = now
        self._waited_s = waited_s

    def take(self, step: object, history: History, facts: Facts | None) -> None:
        match step:
            case Close():
                self.closed.append(history.notification.key)
            case Reroute(delivery):
                self.events.append(self._requeued(history, delivery))
                item = IngestItem(history.notification.lighten(), gen=delivery.gen)
                self.handover.add(INGEST, item)
                _again("unrouted")
            case Requeue(delivery) if facts is not None:
                self._requeue(history, delivery, facts)
            case Escalate() if facts is not None:
                self._escalate(history, facts)
            case _:
                raise AssertionError(step)

    def _requeue(self, history: History, delivery: Delivery, facts: Facts) -> None:
        notification, attempt = history.notification, delivery.attempts + 1
        user = facts.recipient.user
        _again("lost" if delivery.due_at is None else "due")
        if delivery.status == "sending":
            # The queue lost it in a worker's hands: the provider may have taken it, and gets it again (G3).
            self.events.append(self._unknown(history, delivery))
        if delivery.channel == "email" and user and user.email:
            item = EmailItem(
                notification=notification.lighten(), address=user.email, name=user.name, attempt=attempt,
                gen=delivery.gen, base=delivery.base,
            )  # fmt: skip
            self.handover.add(EMAIL, item)
            self.events.append(self._requeued(history, delivery))
            return
        device = next((d for d in facts.recipient.devices if f"push:{d.id}" == delivery.target), None)
        if device is None:
            self.events.append(self._failed(history, delivery, "the address or device is gone"))
            return
        made = push_item(notification, device)
        self.handover.add(PUSH_LANES[made.kind], _numbered(made, attempt, delivery))
        self.events.append(self._requeued(history, delivery))

    def _escalate(self, history: History, facts: Facts) -> None:
        notification = history.notification
        deliveries = fold(history.events)
        gen = deliveries[IN_APP].gen
        found = escalate(notification, facts, deliveries, self._waited_s)
        why = f"not acknowledged within {self._waited_s:g} s"
        unseen = self._event(history, "expired", IN_APP, gen=gen, detail=why)
        if not found.targets:
            # Nothing else can be done, and it does wait in the inbox: that is where this delivery ends.
            waits = self._event(
                history, "sent", IN_APP, gen=gen, detail="waits in the inbox", unique="inbox", provider=INBOX
            )
            self.events.append(waits)
            return
        plan = self._event(history, "escalated", "", gen=gen, detail=found.summary, plan=found.targets, why=found.why)
        self.events += [plan, unseen]
        self.handover.add_route(notification, facts, found)
        _again("unseen")

    def _requeued(self, history: History, delivery: Delivery) -> Event:
        return self._event(
            history, "requeued", delivery.target, attempt=delivery.attempts, gen=delivery.gen, unique=str(self._now)
        )

    def _unknown(self, history: History, delivery: Delivery) -> Event:
        why = "the queue lost it before its outcome was recorded"
        return self._event(history, "unknown", delivery.target, attempt=delivery.attempts, gen=delivery.gen, detail=why)

    def _failed(self, history: History, delivery: Delivery, why: str) -> Event:
        return self._event(history, "failed", delivery.target, attempt=delivery.attempts, gen=delivery.gen, detail=why)

    def _event(self, history: History, kind: str, target: str, **fields: object) -> Event:
        key = history.notification.key
        return Event(
            tenant=key.tenant,
            notification_id=key.id,
            at=self._now,
            kind=kind,  # type: ignore[arg-type]
            target=target,
            **fields,  # type: ignore[arg-type]
        )


def _numbered(item: PushItem, attempt: int, delivery: Delivery) -> PushItem:
    return msgspec.structs.replace(item, attempt=attempt, gen=delivery.gen, base=delivery.base)
