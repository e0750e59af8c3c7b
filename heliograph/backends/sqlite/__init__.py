"""The store in one SQLite file, durable on every commit (`synchronous=FULL`); the embedded default.

Reads and writes that file only. Several processes may open it at once. It never keeps anything in memory that another
process couldn't see.
"""

from __future__ import annotations

from pathlib import Path

from heliograph.backends.sqlite.access import Access
from heliograph.backends.sqlite.connection import DatabaseFile
from heliograph.backends.sqlite.dead_letters import DeadLetters
from heliograph.backends.sqlite.inbox import Inbox
from heliograph.backends.sqlite.people import People
from heliograph.backends.sqlite.progress import Progress
from heliograph.backends.sqlite.retention import Retention
from heliograph.backends.sqlite.sending import Sending
from heliograph.backends.sqlite.suppressions import Suppressions
from heliograph.backends.sqlite.tickets import Tickets
from heliograph.backends.sqlite.topics import Topics

__all__ = ["SqliteStore"]


class SqliteStore(
    Sending, Progress, Inbox, People, Suppressions, Access, DeadLetters, Topics, Tickets, Retention
):  # fmt: skip
    """Implements `core.ports.Store`.

    Args:
        path: the database file; it and its folder are created when missing.
        busy_timeout_ms: how long to wait for another process that is writing before `StoreUnavailable`.
    """

    def __init__(self, path: str | Path, *, busy_timeout_ms: int = 5_000) -> None:
        self._file = DatabaseFile(Path(path), busy_timeout_ms)

    async def open(self) -> None:
        """Raises StoreUnavailable, or ValueError when a newer Heliograph wrote the file."""
        await self._file.open()

    def in_use(self) -> int:
        return self._file.in_use()

    async def close_store(self) -> None:
        await self._file.close()
