"""SQLite store: what happens to a notification after it was accepted. Reads and writes notifications and events.

An event row is added at most once; a trigger of `schema.py` keeps the counts in the same statement, so every change
here is exact whatever the order or the number of repeats.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import apsw
import msgspec

from heliograph.backends.sqlite.connection import DatabaseFile, changed
from heliograph.backends.sqlite.statements import HISTORY_JSON, Row, insert, json_text, keys_text, listed
from heliograph.core.lifecycle import Event, History
from heliograph.core.model import Key, Level, Millis, Notification
from heliograph.core.ports import Begun, CancelResult

ADD_EVENTS: Final = """
    WITH new (tenant, notification_id, id, opens, settles, leaves, content) AS (VALUES {rows})
    INSERT INTO events (notification, id, opens, settles, leaves, content)
    SELECT n.seq, new.id, new.opens, new.settles, new.leaves, new.content FROM new
    CROSS JOIN notifications AS n ON n.tenant = new.tenant AND n.id = new.notification_id
    WHERE true ON CONFLICT DO NOTHING
"""
BEGIN: Final = ADD_EVENTS.replace("new.opens, new.settles,", "new.opens, NULL,").replace(
    "WHERE true",
    """WHERE n.cancelled = 0
        AND NOT EXISTS (SELECT 1 FROM events AS e WHERE e.notification = n.seq AND e.settles = new.settles)""",
)
"""`settles` of a row names what must not be settled yet."""
HISTORIES: Final = f"""
    SELECT {listed(f"coalesce({HISTORY_JSON}, 'null')")} FROM json_each(?) AS k
    LEFT JOIN notifications AS n ON n.tenant = k.value ->> 0 AND n.id = k.value ->> 1
"""
DUE: Final = f"""
    SELECT {listed(HISTORY_JSON, "n.check_at")} FROM (
        SELECT * FROM notifications WHERE level = ? AND open > 0 AND check_at <= ? ORDER BY check_at LIMIT ?
    ) AS n
"""
MEMBERS: Final = f"""
    SELECT {listed(HISTORY_JSON, "n.id")} FROM (
        SELECT * FROM notifications WHERE tenant = ? AND batch = ? AND id > ? ORDER BY id LIMIT ?
    ) AS n
"""
CANCEL: Final = """
    UPDATE notifications SET cancelled = 1, open = 0, in_inbox = 0
    WHERE tenant = ? AND id = ? AND cancelled = 0 AND has_left = 0 AND open > 0
"""
IS_CANCELLED: Final = "SELECT cancelled FROM notifications WHERE tenant = ? AND id = ?"
POSTPONE: Final = """
    UPDATE notifications SET check_at = k.value ->> 2 FROM json_each(?) AS k
    WHERE tenant = k.value ->> 0 AND notifications.id = k.value ->> 1
"""
CLOSE: Final = """
    UPDATE notifications SET open = 0 FROM json_each(?) AS k
    WHERE tenant = k.value ->> 0 AND notifications.id = k.value ->> 1
"""
HIDE: Final = """
    UPDATE notifications SET in_inbox = 0 FROM json_each(?) AS k
    WHERE tenant = k.value ->> 0 AND notifications.id = k.value ->> 1
"""
RECHECK: Final = """
    UPDATE notifications SET check_at = ?1 WHERE seq IN (
        SELECT seq FROM notifications WHERE level IN (0, 1, 2) AND open > 0 AND check_at > ?1 LIMIT 1000
    )
"""
RECHECK_BATCHES: Final = """
    UPDATE batches SET check_at = min(check_at, ?) WHERE level IN (0, 1, 2) AND expanded = 0
