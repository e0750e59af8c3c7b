"""The store in MongoDB."""

from __future__ import annotations

from heliograph.backends.sqlite import SqliteStore


class MongoStore(SqliteStore):
    def __init__(self, url: str) -> None:
        raise NotImplementedError(url)
