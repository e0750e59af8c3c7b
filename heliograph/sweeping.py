"""Retention at work: takes the old ones away in small portions, a few a round, so that nobody waits for it.

Run by the reconciler that holds the lease. Reads and writes the store. What is given up of the dead letters is
discarded, with the reason in its timeline; what is owed is never touched.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from heliograph import letters, telemetry
from heliograph.core.model import Millis
from heliograph.core.ports import Store
from heliograph.core.retention import Keep, before, bounds

PORTION: Final = 250
PORTIONS: Final = 4
"""In one round: with a round a second, a thousand notifications a second."""
_REST_MS: Final = 60_000
"""Between two passes."""

log = telemetry.logger("sweeper")


class Sweeper:
    def __init__(self, store: Store, keep: Keep, *, portion: int = PORTION, rest_ms: Millis = _REST_MS) -> None:
        self._store = store
        self._keep = keep
        self._portion = portion
        self._rest_ms = rest_ms
        self._after = ""
        self._gone: Counter[str] = Counter()
        self._next_at: Millis = 0

    async def sweep(self, now: Millis) -> None:
        """A few portions; says at the end of a pass what went."""
        if now < self._next_at:
            return
        for _ in range(PORTIONS):
            if not await self._portion_of_all(now):
                self._next_at = now + self._rest_ms
                self._tell()
                return

    async def _portion_of_all(self, now: Millis) -> bool:
        """Whether there may be more."""
        keep, store = self._keep, self._store
        swept = await store.sweep_notifications(bounds(keep, now), self._after, self._portion)
        self._after = swept.after
        self._count("notifications", swept.removed)
        self._count("inbox", swept.hidden)
        full = [
            await self._small("batches", store.sweep_batches, before(keep.batches_s, now)),
            await self._small("idempotency", store.sweep_idempotency, before(keep.idempotency_s, now)),
            await self._small("dead_letters", partial(self._discard, now), before(keep.dead_letters_s, now)),
        ]
        return bool(swept.after) or any(full)

    async def _small(self, kind: str, sweep: Callable[[Millis, int], Awaitable[int]], end: Millis) -> bool:
        found = await sweep(end, self._portion) if end else 0
        self._count(kind, found)
        return found >= self._portion

    async def _discard(self, now: Millis, end: Millis, limit: int) -> int:
        found = await self._store.old_letters(end, limit)
        return await letters.discard(self._store, found, "kept as long as dead letters are kept", now) if found else 0

    def _count(self, kind: str, count: int) -> None:
        if count:
            self._gone[kind] += count
            telemetry.swept_total.labels(kind).inc(count)

    def _tell(self) -> None:
        if self._gone:
            log.info("swept", action="forget", **self._gone)
            self._gone.clear()
