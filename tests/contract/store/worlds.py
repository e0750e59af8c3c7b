"""The stores under contract: SQLite, MongoDB (on SecantusDB, and on a real one if there is one), the twin in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from heliograph.backends.mongo import MongoStore
from heliograph.backends.sqlite import SqliteStore
from heliograph.core.ports import Store
from heliograph.testing.store import MemoryStore


class World(Protocol):
    """One set of data. `store` and `rival` are handles on it, as in two processes."""

    store: Store
    rival: Store

    def another(self) -> Store:
        """A further handle, not open yet."""


class MemoryWorld:
    def __init__(self) -> None:
        self.store: Store = MemoryStore()
        self.rival = self.store

    def another(self) -> Store:
        return self.store


class SqliteWorld:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.store: Store = self.another()
        self.rival: Store = self.another()

    def another(self) -> Store:
        return SqliteStore(self.path)


class MongoWorld:
    def __init__(self, url: str) -> None:
        self.url = url
        self.store: Store = self.another()
        self.rival: Store = self.another()

    def another(self) -> Store:
        return MongoStore(self.url)
