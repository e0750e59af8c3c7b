"""SQLite store: who is subscribed to which topic. Reads and writes subscriptions, in both orders by an index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import apsw
import msgspec

from heliograph.backends.sqlite.connection import DatabaseFile, changed
from heliograph.backends.sqlite.statements import insert, json_text, listed
from heliograph.core.model import Key

SUBSCRIBE: Final = "INSERT INTO subscriptions (tenant, topic, user) VALUES {rows} ON CONFLICT DO NOTHING"
UNSUBSCRIBE: Final = """
    DELETE FROM subscriptions WHERE tenant = ? AND topic = ? AND user IN (SELECT value FROM json_each(?))
"""
SUBSCRIBERS: Final = f"""
    SELECT {listed("json_quote(s.user)", "s.user")} FROM (
        SELECT user FROM subscriptions WHERE tenant = ? AND topic = ? AND user > ? ORDER BY user LIMIT ?
    ) AS s
"""
COUNT: Final = "SELECT count(*) FROM subscriptions WHERE tenant = ? AND topic = ?"
TOPICS: Final = f"""
    SELECT {listed("json_quote(s.topic)", "s.topic")} FROM subscriptions AS s WHERE s.tenant = ? AND s.user = ?
"""

_names: Final = msgspec.json.Decoder(list[str])


class Topics:
    """See `core.ports.TopicStore`."""

    _file: DatabaseFile

    async def subscribe(self, topic: Key, users: Sequence[str]) -> int:
        rows = [(topic.tenant, topic.id, user) for user in dict.fromkeys(users)]
        return await self._file.write(lambda connection: insert(connection, SUBSCRIBE, rows))

    async def unsubscribe(self, topic: Key, users: Sequence[str]) -> int:
        def work(connection: apsw.Connection) -> int:
            return changed(connection, UNSUBSCRIBE, (topic.tenant, topic.id, json_text(list(users))))

        return await self._file.write(work)

    async def subscribers(self, topic: Key, after: str, limit: int) -> Sequence[str]:
        return await self._file.fetch(SUBSCRIBERS, (topic.tenant, topic.id, after, limit), _names)

    async def subscriber_count(self, topic: Key) -> int:
        found = await self._file.read(lambda connection: connection.execute(COUNT, (topic.tenant, topic.id)).get)
        return int(found)

    async def topics_of(self, user: Key) -> Sequence[str]:
        return await self._file.fetch(TOPICS, (user.tenant, user.id), _names)
