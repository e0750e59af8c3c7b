"""One attempt at a provider, for a batch: record it, make the call, record what came of it (promise G3).

Shared by the push worker and the e-mail sender. The attempt is in the store before the call, so that a duplicate is
only possible when a worker dies between the provider's yes and our write, and is then visible as `unknown`. What the
provider's guard holds back, and a retry beyond its budget, goes back to its lane without an attempt.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Protocol, TypeVar

import msgspec

from heliograph import telemetry, tracing
from heliograph.core.beginning import Begin, Drop, Wait, after_refusal
from heliograph.core.errors import StoreUnavailable
from heliograph.core.lanes import Item
from heliograph.core.lifecycle import Event
from heliograph.core.model import Millis
from heliograph.core.outcomes import (
    DONE,
    Dead,
    Delivered,
    Outcome,
    ProviderOutcome,
    RetryAt,
    Unavailable,
    Unregistered,
)
from heliograph.core.ports import Clock, NotificationStore
from heliograph.core.retry import GiveUp, RetryPolicy, after_failure, excuses
from heliograph.gate import FREE, Admission

log = telemetry.logger("attempts")
_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 5.0
_BUDGET_WAIT_S: Final = 5.0
"""At least so long, at most twice that, waits a retry that is over budget."""
_ROUNDS: Final = 3
"""Begin, at most once more after an unknown attempt, and once more if a rival was faster."""


class Attempted(Item, Protocol):
    """What an item must carry to be attempted."""

    @property
    def attempt(self) -> int: ...
    @property
    def gen(self) -> int: ...
    @property
    def base(self) -> int: ...


ItemT = TypeVar("ItemT", bound=Attempted)
Call = Callable[[ItemT, int], Awaitable[tuple[str, ProviderOutcome]]]
"""Makes one call for an item as attempt n; answers the provider's name and its outcome. Must not raise for what a
provider can do; what it raises is a bug and becomes `Unavailable(unknown=True)`, because nobody knows what happened."""


class Attempts:
    """Args:
    lease_s: how long a begun attempt belongs to its worker: more than the provider's time-out.
    """

    def __init__(
        self, store: NotificationStore, clock: Clock, policy: RetryPolicy, lease_s: float,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:  # fmt: skip
        self._store = store
        self._clock = clock
        self._policy = policy
        self._lease_ms = round(lease_s * 1000)
        self._pause = pause

    async def make(
        self, items: Sequence[tuple[ItemT, bool]], call: Call[ItemT], admission: Admission = FREE,
        keep: Callable[[], Awaitable[None]] | None = None,
    ) -> Sequence[Outcome]:  # fmt: skip
        """Attempts every (item, orphaned) that may be attempted now. Answers one outcome per item.

        Args:
            admission: by which the items were pulled; its guard is asked once more, and about retries.
            keep: writes what else the calls brought that must be in the store when their outcome is; may be repeated.
        """
        starts = await self._begin(items, await self._hold_back([item for item, _ in items], admission))
        going = [(item, start) for (item, _), start in zip(items, starts, strict=True) if isinstance(start, int)]
        answers = await asyncio.gather(*(self._call(call, item, number) for item, number in going))
        is_open = admission.guard is not None and admission.guard.is_open
        events, ended = self._conclude(going, answers, is_open)
        if keep is not None:
            await self._persist(keep)
        await self._persist(lambda: self._store.record(events))
        telemetry.count_ends(events)
        concluded = iter(ended)
        return [next(concluded) if isinstance(start, int) else start for start in starts]

    async def _hold_back(self, items: Sequence[ItemT], admission: Admission) -> dict[int, RetryAt]:
        """By position: what may not begin, and when it comes back. Their lanes know them by a step of their own, or the
        reconciler would take them for lost."""
        guard = admission.guard
        if guard is None:
            return {}
        now = self._clock()
        held: dict[int, RetryAt] = {}
        steps: list[Event] = []
        why = guard.held(probe=admission.probe)
        for index, item in enumerate(items):
            before = item.attempt - 1
            again = before > item.base
            if why:
                held[index] = RetryAt(now)
                steps.append(_event(item, "requeued", before, now, detail=why, unique=str(now)))
            elif not guard.may_try(item.level, again=again):
                at = now + round(_BUDGET_WAIT_S * (1000 + 1000 * random.random()))  # noqa: S311 - jitter, not a secret
                held[index] = RetryAt(at)
                step = _event(item, "retrying", before, now, detail="the retry budget is used up", unique=str(now))
                steps.append(msgspec.structs.replace(step, due_at=at))
        if steps:
            await self._store.record(steps)
        return held

    async def _persist(self, write: Callable[[], Awaitable[None]]) -> None:
        """Writes what came of the calls, however long the store is away: nobody else knows it, and a provider that
        said yes would be asked again."""
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                await write()
                return
            except StoreUnavailable as error:
                log.warning("backend_away", action="record", error=repr(error))
                await self._pause(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def _begin(self, items: Sequence[tuple[ItemT, bool]], held: Mapping[int, Outcome]) -> list[int | Outcome]:
        """Per item: the number of the attempt that was begun, or why none was."""
        starts: list[int | Outcome] = [held.get(index, DONE) for index in range(len(items))]
        pending = {index: item.attempt for index, (item, _) in enumerate(items) if index not in held}
        for _ in range(_ROUNDS):
            if not pending:
                return starts
            now = self._clock()
            order = list(pending)
            events = [self._sending(items[index][0], pending[index], now) for index in order]
            refused: dict[int, int] = {}
            unknown: list[Event] = []
            for index, begun in zip(order, await self._store.begin(events), strict=True):
                item, orphaned = items[index]
                if begun.begun:
                    starts[index] = pending[index]
                elif begun.history is not None and not begun.history.cancelled:
                    verdict = after_refusal(
                        begun.history.events, item.target, pending[index], item.gen, now, self._lease_ms, orphaned
                    )
                    starts[index] = self._obey(verdict, item, index, now, refused, unknown)
            if unknown:
                await self._store.record(unknown)
            pending = refused
        for index in pending:
            starts[index] = RetryAt(self._clock() + self._lease_ms)
        return starts

    def _obey(
        self, verdict: Begin | Wait | Drop, item: ItemT, index: int, now: Millis,
        refused: dict[int, int], unknown: list[Event],
    ) -> Outcome:  # fmt: skip
        match verdict:
            case Begin(attempt, lost):
                refused[index] = attempt
                if lost is not None:
                    unknown.append(_event(item, "unknown", lost, now, detail="its worker died before it could tell"))
                return DONE
            case Wait(until, attempt):
                return RetryAt(until, msgspec.structs.replace(item, attempt=attempt))  # type: ignore[type-var]
            case Drop(reason):
                log.debug("copy_dropped", action="drop", notification=item.key.id, target=item.target, reason=reason)
                return DONE

    @staticmethod
    def _sending(item: ItemT, attempt: int, now: Millis) -> Event:
        return msgspec.structs.replace(_event(item, "sending", attempt, now), token=secrets.token_hex(8))

    async def _call(self, call: Call[ItemT], item: ItemT, number: int) -> tuple[str, ProviderOutcome]:
        started = time.perf_counter()
        try:
            provider, outcome = await call(item, number)
        except Exception as error:
            log.exception("bug", action="send", notification=item.key.id, tenant=item.key.tenant, target=item.target)
            provider, outcome = "", Unavailable(f"bug:{type(error).__name__}", unknown=True)
        what = type(outcome).__name__.lower()
        telemetry.provider_attempts_total.labels(provider, what).inc()
        if tracing.spans is not None:
            tracing.spans.called(item.key.id, provider, number, what, time.perf_counter() - started)
        return provider, outcome

    def _conclude(
        self, going: Sequence[tuple[ItemT, int]], answers: Sequence[tuple[str, ProviderOutcome]], is_open: bool
    ) -> tuple[list[Event], list[Outcome]]:
        """DECIDE: what is recorded of each answer, and what becomes of each item."""
        now = self._clock()
        events: list[Event] = []
        outcomes: list[Outcome] = []
        for (item, number), (provider, answer) in zip(going, answers, strict=True):
            event, outcome = self._decide(item, number, provider, answer, is_open, now)
            if event is not None:
                events.append(event)
            outcomes.append(outcome)
        return events, outcomes

    def _decide(
        self, item: ItemT, number: int, provider: str, answer: ProviderOutcome, is_open: bool, now: Millis
    ) -> tuple[Event | None, Outcome]:
        if isinstance(answer, Delivered):
            kind = "delivered" if answer.final else "sent"
            return _event(item, kind, number, now, provider, provider_id=answer.provider_id), DONE
        excused = excuses(answer, is_open)
        tried = number - item.base
        decision = after_failure(self._policy, tried, answer, now, random.random, level=item.level, excused=excused)
        if isinstance(decision, GiveUp):
            if isinstance(answer, Unregistered):
                # A device that is gone is no accident to be replayed: its token is forgotten.
                return _event(item, "failed", number, now, provider, detail=decision.cause), DONE
            return None, Dead(decision.cause, attempt=number, provider=provider)
        lost_sight = isinstance(answer, Unavailable) and answer.unknown
        kind = "unknown" if lost_sight else "retrying"
        event = _event(item, kind, number, now, provider, detail=decision.cause)
        again = msgspec.structs.replace(item, attempt=number + 1, base=item.base + excused)  # type: ignore[type-var]
        return msgspec.structs.replace(event, due_at=decision.at, excused=excused), RetryAt(decision.at, again)


def _event(
    item: Attempted, kind: str, attempt: int, now: Millis, provider: str | None = None, *,
    detail: str | None = None, provider_id: str | None = None, unique: str = "",
) -> Event:  # fmt: skip
    return Event(
        tenant=item.key.tenant,
        notification_id=item.key.id,
        at=now,
        kind=kind,  # type: ignore[arg-type]
        target=item.target,
        attempt=attempt,
        gen=item.gen,
        provider=provider or None,
        provider_id=provider_id,
        detail=detail,
        unique=unique,
    )
