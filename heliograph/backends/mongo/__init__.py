"""The store in MongoDB, through the official asynchronous driver; for clusters.

Reads and writes the database that the URL names (else `heliograph`). Every write waits for the journals of a majority;
every transition is one update of one document, so it needs no transactions.
"""

from __future__ import annotations

import structlog

from heliograph.backends.mongo import indexes, migrating
from heliograph.backends.mongo.access import Access
from heliograph.backends.mongo.connection import check_url, connect
from heliograph.backends.mongo.dead_letters import DeadLetters
from heliograph.backends.mongo.inbox import Inbox
from heliograph.backends.mongo.people import People
from heliograph.backends.mongo.progress import Progress
from heliograph.backends.mongo.retention import Retention
from heliograph.backends.mongo.sending import Sending
from heliograph.backends.mongo.suppressions import Suppressions
from heliograph.backends.mongo.tickets import Tickets
from heliograph.backends.mongo.topics import Topics

__all__ = ["MongoStore"]
log = structlog.get_logger(component="store")


class MongoStore(
    Sending, Progress, Inbox, People, Suppressions, Access, DeadLetters, Topics, Tickets, Retention
):  # fmt: skip
    """Implements `core.ports.Store`.

    Args:
        url: `mongodb://…` or `mongodb+srv://…`.

    Raises:
        ValueError: the URL asks for writes that are less safe than `w=majority&journal=true`.
    """

    def __init__(self, url: str) -> None:
        super().__init__()
        check_url(url)
        self._url = url

    async def open(self) -> None:
        """Raises StoreUnavailable; ValueError when a newer Heliograph wrote the database; or
        `pymongo.errors.ConfigurationError` for a URL that is none."""
        self._client = connect(self._url)
        try:
            with self._call():
                found = await migrating.begin(self._database)
                await indexes.create(self._database)
                if found < migrating.VERSION:
                    log.warning("migration_pending", action="run `heliograph migrate`", found=found)
        except BaseException:
            await self.close_store()
            raise
