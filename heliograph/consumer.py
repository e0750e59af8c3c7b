"""The only loop in the house: pulls a lane, hands the batch to a role, turns outcomes into ack, retry or dead letter.

A role's `handle` answers one outcome per item, in order. If it raises because a backend is away, the whole batch waits
and is tried again; if it raises for any other reason, the batch is tried as batches of one, so that poison can't hold
its neighbours, and what raises alone becomes a dead letter.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Literal

import msgspec

from heliograph import telemetry, tracing
from heliograph.core.errors import PresenceUnavailable, QueueUnavailable, StoreUnavailable
from heliograph.core.ids import accepted_at
from heliograph.core.lanes import Lane, LaneItem
from heliograph.core.lifecycle import ROUTING, Event
from heliograph.core.model import Millis
from heliograph.core.outcomes import Dead, Outcome, RetryAt
from heliograph.core.ports import Clock, DeadLetter, Pulled, Queue, Store
from heliograph.core.reconciling import LONG_DELAY_MS
from heliograph.gate import Admission, Gate, admission_of
from heliograph.pausing import Pauses
from heliograph.work import Work

Handle = Callable[[Sequence[Pulled]], Awaitable[Sequence[Outcome]]]
AWAY: Final = (StoreUnavailable, QueueUnavailable, PresenceUnavailable)
_MAX_DELIVERIES: Final = 5
"""An item that was delivered this often without being settled probably kills its workers."""

_AFTER_BUG_S: Final = 1.0

_FEW: Final = 8
"""Up to this many items, latency matters more than the cost of each."""
_GATHER_S: Final = 0.02

log = telemetry.logger("consumer")


class Consumer:
    """Runs one role's `handle` over one lane.

    Args:
        slots: how many batches may be in hand at once. Roles that wait for providers take several, so that one slow
            answer doesn't hold what comes behind it.
        gate: asked before the batch is chosen, so that the most urgent item at that moment gets the admission.
        pauses: while the lane is paused by hand nothing is pulled.
    """

    def __init__(
        self, lane: Lane, handle: Handle, queue: Queue, store: Store, clock: Clock, *,
        batch_max: int = 500, slots: int = 1, gate: Gate | None = None, pauses: Pauses | None = None,
    ) -> None:  # fmt: skip
        self.name = lane.role
        self._stage = telemetry.Stage(lane.role, lane.channel)
        self.work = Work()
        self._lane = lane
        self._handle = handle
        self._queue = queue
        self._store = store
        self._clock = clock
        self._batch_max = batch_max
        self._free = asyncio.Semaphore(slots)
        self._gate = gate or Gate()
        self._pauses = pauses or Pauses()
        self._working: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`: then finishes what is in hand."""
        stopping = asyncio.ensure_future(stop.wait())
        try:
            while True:
                await self._free.acquire()
                batch = None
                try:
                    if not stop.is_set():
                        batch = await _first(self._next_batch(), stopping)
                finally:
                    if batch is None:  # a failed pull must not cost a slot: this consumer is run again
                        self._free.release()
                if batch is None:
                    break
                task = asyncio.ensure_future(self._work(batch, stop))
                self._working.add(task)
                task.add_done_callback(self._worked)
        finally:
            stopping.cancel()
            if self._working:
                await asyncio.wait(self._working)

    def _worked(self, task: asyncio.Task[None]) -> None:
        self._working.discard(task)
        self._free.release()
        if not task.cancelled() and task.exception():
            log.error("consumer_failed", action="settle", stage=self.name, exc_info=task.exception())

    async def _next_batch(self) -> Sequence[Pulled]:
        while True:
            try:
                level = await self._queue.ready(self._lane)
                if self._pauses.of(self._lane.name):  # what is most urgent is asked anew when it is over
                    await self._pauses.over(self._lane.name)
                    continue
                admission = await self._gate.admit(self._batch_max, level)
                if admission.count:
                    return await self._pull(admission)
            except AWAY as error:
                log.warning("backend_away", action="pull", stage=self.name, error=repr(error))
                await asyncio.sleep(0.5)

    async def _pull(self, admission: Admission) -> Sequence[Pulled]:
        pulled: Sequence[Pulled] = ()
        try:
            pulled = await self._queue.pull(self._lane, admission.count)
        finally:
            self._gate.unused(admission, admission.count - len(pulled))
        for each in pulled:
            each.admission = admission
        return pulled

    async def _work(self, batch: Sequence[Pulled], stop: asyncio.Event) -> None:
        started = time.perf_counter()
        done = False
        self.work.begin()
        try:
            done = await self._done(batch, stop)
        except Exception:  # items that stayed in hand would never be delivered again
            ids = [pulled.item.key.id for pulled in batch]
            log.exception("bug", action="give_back", stage=self.name, notifications=ids)
            await _set_within(stop, _AFTER_BUG_S)
        self.work.end(len(batch) if done else 0)
        self._gate.ended(admission_of(batch), len(batch))
        if not done:
            await self._queue.give_back(batch)
        took_s = time.perf_counter() - started
        self._stage.took(batch[0].level, took_s)
        if tracing.spans is not None:
            tracing.spans.handled(self._lane, batch, took_s, done=done)
        if _FEW < len(batch) < self._batch_max:
            # Items come faster than small batches can be handled: given as long to gather as this one took, the next
            # batch is larger and each of its items cheaper. A backlog (a full batch) waits for nothing.
            await _set_within(stop, min(took_s, _GATHER_S))

    async def _done(self, batch: Sequence[Pulled], stop: asyncio.Event) -> bool:
        """Handles and settles a batch; False = the process is stopping before it could."""
        poison = [pulled for pulled in batch if pulled.deliveries > _MAX_DELIVERIES]
        sound = [pulled for pulled in batch if pulled.deliveries <= _MAX_DELIVERIES]
        outcomes = await self._attempt(sound, stop) if sound else []
        if outcomes is None:
            return False
        ended = [*zip(sound, outcomes, strict=True), *((pulled, Dead("poison")) for pulled in poison)]
        return await self._settled(ended, stop)

    async def _attempt(self, batch: Sequence[Pulled], stop: asyncio.Event) -> Sequence[Outcome] | None:
        """The batch's outcomes; None = the process is stopping and a backend is away."""
        failures = 0
        while True:
            try:
                return _one_each(await self._handle(batch), len(batch))
            except AWAY as error:
                failures += 1
                log.warning("backend_away", action="wait", stage=self.name, items=len(batch), error=repr(error))
                wait_s = min(5.0, 0.1 * 2.0**failures) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
                if await _set_within(stop, wait_s):
                    return None
            except Exception as error:  # noqa: BLE001 - a bug in a role must not end the loop
                if len(batch) == 1:
                    return [self._poisoned(batch[0].item, error)]
                log.warning("batch_failed", action="split", stage=self.name, items=len(batch), error=repr(error))
                alone = [await self._attempt([pulled], stop) for pulled in batch]
                if any(one is None for one in alone):
                    return None
                return [one[0] for one in alone if one]

    def _poisoned(self, item: LaneItem, error: Exception) -> Dead:
        log.error(
            "bug", action="bury", stage=self.name, notification=item.key.id, tenant=item.key.tenant,
            target=item.target, exc_info=error,
        )  # fmt: skip
        return Dead(f"bug:{type(error).__name__}", str(error)[:500])

    async def _settled(self, ended: Sequence[tuple[Pulled, Outcome]], stop: asyncio.Event) -> bool:
        """Settles, waiting for backends that are away; False = the process is stopping before it could."""
        while True:
            try:
                await self._settle(ended)
                return True
            except AWAY as error:
                log.warning("backend_away", action="settle", stage=self.name, items=len(ended), error=repr(error))
                if await _set_within(stop, 0.5):
                    return False

    async def _settle(self, ended: Sequence[tuple[Pulled, Outcome]]) -> None:
        """Dead letters into the store, retries into their lane, then the acks: in this order, or a crash loses."""
        now = self._clock()
        dead = [(pulled.item, outcome) for pulled, outcome in ended if isinstance(outcome, Dead)]
        later = [
            (outcome.item if outcome.item is not None else pulled.item, outcome.at)
            for pulled, outcome in ended
            if isinstance(outcome, RetryAt) and outcome.at - now <= LONG_DELAY_MS
        ]
        if dead:
            await self._bury(dead)
        if later:
            await self._queue.publish_later(self._lane, later)  # type: ignore[arg-type]
        await self._queue.settle([pulled for pulled, _ in ended])
        self._measure(ended, now)

    def _measure(self, ended: Sequence[tuple[Pulled, Outcome]], now: Millis) -> None:
        for (level, kind), count in Counter((pulled.level, type(outcome)) for pulled, outcome in ended).items():
            self._stage.ended(level, kind.__name__.lower(), count)
        # Items of a batch were mostly accepted together, in the same few milliseconds.
        for (level, at), count in Counter(
            (pulled.level, accepted_at(pulled.item.key.id)) for pulled, _ in ended
        ).items():
            self._stage.left(level, max(0.0, (now - at) / 1000), count)

    async def _bury(self, dead: Sequence[tuple[LaneItem, Dead]]) -> None:
        now = self._clock()
        await self._store.bury([self._letter(item, outcome) for item, outcome in dead])
        failed = [
            Event(
                tenant=item.key.tenant, notification_id=item.key.id, at=now, kind="failed",
                target=item.target or ROUTING, attempt=outcome.attempt or getattr(item, "attempt", 0),
                gen=getattr(item, "gen", 0), provider=outcome.provider or None, detail=outcome.cause,
            )
            for item, outcome in dead
        ]  # fmt: skip
        await self._store.record(failed)
        telemetry.count_ends(failed)

    def _letter(self, item: LaneItem, outcome: Dead) -> DeadLetter:
        return DeadLetter(
            tenant=item.key.tenant,
            notification_id=item.key.id,
            target=item.target or ROUTING,
            lane=self._lane.name,
            level=item.level,
            cause=outcome.cause,
            detail=outcome.detail or outcome.provider,
            attempts=outcome.attempt or getattr(item, "attempt", 0),
            at=self._clock(),
            item=msgspec.msgpack.encode(item),
        )


def _one_each(outcomes: Sequence[Outcome], items: int) -> Sequence[Outcome]:
    if len(outcomes) != items:
        raise RuntimeError(f"{len(outcomes)} outcomes of {items} items")
    return outcomes


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True


async def _first(work: Awaitable[Sequence[Pulled]], stopping: asyncio.Task[Literal[True]]) -> Sequence[Pulled] | None:
    """The result of `work`, or None if `stopping` comes first."""
    task = asyncio.ensure_future(work)
    await asyncio.wait([task, stopping], return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        return task.result()
    task.cancel()
    await asyncio.wait({task})
    return None if task.cancelled() else task.result()
