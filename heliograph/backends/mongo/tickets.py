"""MongoDB store: tickets, pushes whose provider tells only later what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec.structs import replace
from pymongo import UpdateOne

from heliograph.backends.mongo.connection import Connected, Document, reaching
from heliograph.backends.mongo.documents import text
from heliograph.core.model import Millis
from heliograph.core.ports import Ticket

_ticket: Final = msgspec.json.Decoder(Ticket)


class Tickets(Connected):
    """See `core.ports.TicketStore`."""

    @reaching
    async def add_tickets(self, tickets: Sequence[Ticket]) -> None:
        unless_there = [UpdateOne({"_id": _id(one)}, {"$setOnInsert": _document(one)}, upsert=True) for one in tickets]
        if unless_there:
            await self._database.tickets.bulk_write(unless_there, ordered=False)

    @reaching
    async def tickets_due(self, provider: str, now: Millis, limit: int) -> Sequence[Ticket]:
        wanted = {"provider": provider, "due_at": {"$lte": now}}
        found = self._database.tickets.find(wanted, sort=[("due_at", 1)], limit=limit)
        return [replace(_ticket.decode(one["content"]), due_at=int(one["due_at"])) async for one in found]

    @reaching
    async def postpone_tickets(self, tickets: Sequence[Ticket], due_at: Millis) -> None:
        if tickets:
            await self._database.tickets.update_many(_named(tickets), {"$set": {"due_at": due_at}})

    @reaching
    async def drop_tickets(self, tickets: Sequence[Ticket]) -> None:
        if tickets:
            await self._database.tickets.delete_many(_named(tickets))


def _id(ticket: Ticket) -> str:
    return f"{ticket.provider}/{ticket.id}"


def _named(tickets: Sequence[Ticket]) -> Document:
    return {"_id": {"$in": [_id(ticket) for ticket in tickets]}}


def _document(ticket: Ticket) -> Document:
    return {
        "provider": ticket.provider,
        "tenant": ticket.tenant,
        "user": ticket.user,
        "due_at": ticket.due_at,
        "content": text(ticket),
    }
