"""SQLite store: dead letters, what wasn't delivered and will not be tried again by itself, with its cause."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from heliograph.backends.sqlite.connection import DatabaseFile
from heliograph.backends.sqlite.statements import insert, json_text, listed
from heliograph.core.ports import DeadGroup, DeadLetter

BURY: Final = """
    INSERT INTO dead_letters (tenant, id, notification_id, channel, cause, level, at, content) VALUES {rows}
    ON CONFLICT (tenant, id) DO UPDATE SET
        cause = excluded.cause, level = excluded.level, at = excluded.at, content = excluded.content
"""
GROUP_JSON: Final = """
    '{"cause":' || json_quote(g.cause) || ',"count":' || g.count || ',"oldest_at":' || g.oldest_at || ',"example":' || (
        SELECT content FROM dead_letters AS d
        WHERE d.tenant = :tenant AND d.cause = g.cause AND d.at = g.oldest_at
            AND (:channel IS NULL OR d.channel = :channel) LIMIT 1
    ) || '}'
"""
GROUPS: Final = f"""
    SELECT {listed(GROUP_JSON, "g.count DESC, g.cause")} FROM (
        SELECT cause, count(*) AS count, min(at) AS oldest_at FROM dead_letters
        WHERE tenant = :tenant AND (:channel IS NULL OR channel = :channel) GROUP BY cause
    ) AS g
"""
BY_IDS: Final = """rowid IN (
    SELECT d.rowid FROM json_each(:ids) AS k CROSS JOIN dead_letters AS d ON d.tenant = :tenant AND d.id = k.value
    UNION
    SELECT d.rowid FROM json_each(:ids) AS k
    CROSS JOIN dead_letters AS d ON d.tenant = :tenant AND d.notification_id = k.value
)"""
UNBURY: Final = """
    DELETE FROM dead_letters WHERE rowid IN (
        SELECT d.rowid FROM json_each(?) AS k
        CROSS JOIN dead_letters AS d ON d.tenant = k.value ->> 0 AND d.id = k.value ->> 1
        WHERE d.at = k.value ->> 2
    )
"""
COUNT: Final = "SELECT count(*) FROM dead_letters"

_groups: Final = msgspec.json.Decoder(list[DeadGroup])
_letters: Final = msgspec.json.Decoder(list[DeadLetter])


class DeadLetters:
    """See `core.ports.DeadLetterStore`."""

    _file: DatabaseFile

    async def bury(self, letters: Sequence[DeadLetter]) -> None:
        rows = [
            (d.tenant, d.id, d.notification_id, d.channel, d.cause, int(d.level), d.at, json_text(d)) for d in letters
        ]
        await self._file.write(lambda connection: insert(connection, BURY, rows))

    async def dead_groups(self, tenant: str, channel: str | None) -> Sequence[DeadGroup]:
        return await self._file.fetch(GROUPS, {"tenant": tenant, "channel": channel}, _groups)

    async def dead_letters(
        self, tenant: str, *, cause: str | None = None, ids: Sequence[str] | None = None, limit: int = 10_000
    ) -> Sequence[DeadLetter]:
        bindings = {"tenant": tenant, "cause": cause, "ids": json_text(ids), "limit": limit}
        conditions = ["tenant = :tenant" if ids is None else BY_IDS]
        if cause is not None:
            conditions.append("cause = :cause")
        sql = f"""
            SELECT {listed("d.content", "d.level, d.at, d.id")} FROM (
                SELECT * FROM dead_letters WHERE {" AND ".join(conditions)} ORDER BY level, at, id LIMIT :limit
            ) AS d
        """
        return await self._file.fetch(sql, bindings, _letters)

    async def unbury(self, letters: Sequence[DeadLetter]) -> None:
        """Only as they were read: a letter that was buried again meanwhile (the replay failed) stays."""
        keys = json_text([(letter.tenant, letter.id, letter.at) for letter in letters])
        await self._file.execute(UNBURY, (keys,))

    async def dead_count(self) -> int:
        return await self._file.read(lambda connection: int(connection.execute(COUNT).get))
