"""The whole store: what a backend implements."""

from __future__ import annotations

from typing import Protocol

from heliograph.core.ports.dead_letters import DeadLetterStore
from heliograph.core.ports.inbox import InboxStore
from heliograph.core.ports.people import AccessStore, UserStore
from heliograph.core.ports.retention import RetentionStore
from heliograph.core.ports.sending import NotificationStore
from heliograph.core.ports.suppressions import SuppressionStore
from heliograph.core.ports.tickets import TicketStore
from heliograph.core.ports.topics import TopicStore


class Store(
    NotificationStore,
    InboxStore,
    UserStore,
    SuppressionStore,
    AccessStore,
    DeadLetterStore,
    TopicStore,
    TicketStore,
    RetentionStore,
    Protocol,
):
    async def open(self) -> None:
        """Connects and creates what is missing (tables, indexes). Raises `StoreUnavailable`."""

    async def ping(self) -> None:
        """Raises `StoreUnavailable` unless the store answers and can write."""

    def in_use(self) -> int:
        """Calls that wait for the store or are being answered."""

    async def close_store(self) -> None: ...
