"""Small values that all processes share. They live in the cache, and all of it may be lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Cells(Protocol):
    async def change(self, name: str, step: Callable[[bytes], bytes], ttl_ms: int) -> bytes:
        """Replaces what the cell holds by what `step` makes of it, and answers that; no other change comes between.

        `step` gets empty bytes where the cell is empty, may run several times, and changes nothing when it answers what
        it got. Unless it is changed again, the value ends after `ttl_ms`. Raises `PresenceUnavailable`.
        """
