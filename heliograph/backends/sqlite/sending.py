"""SQLite store: what comes in. Writes notifications, batches and the users named inline; reads batches.

The sends of a bulk are rows of their own, `PART` of them in each, so that a chunk is read without the other thousands.

An idempotency key is a row of its own, written in the same transaction as what it stands for, so whoever writes it
first decides for every rival, in this process or in another.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import apsw
import msgspec

from heliograph.backends.sqlite.connection import DatabaseFile
from heliograph.backends.sqlite.people import user_row
from heliograph.backends.sqlite.statements import Row, insert, json_text, keys_text, listed
from heliograph.core.model import PART, Batch, Key, Millis, Notification, Send
from heliograph.core.ports import Accepted, DueBatch, Mismatch, Reached, Submission

ADD_NOTIFICATIONS: Final = """
    INSERT INTO notifications (tenant, id, user, level, category, batch, check_at, in_inbox, idempotency_key, content)
    VALUES {rows} ON CONFLICT DO NOTHING
"""
ADD_BATCHES: Final = """
    INSERT INTO batches (tenant, id, level, created_at, moved_at, check_at, content) VALUES {rows}
    ON CONFLICT DO NOTHING
"""
ADD_SENDS: Final = "INSERT INTO batch_sends (tenant, batch, part, content) VALUES {rows} ON CONFLICT DO NOTHING"
CLAIM_KEYS: Final = """
    INSERT INTO idempotency (tenant, key, fingerprint, id) VALUES {rows} ON CONFLICT DO NOTHING
"""
OWNERS_OF_KEYS: Final = f"""
    SELECT {listed("json_array(i.id, i.fingerprint)")} FROM json_each(?) AS k
    CROSS JOIN idempotency AS i ON i.tenant = k.value ->> 0 AND i.key = k.value ->> 1
"""
ADD_USERS: Final = """
    INSERT INTO users (tenant, id, email, name, locale, timezone, data, updated_at) VALUES {rows}
    ON CONFLICT DO UPDATE SET
        email = coalesce(excluded.email, email),
        name = coalesce(excluded.name, name),
        locale = coalesce(excluded.locale, locale),
        timezone = coalesce(excluded.timezone, timezone),
        data = coalesce(excluded.data, data),
        updated_at = max(excluded.updated_at, updated_at)
"""
BATCH: Final = f"""
    SELECT '[' || coalesce((SELECT content FROM batches WHERE tenant = ?1 AND id = ?2), 'null') || ',' || (
        SELECT {listed("s.content", "s.part")} FROM batch_sends AS s
        WHERE s.tenant = ?1 AND s.batch = ?2 AND s.part BETWEEN ?3 AND ?4
    ) || ']'
"""
DUE_JSON: Final = """json_object('key', json_array(b.tenant, b.id), 'level', b.level, 'cursor', b.cursor,
    'moved_at', b.moved_at)"""
BATCHES_DUE: Final = f"""
    SELECT {listed(DUE_JSON, "b.level, b.created_at, b.id")} FROM (
        SELECT * FROM batches WHERE level IN (0, 1, 2) AND expanded = 0 AND check_at <= ?
        ORDER BY level, created_at, id LIMIT ?
    ) AS b
"""
REACHED: Final = """
    UPDATE batches SET level = ?, cursor = ?, moved_at = ?, check_at = ?, expanded = ? WHERE tenant = ? AND id = ?
"""
POSTPONE_BATCHES: Final = """
    UPDATE batches SET check_at = ? WHERE seq IN (
        SELECT b.seq FROM json_each(?) AS k
        CROSS JOIN batches AS b ON b.tenant = k.value ->> 0 AND b.id = k.value ->> 1
    )