"""
AMEND: Final = "UPDATE notifications SET content = ? WHERE tenant = ? AND id = ?"
COUNT_DUE: Final = "SELECT count(*) FROM notifications WHERE level IN (0, 1, 2) AND open > 0 AND check_at <= ?"

_histories: Final = msgspec.json.Decoder(list[History | None])
_some_histories: Final = msgspec.json.Decoder(list[History])


class Progress:
    """See `core.ports.NotificationStore`."""

    _file: DatabaseFile

    async def histories(self, keys: Sequence[Key]) -> Sequence[History | None]:
        return await self._file.fetch(HISTORIES, (keys_text(keys),), _histories)

    async def record(self, events: Sequence[Event], check_at: Mapping[Key, Millis] | None = None) -> None:
        rows = [_event_row(event) for event in events if event.kind != "cancelled"]
        looks = _looks(check_at or {})
        hidden = [event.key for event in events if event.hides]

        def work(connection: apsw.Connection) -> None:
            insert(connection, ADD_EVENTS, rows)
            if hidden:
                connection.execute(HIDE, (keys_text(hidden),))
            if check_at:
                connection.execute(POSTPONE, (looks,))

        await self._file.write(work)

    async def begin(self, attempts: Sequence[Event]) -> Sequence[Begun]:
        rows = [_event_row(event, unsettled=event.owed) for event in attempts]
        keys = keys_text(event.key for event in attempts)

        def work(connection: apsw.Connection) -> str | None:
            if insert(connection, BEGIN, rows) == len(rows):
                return None
            return str(connection.execute(HISTORIES, (keys,)).get)

        found = await self._file.write(work)
        if found is None:
            return [Begun(begun=True) for _ in attempts]
        return [_begun(event, history) for event, history in zip(attempts, _histories.decode(found), strict=True)]

    async def cancel(self, key: Key, now: Millis) -> CancelResult:
        event = Event(tenant=key.tenant, notification_id=key.id, at=now, kind="cancelled")

        def work(connection: apsw.Connection) -> CancelResult:
            if changed(connection, CANCEL, (key.tenant, key.id)):
                insert(connection, ADD_EVENTS, [_event_row(event)])
                return "cancelled"
            found = connection.execute(IS_CANCELLED, (key.tenant, key.id)).get
            if found is None:
                return "not_found"
            return "cancelled" if found else "already_left"

        return await self._file.write(work)

    async def due(self, level: Level, now: Millis, limit: int) -> Sequence[History]:
        return await self._file.fetch(DUE, (level.value, now, limit), _some_histories)

    async def postpone(self, check_at: Mapping[Key, Millis]) -> None:
        await self._file.execute(POSTPONE, (_looks(check_at),))

    async def close(self, keys: Sequence[Key]) -> None:
        await self._file.execute(CLOSE, (keys_text(keys),))

    async def recheck_all(self, now: Millis) -> int:
        """In portions, so that what is being sent meanwhile gets its turn between them."""
        count = await self._file.write(lambda connection: _recheck_start(connection, now))
        while moved := await self._file.execute(RECHECK, (now,)):
            count += moved
        return count

    async def amend(self, notification: Notification) -> bool:
        row = (json_text(notification), notification.tenant, notification.id)
        return await self._file.execute(AMEND, row) > 0

    async def batch_histories(self, key: Key, after: str, limit: int) -> Sequence[History]:
        return await self._file.fetch(MEMBERS, (key.tenant, key.id, after, limit), _some_histories)


def _event_row(event: Event, unsettled: str | None = None) -> Row:
    leaves = 1 if event.kind in ("sending", "sent", "delivered") else 0
    content = json_text(event)
    return event.tenant, event.notification_id, event.id, event.opens, unsettled or event.settles, leaves, content


def _looks(check_at: Mapping[Key, Millis]) -> str:
    return json_text([(key.tenant, key.id, at) for key, at in check_at.items()])


def _begun(attempt: Event, history: History | None) -> Begun:
    found = next((event for event in history.events if event.id == attempt.id), None) if history else None
    if found and found.token == attempt.token:
        return Begun(begun=True)
    return Begun(begun=False, history=history)


def _recheck_start(connection: apsw.Connection, now: Millis) -> int:
    batches = changed(connection, RECHECK_BATCHES, (now,))
    return batches + int(connection.execute(COUNT_DUE, (now,)).get)
