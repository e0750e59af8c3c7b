"""Store: what will not be tried again by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from heliograph.core.model import Level, Millis


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """An item that will not be tried again by itself. `id` = notification id + target."""

    tenant: str
    notification_id: str
    target: str
    lane: str
    level: Level
    cause: str
    detail: str = ""
    attempts: int = 0
    at: Millis
    item: bytes = b""
    """The whole lane item, msgpack."""

    @property
    def id(self) -> str:
        return f"{self.notification_id}:{self.target}"

    @property
    def channel(self) -> str:
        return self.target.partition(":")[0] or "routing"


class DeadGroup(msgspec.Struct, frozen=True):
    cause: str
    count: int
    oldest_at: Millis
    example: DeadLetter


class DeadLetterStore(Protocol):
    async def bury(self, letters: Sequence[DeadLetter]) -> None:
        """Keeps dead letters; the same id again replaces the older one."""

    async def dead_groups(self, tenant: str, channel: str | None) -> Sequence[DeadGroup]:
        """Grouped by cause, the largest first."""

    async def dead_letters(
        self, tenant: str, *, cause: str | None = None, ids: Sequence[str] | None = None, limit: int = 10_000
    ) -> Sequence[DeadLetter]:
        """By cause or by ids (of dead letters or of notifications), most urgent first, then oldest."""

    async def unbury(self, letters: Sequence[DeadLetter]) -> None:
        """Forgets them: they were replayed."""

    async def dead_count(self) -> int: ...