"""

_EVERY_PART: Final = 2**31

_batch: Final = msgspec.json.Decoder(tuple[Batch | None, list[list[Send]]])
_due_batches: Final = msgspec.json.Decoder(list[DueBatch])
_owners: Final = msgspec.json.Decoder(list[tuple[str, str]])


class Sending:
    """See `core.ports.NotificationStore`."""

    _file: DatabaseFile

    async def accept(self, submissions: Sequence[Submission]) -> Sequence[Accepted | Mismatch]:
        rows = [_row(submission) for submission in submissions]
        sends = {i: _sends_rows(one.batch) for i, one in enumerate(submissions) if one.batch}

        def work(connection: apsw.Connection) -> list[Accepted | Mismatch]:
            answers = _claim(connection, submissions)
            new = [i for i, answer in enumerate(answers) if isinstance(answer, Accepted) and not answer.replayed]
            users = [user_row(user) for i in new for user in submissions[i].users]
            insert(connection, ADD_USERS, users)
            insert(connection, ADD_NOTIFICATIONS, [rows[i] for i in new if submissions[i].notification])
            insert(connection, ADD_BATCHES, [rows[i] for i in new if submissions[i].batch])
            insert(connection, ADD_SENDS, [row for i in new for row in sends.get(i, ())])
            return answers

        return await self._file.write(work)

    async def expand(self, notifications: Sequence[Notification], check_at: Millis, reached: Reached) -> None:
        rows = [_notification_row(notification, check_at) for notification in notifications]
        place = (reached.level.value, reached.cursor, reached.at, check_at, int(reached.done), *_pair(reached.key))

        def work(connection: apsw.Connection) -> None:
            insert(connection, ADD_NOTIFICATIONS, rows)
            connection.execute(REACHED, place)

        await self._file.write(work)

    async def batch(self, key: Key, start: int = 0, limit: int | None = None) -> Batch | None:
        part, last = start // PART, _EVERY_PART if limit is None else (start + limit - 1) // PART
        batch, parts = await self._file.fetch(BATCH, (key.tenant, key.id, part, last), _batch)
        return batch.joined(part, parts) if batch else None

    async def batches_due(self, now: Millis, limit: int) -> Sequence[DueBatch]:
        return await self._file.fetch(BATCHES_DUE, (now, limit), _due_batches)

    async def batch_postpone(self, keys: Sequence[Key], check_at: Millis) -> None:
        await self._file.execute(POSTPONE_BATCHES, (check_at, keys_text(keys)))


def _row(submission: Submission) -> Row:
    if submission.notification:
        key = submission.idempotency.key if submission.idempotency else None
        return _notification_row(submission.notification, submission.check_at, key)
    batch = submission.batch
    assert batch
    moved_at = batch.created_at
    content = json_text(batch.divided()[0] if batch.sends else batch)
    return *_pair(batch.key), batch.level.value, batch.created_at, moved_at, submission.check_at, content


def _sends_rows(batch: Batch) -> list[Row]:
    return [(*_pair(batch.key), part, json_text(sends)) for part, sends in enumerate(batch.divided()[1])]


def _pair(key: Key) -> tuple[str, str]:
    return key.tenant, key.id


def _notification_row(notification: Notification, check_at: Millis, key: str | None = None) -> Row:
    return (
        notification.tenant,
        notification.id,
        notification.user,
        notification.level.value,
        notification.category,
        notification.batch_id,
        check_at,
        1 if notification.in_inbox else 0,
        key,
        json_text(notification),
    )


def _claim(connection: apsw.Connection, submissions: Sequence[Submission]) -> list[Accepted | Mismatch]:
    """What each submission is answered, after its idempotency key was taken if nobody had it."""
    answers: list[Accepted | Mismatch] = [Accepted(s.id) for s in submissions]
    keyed = [(i, s, s.idempotency) for i, s in enumerate(submissions) if s.idempotency]
    rows = [(s.tenant, idem.key, idem.fingerprint, s.id) for _, s, idem in keyed]
    if insert(connection, CLAIM_KEYS, rows) < len(rows):
        keys = json_text([row[:2] for row in rows])
        owners = _owners.decode(connection.execute(OWNERS_OF_KEYS, (keys,)).get)
        for (i, submission, idem), (owner, fingerprint) in zip(keyed, owners, strict=True):
            if fingerprint != idem.fingerprint:
                answers[i] = Mismatch()
            elif owner != submission.id:
                answers[i] = Accepted(owner, replayed=True)
    return answers
