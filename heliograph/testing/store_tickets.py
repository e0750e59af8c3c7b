"""The in-memory twin of the store, third part: tickets."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from heliograph.core.model import Millis
from heliograph.core.ports import Ticket
from heliograph.testing.store_rows import Kept


class MemoryTickets:
    """Implements `core.ports.TicketStore`."""

    @property
    def _kept(self) -> Kept:
        raise NotImplementedError

    async def add_tickets(self, tickets: Sequence[Ticket]) -> None:
        for ticket in tickets:
            self._kept.tickets.setdefault((ticket.provider, ticket.id), ticket)

    async def tickets_due(self, provider: str, now: Millis, limit: int) -> Sequence[Ticket]:
        due = [one for one in self._kept.tickets.values() if one.provider == provider and one.due_at <= now]
        return sorted(due, key=lambda one: one.due_at)[:limit]

    async def postpone_tickets(self, tickets: Sequence[Ticket], due_at: Millis) -> None:
        for key in self._names(tickets):
            self._kept.tickets[key] = replace(self._kept.tickets[key], due_at=due_at)

    async def drop_tickets(self, tickets: Sequence[Ticket]) -> None:
        for key in self._names(tickets):
            del self._kept.tickets[key]

    def _names(self, tickets: Sequence[Ticket]) -> list[tuple[str, str]]:
        return [key for one in tickets if (key := (one.provider, one.id)) in self._kept.tickets]
