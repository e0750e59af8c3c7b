"""SQLite store: tickets, pushes whose provider tells only later what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from heliograph.backends.sqlite.connection import DatabaseFile
from heliograph.backends.sqlite.statements import insert, json_text, listed
from heliograph.core.model import Millis
from heliograph.core.ports import Ticket

ADD: Final = """
    INSERT INTO tickets (provider, id, tenant, user, due_at, content) VALUES {rows} ON CONFLICT DO NOTHING
"""
DUE: Final = f"""
    SELECT {listed("json_set(t.content, '$.due_at', t.due_at)", "t.due_at")} FROM (
        SELECT * FROM tickets WHERE provider = ? AND due_at <= ? ORDER BY due_at LIMIT ?
    ) AS t
"""
_NAMED: Final = "(provider, id) IN (SELECT k.value ->> 0, k.value ->> 1 FROM json_each(?) AS k)"
POSTPONE: Final = f"UPDATE tickets SET due_at = ? WHERE {_NAMED}"
DROP: Final = f"DELETE FROM tickets WHERE {_NAMED}"

_tickets: Final = msgspec.json.Decoder(list[Ticket])


class Tickets:
    """See `core.ports.TicketStore`."""

    _file: DatabaseFile

    async def add_tickets(self, tickets: Sequence[Ticket]) -> None:
        rows = [(t.provider, t.id, t.tenant, t.user, t.due_at, json_text(t)) for t in tickets]
        await self._file.write(lambda connection: insert(connection, ADD, rows))

    async def tickets_due(self, provider: str, now: Millis, limit: int) -> Sequence[Ticket]:
        return await self._file.fetch(DUE, (provider, now, limit), _tickets)

    async def postpone_tickets(self, tickets: Sequence[Ticket], due_at: Millis) -> None:
        await self._file.execute(POSTPONE, (due_at, _names(tickets)))

    async def drop_tickets(self, tickets: Sequence[Ticket]) -> None:
        await self._file.execute(DROP, (_names(tickets),))


def _names(tickets: Sequence[Ticket]) -> str:
    return json_text([(ticket.provider, ticket.id) for ticket in tickets])
