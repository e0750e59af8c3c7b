"""SQLite store: the old ones that go. Removes notifications with their events, batches and idempotency keys.

Rows lie in the order in which they came, so a pass walks along `seq` and stops where they are too young: no index of
its own burdens what is accepted. Every portion is one short transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import apsw
import msgspec

from heliograph.backends.sqlite.connection import DatabaseFile, changed
from heliograph.backends.sqlite.statements import json_text, listed
from heliograph.core.model import Millis
from heliograph.core.ports import DeadLetter, Swept
from heliograph.core.retention import Bounds, fate, floors

OLDEST: Final = "SELECT seq, id, open, in_inbox FROM notifications WHERE seq > ? ORDER BY seq LIMIT ?"
REMOVE_EVENTS: Final = "DELETE FROM events WHERE notification IN (SELECT value FROM json_each(?))"
REMOVE: Final = "DELETE FROM notifications WHERE seq IN (SELECT value FROM json_each(?))"
HIDE_OLD: Final = "UPDATE notifications SET in_inbox = 0 WHERE seq IN (SELECT value FROM json_each(?))"
REMOVE_SENDS: Final = """
    DELETE FROM batch_sends WHERE (tenant, batch) IN (
        SELECT tenant, id FROM batches WHERE expanded = 1 AND created_at < ? ORDER BY created_at, seq LIMIT ?
    )
"""
REMOVE_BATCHES: Final = """
    DELETE FROM batches WHERE seq IN (
        SELECT seq FROM batches WHERE expanded = 1 AND created_at < ? ORDER BY created_at, seq LIMIT ?
    )
"""
REMOVE_KEYS: Final = """
    DELETE FROM idempotency WHERE (tenant, key) IN (
        SELECT tenant, key FROM idempotency WHERE id >= ? AND id < ? ORDER BY id LIMIT ?
    )
"""
OLD_LETTERS: Final = f"""
    SELECT {listed("d.content", "d.at, d.id")} FROM (
        SELECT * FROM dead_letters WHERE at < ? ORDER BY at, id LIMIT ?
    ) AS d
"""

_letters: Final = msgspec.json.Decoder(list[DeadLetter])


class Retention:
    """See `core.ports.RetentionStore`."""

    _file: DatabaseFile

    async def sweep_notifications(self, limits: Bounds, after: str, limit: int) -> Swept:
        return await self._file.write(lambda connection: _sweep(connection, limits, int(after or 0), limit))

    async def sweep_batches(self, before: Millis, limit: int) -> int:
        def work(connection: apsw.Connection) -> int:
            connection.execute(REMOVE_SENDS, (before, limit))
            return changed(connection, REMOVE_BATCHES, (before, limit))

        return await self._file.write(work)

    async def sweep_idempotency(self, before: Millis, limit: int) -> int:
        def work(connection: apsw.Connection) -> int:
            return sum(changed(connection, REMOVE_KEYS, (*ids, limit)) for ids in floors(before))

        return await self._file.write(work)

    async def old_letters(self, before: Millis, limit: int) -> Sequence[DeadLetter]:
        return await self._file.fetch(OLD_LETTERS, (before, limit), _letters)


def _sweep(connection: apsw.Connection, limits: Bounds, after: int, limit: int) -> Swept:
    rows = list(connection.execute(OLDEST, (after, limit)))
    old = [row for row in rows if row[1] < limits.walk]
    fates = {seq: fate(id_, bool(in_inbox), limits) for seq, id_, open_, in_inbox in old if not open_}
    hidden = [seq for seq, found in fates.items() if found == "hide"]
    removed = [seq for seq, found in fates.items() if found == "remove"]
    if hidden:
        connection.execute(HIDE_OLD, (json_text(hidden),))
    if removed:
        connection.execute(REMOVE_EVENTS, (json_text(removed),))
        connection.execute(REMOVE, (json_text(removed),))
    # Members of a batch are older than their neighbours: only a portion that is young as a whole ends the pass.
    more = old and len(rows) == limit
    return Swept(str(rows[-1][0]) if more else "", len(hidden), len(removed))
