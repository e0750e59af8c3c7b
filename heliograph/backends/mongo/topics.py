"""MongoDB store: who is subscribed to which topic, one small document each."""

from __future__ import annotations

from collections.abc import Sequence

from heliograph.backends.mongo.connection import Connected, Document, insert_new, reaching
from heliograph.core.model import Key


class Topics(Connected):
    """See `core.ports.TopicStore`."""

    @reaching
    async def subscribe(self, topic: Key, users: Sequence[str]) -> int:
        wanted = [_one(topic, user) for user in dict.fromkeys(users)]
        return len(wanted) - len(await insert_new(self._database.subscriptions, wanted))

    @reaching
    async def unsubscribe(self, topic: Key, users: Sequence[str]) -> int:
        theirs = {**_of(topic), "user": {"$in": list(users)}}
        return (await self._database.subscriptions.delete_many(theirs)).deleted_count

    @reaching
    async def subscribers(self, topic: Key, after: str, limit: int) -> Sequence[str]:
        found = self._database.subscriptions.find(
            {**_of(topic), "user": {"$gt": after}}, {"user": 1}, sort=[("user", 1)], limit=limit
        )
        return [document["user"] async for document in found]

    @reaching
    async def subscriber_count(self, topic: Key) -> int:
        return await self._database.subscriptions.count_documents(_of(topic))

    @reaching
    async def topics_of(self, user: Key) -> Sequence[str]:
        theirs = {"tenant": user.tenant, "user": user.id}
        found = self._database.subscriptions.find(theirs, {"topic": 1}, sort=[("topic", 1)])
        return [document["topic"] async for document in found]


def _of(topic: Key) -> Document:
    return {"tenant": topic.tenant, "topic": topic.id}


def _one(topic: Key, user: str) -> Document:
    return {"_id": f"{topic.tenant}/{topic.id}/{user}", **_of(topic), "user": user}
