"""SQLite store: users and their devices; also the erasure of a person from every table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import apsw
import msgspec

from heliograph.backends.sqlite.connection import DatabaseFile, changed
from heliograph.backends.sqlite.statements import Row, insert, json_text, keys_text, listed
from heliograph.core.erasing import sends_without, without
from heliograph.core.model import Batch, Device, Key, Millis, Preferences, Recipient, Send, User

USER_JSON: Final = """
    '{"data":' || coalesce(u.data, 'null') || ',' || substr(json_object('tenant', u.tenant, 'id', u.id,
    'email', u.email, 'name', u.name, 'locale', u.locale, 'timezone', u.timezone, 'updated_at', u.updated_at), 2)
"""
DEVICE_JSON: Final = """json_object('id', d.id, 'tenant', d.tenant, 'user', d.user, 'kind', d.kind, 'value', d.value,
    'created_at', d.created_at)"""
RECIPIENT_JSON: Final = f"""
    '{{"user":' || iif(u.id IS NULL, 'null', {USER_JSON}) || ',"devices":'
    || (SELECT {listed(DEVICE_JSON, "d.id")} FROM devices AS d
        WHERE d.tenant = k.value ->> 0 AND d.user = k.value ->> 1)
    || ',"preferences":' || coalesce(u.preferences, '{{}}') || '}}'
"""
RECIPIENTS: Final = f"""
    SELECT {listed(RECIPIENT_JSON)} FROM json_each(?) AS k
    LEFT JOIN users AS u ON u.tenant = k.value ->> 0 AND u.id = k.value ->> 1
"""
PUT_USER: Final = """
    INSERT INTO users (tenant, id, email, name, locale, timezone, data, updated_at) VALUES {rows}
    ON CONFLICT DO UPDATE SET email = excluded.email, name = excluded.name, locale = excluded.locale,
        timezone = excluded.timezone, data = excluded.data, updated_at = excluded.updated_at
