"""Store: pushes whose provider tells only later what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from heliograph.core.model import Key, Millis


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """A provider's promise of a receipt for one push. (`provider`, `id`) is unique."""

    provider: str
    id: str
    tenant: str
    user: str
    notification_id: str
    device_id: str
    attempt: int
    gen: int = 0
    at: Millis
    """When the provider took the push."""
    due_at: Millis
    """When its receipt is asked for next."""

    @property
    def user_key(self) -> Key:
        return Key(self.tenant, self.user)


class TicketStore(Protocol):
    async def add_tickets(self, tickets: Sequence[Ticket]) -> None:
        """Keeps tickets; one that is there already stays as it is. They go with their user (`erase_user`)."""

    async def tickets_due(self, provider: str, now: Millis, limit: int) -> Sequence[Ticket]:
        """A provider's tickets whose `due_at` has come, the longest due first."""

    async def postpone_tickets(self, tickets: Sequence[Ticket], due_at: Millis) -> None:
        """Asks again then."""

    async def drop_tickets(self, tickets: Sequence[Ticket]) -> None:
        """Forgets them: nothing more will be asked."""
