"""MongoDB store: the old ones that go. Removes notifications with their events, batches and idempotency keys.

No TTL index does this: what may go depends on what is owed and what the inbox shows, and somebody wants to know how
much went.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from heliograph.backends.mongo.connection import Connected, Document, reaching
from heliograph.core.model import Millis
from heliograph.core.ports import DeadLetter, Swept
from heliograph.core.retention import Bounds, fate, floors

CLOSED: Final[Document] = {"open": {"$lte": 0}}
_letter: Final = msgspec.json.Decoder(DeadLetter)


class Retention(Connected):
    """See `core.ports.RetentionStore`."""

    @reaching
    async def sweep_notifications(self, limits: Bounds, after: str, limit: int) -> Swept:
        sends = self._database.sends
        found = sends.find(
            {**CLOSED, "id": {"$gt": after, "$lt": limits.walk}}, {"id": 1, "in_inbox": 1}, sort=[("id", 1)],
            limit=limit,
        )  # fmt: skip
        old = [document async for document in found]
        fates = {document["_id"]: fate(document["id"], document["in_inbox"], limits) for document in old}
        hidden = [one for one, what in fates.items() if what == "hide"]
        removed = [one for one, what in fates.items() if what == "remove"]
        if hidden:
            await sends.update_many({"_id": {"$in": hidden}}, {"$set": {"in_inbox": False}})
        gone = 0
        if removed:  # a replay may have opened one just now
            gone = (await sends.delete_many({"_id": {"$in": removed}, **CLOSED})).deleted_count
        return Swept(old[-1]["id"] if len(old) == limit else "", len(hidden), gone)

    @reaching
    async def sweep_batches(self, before: Millis, limit: int) -> int:
        (start, end), _ = floors(before)
        done = {"expanded": True, "id": {"$gte": start, "$lt": end}}
        ids = await self._ids(done, limit)
        return (await self._database.sends.delete_many({"_id": {"$in": ids}})).deleted_count if ids else 0

    @reaching
    async def sweep_idempotency(self, before: Millis, limit: int) -> int:
        gone = 0
        for start, end in floors(before):
            ids = await self._ids({"key": {"$exists": True}, "id": {"$gte": start, "$lt": end}}, limit)
            if ids:
                change = {"$unset": {"key": "", "fingerprint": ""}}
                gone += (await self._database.sends.update_many({"_id": {"$in": ids}}, change)).modified_count
        return gone

    async def _ids(self, wanted: Document, limit: int) -> list[str]:
        found = self._database.sends.find(wanted, {"_id": 1}, sort=[("id", 1)], limit=limit)
        return [document["_id"] async for document in found]

    @reaching
    async def old_letters(self, before: Millis, limit: int) -> Sequence[DeadLetter]:
        found = self._database.dead_letters.find({"at": {"$lt": before}}, sort=[("at", 1), ("id", 1)], limit=limit)
        return [_letter.decode(document["content"]) async for document in found]