"""
PUT_PREFERENCES: Final = """
    INSERT INTO users (tenant, id, preferences, updated_at) VALUES (?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET preferences = excluded.preferences
"""
PREFERENCES: Final = f"""
    SELECT {listed("coalesce(u.preferences, '{}')")} FROM json_each(?) AS k
    LEFT JOIN users AS u ON u.tenant = k.value ->> 0 AND u.id = k.value ->> 1
"""
ADD_DEVICE: Final = """
    INSERT INTO devices AS d (tenant, user, id, kind, value, created_at) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (tenant, kind, value) DO UPDATE SET user = excluded.user, created_at = excluded.created_at
    RETURNING id
"""
REMOVE_DEVICE: Final = "DELETE FROM devices WHERE tenant = ? AND user = ? AND id = ?"

THEIR_NOTIFICATIONS: Final = "FROM notifications WHERE tenant = ? AND user = ?"
ERASURE: Final = (
    f"DELETE FROM dead_letters WHERE tenant = ? AND notification_id IN (SELECT id {THEIR_NOTIFICATIONS})",
    f"DELETE FROM idempotency WHERE tenant = ? AND key IN (SELECT idempotency_key {THEIR_NOTIFICATIONS})",
    f"DELETE FROM events WHERE notification IN (SELECT seq {THEIR_NOTIFICATIONS})",
    f"DELETE {THEIR_NOTIFICATIONS}",
    "DELETE FROM tickets WHERE tenant = ? AND user = ?",
    "DELETE FROM devices WHERE tenant = ? AND user = ?",
    "DELETE FROM subscriptions WHERE tenant = ? AND user = ?",
    "DELETE FROM users WHERE tenant = ? AND id = ?",
)
"""Each binds (tenant, user), the first two the tenant once more before it."""
THEIR_BATCHES: Final = f"""
    SELECT DISTINCT batch {THEIR_NOTIFICATIONS} AND batch IS NOT NULL
    UNION SELECT id FROM batches WHERE level IN (0, 1, 2) AND expanded = 0 AND +tenant = ?
"""
"""Those that made a notification of theirs, and those that still may: few, so found without the tenant (`+`)."""
BATCHES_NAMED: Final = """
    SELECT b.content, b.seq FROM json_each(?) AS k CROSS JOIN batches AS b ON b.tenant = ? AND b.id = k.value
"""
REWRITE_BATCH: Final = "UPDATE batches SET content = ? WHERE seq = ?"
PARTS_NAMED: Final = """
    SELECT s.content, s.batch, s.part FROM json_each(?) AS k
    CROSS JOIN batch_sends AS s ON s.tenant = ? AND s.batch = k.value
"""
REWRITE_PART: Final = "UPDATE batch_sends SET content = ? WHERE tenant = ? AND batch = ? AND part = ?"

_batch: Final = msgspec.json.Decoder(Batch)
_sends: Final = msgspec.json.Decoder(list[Send])
_recipients: Final = msgspec.json.Decoder(list[Recipient])
_preferences: Final = msgspec.json.Decoder(list[Preferences])


class People:
    """See `core.ports.UserStore`."""

    _file: DatabaseFile

    async def put_user(self, user: User) -> User:
        await self._file.write(lambda connection: insert(connection, PUT_USER, [user_row(user)]))
        return user

    async def user(self, key: Key) -> User | None:
        return (await self.recipients([key]))[0].user

    async def recipients(self, keys: Sequence[Key]) -> Sequence[Recipient]:
        return await self._file.fetch(RECIPIENTS, (keys_text(keys),), _recipients)

    async def put_preferences(self, user: Key, preferences: Preferences, now: Millis) -> None:
        await self._file.execute(PUT_PREFERENCES, (user.tenant, user.id, json_text(preferences), now))

    async def preferences(self, users: Sequence[Key]) -> Sequence[Preferences]:
        return await self._file.fetch(PREFERENCES, (keys_text(users),), _preferences)

    async def erase_user(self, key: Key) -> bool:
        erased = await self._file.write(lambda connection: _erase(connection, key))
        await self._file.forget_old_pages()
        return erased

    async def add_device(self, device: Device) -> Device:
        row = (device.tenant, device.user, device.id, device.kind, device.value, device.created_at)
        stored = await self._file.write(lambda connection: connection.execute(ADD_DEVICE, row).get)
        return msgspec.structs.replace(device, id=str(stored))

    async def devices(self, user: Key) -> Sequence[Device]:
        return (await self.recipients([user]))[0].devices

    async def remove_devices(self, user_devices: Sequence[tuple[Key, str]]) -> Sequence[bool]:
        # one statement a device: only dead tokens and log-outs come here
        rows = [(user.tenant, user.id, device_id) for user, device_id in user_devices]
        return await self._file.write(lambda connection: [changed(connection, REMOVE_DEVICE, row) > 0 for row in rows])


def user_row(user: User) -> Row:
    data = None if user.data is None else json_text(user.data)
    return user.tenant, user.id, user.email, user.name, user.locale, user.timezone, data, user.updated_at


def _erase(connection: apsw.Connection, key: Key) -> bool:
    left = _leave_batches(connection, key)
    erased = [changed(connection, sql, (key.tenant, key.tenant, key.id)[3 - sql.count("?") :]) > 0 for sql in ERASURE]
    return left or any(erased)


def _leave_batches(connection: apsw.Connection, key: Key) -> bool:
    ids = [row[0] for row in connection.execute(THEIR_BATCHES, (key.tenant, key.id, key.tenant)).fetchall()]
    named = (json_text(ids), key.tenant)
    batches = [
        (json_text(left), seq)
        for content, seq in connection.execute(BATCHES_NAMED, named).fetchall()
        if (left := without(_batch.decode(str(content)), key.id)) is not None
    ]
    parts = [
        (json_text(rest), key.tenant, batch, part)
        for content, batch, part in connection.execute(PARTS_NAMED, named).fetchall()
        if (rest := sends_without(_sends.decode(str(content)), key.id)) is not None
    ]
    for batch_row in batches:
        connection.execute(REWRITE_BATCH, batch_row)
    for part_row in parts:
        connection.execute(REWRITE_PART, part_row)
    return bool(batches or parts)
