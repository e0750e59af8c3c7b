"""Bringing a store up to the shape that this version writes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

Tell = Callable[[str, int, int], None]
"""Progress: what is being done, how much of it is done, out of how much (0 = nobody knows)."""


class Migration(msgspec.Struct, frozen=True):
    """Where a store stands. `found`: 0 = it is new and empty. `steps`: what is to be done, in order."""

    found: int
    wanted: int
    steps: tuple[str, ...] = ()

    @property
    def newer(self) -> bool:
        """A newer Heliograph wrote it: this one must not touch it."""
        return self.found > self.wanted


class Migrator(Protocol):
    async def look(self) -> Migration:
        """Changes nothing. Raises `StoreUnavailable`."""

    async def run(self, tell: Tell) -> None:
        """Does the steps; may be ended at any time and run again. Raises ValueError for a store that is newer."""
