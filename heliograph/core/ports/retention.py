"""Store: the old ones that go, a small portion at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from heliograph.core.model import Millis
from heliograph.core.ports.dead_letters import DeadLetter
from heliograph.core.retention import Bounds


class Swept(msgspec.Struct, frozen=True):
    """What a portion did. `after`: where the next one goes on; empty = the pass is over."""

    after: str
    hidden: int = 0
    removed: int = 0


class RetentionStore(Protocol):
    async def sweep_notifications(self, limits: Bounds, after: str, limit: int) -> Swept:
        """Looks at the next `limit` notifications and does with those of which nothing is owed what
        `core.retention.fate` says: out of the inbox, or removed with all their events. Open ones always stay.

        `after`: as the last portion of this pass answered it; empty = a new pass.
        """

    async def sweep_batches(self, before: Millis, limit: int) -> int:
        """Removes batches made before a time, if all of their members have rows; those stay. Returns how many."""

    async def sweep_idempotency(self, before: Millis, limit: int) -> int:
        """Forgets idempotency keys of what was made before a time: they may be used anew. Returns how many."""

    async def old_letters(self, before: Millis, limit: int) -> Sequence[DeadLetter]:
        """Dead letters of all tenants that died before a time, the oldest first."""
