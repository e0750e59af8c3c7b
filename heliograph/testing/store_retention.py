"""The in-memory twin of the store, fourth part: the old ones that go."""

from __future__ import annotations

from collections.abc import Sequence

from heliograph.core.model import Millis
from heliograph.core.ports import DeadLetter, Swept
from heliograph.core.retention import Bounds, fate, floors
from heliograph.testing.store_rows import Kept


class MemoryRetention:
    """Implements `core.ports.RetentionStore`."""

    @property
    def _kept(self) -> Kept:
        raise NotImplementedError

    async def sweep_notifications(self, limits: Bounds, after: str, limit: int) -> Swept:
        closed = sorted((key.id, key) for key, sent in self._kept.sent.items() if sent.open == 0)
        old = [(id_, key) for id_, key in closed if after < id_ < limits.walk][:limit]
        hidden = removed = 0
        for id_, key in old:
            sent = self._kept.sent[key]
            match fate(id_, sent.in_inbox, limits):
                case "remove":
                    del self._kept.sent[key]
                    removed += 1
                case "hide":
                    sent.hidden = True
                    hidden += 1
        return Swept(old[-1][0] if len(old) == limit else "", hidden, removed)

    async def sweep_batches(self, before: Millis, limit: int) -> int:
        done = sorted((key.id, key) for key, kept in self._kept.batches.items() if kept.reached.done)
        gone = [key for id_, key in done if id_ < floors(before)[0][1]][:limit]
        for key in gone:
            del self._kept.batches[key]
        return len(gone)

    async def sweep_idempotency(self, before: Millis, limit: int) -> int:
        owners = sorted((claimed.id, key) for key, (claimed, _) in self._kept.claims.items())
        gone = [key for start, end in floors(before) for key in [k for id_, k in owners if start <= id_ < end][:limit]]
        for key in gone:
            del self._kept.claims[key]
        return len(gone)

    async def old_letters(self, before: Millis, limit: int) -> Sequence[DeadLetter]:
        old = [letter for letter in self._kept.letters.values() if letter.at < before]
        return sorted(old, key=lambda letter: (letter.at, letter.id))[:limit]
