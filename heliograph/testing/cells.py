"""The twin of the shared cells: the port `Cells` in memory. Can lose everything (`flush`) and go away (`away`).

Values never end by themselves.
"""

from __future__ import annotations

from collections.abc import Callable

from heliograph.core.errors import PresenceUnavailable


class MemoryCells:
    """Implements `Cells`. Share one instance between those that are processes to each other."""

    def __init__(self) -> None:
        self.away = False
        self.values: dict[str, bytes] = {}

    async def change(self, name: str, step: Callable[[bytes], bytes], ttl_ms: int) -> bytes:  # noqa: ARG002 - port
        if self.away:
            raise PresenceUnavailable("away, as the test wants it")
        self.values[name] = step(self.values.get(name, b""))
        return self.values[name]

    def flush(self) -> None:
        self.values.clear()

    async def close(self) -> None:
        """Nothing to do."""
