"""MongoDB store: dead letters, what wasn't delivered and will not be tried again by itself, with its cause."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from pymongo import DeleteOne, ReplaceOne

from heliograph.backends.mongo.connection import Connected, Document, reaching
from heliograph.backends.mongo.documents import id_of, text
from heliograph.core.model import Key
from heliograph.core.ports import DeadGroup, DeadLetter

_letter: Final = msgspec.json.Decoder(DeadLetter)


class DeadLetters(Connected):
    """See `core.ports.DeadLetterStore`."""

    @reaching
    async def bury(self, letters: Sequence[DeadLetter]) -> None:
        if letters:
            await self._database.dead_letters.bulk_write([
                ReplaceOne({"_id": _id(letter)}, _document(letter), upsert=True) for letter in letters
            ])  # fmt: skip

    @reaching
    async def dead_groups(self, tenant: str, channel: str | None) -> Sequence[DeadGroup]:
        of_channel = {} if channel is None else {"channel": channel}
        groups = await self._database.dead_letters.aggregate([
            {"$match": {"tenant": tenant} | of_channel},
            {"$sort": {"cause": 1, "at": 1}},
            {"$group": {"_id": "$cause", "count": {"$sum": 1}, "example": {"$first": "$content"}}},
            {"$sort": {"count": -1, "_id": 1}},
        ])  # fmt: skip
        found = [(group, _letter.decode(group["example"])) async for group in groups]
        return [DeadGroup(group["_id"], int(group["count"]), oldest.at, oldest) for group, oldest in found]

    @reaching
    async def dead_letters(
        self, tenant: str, *, cause: str | None = None, ids: Sequence[str] | None = None, limit: int = 10_000
    ) -> Sequence[DeadLetter]:
        wanted: Document = {"tenant": tenant}
        if ids is not None:
            own = {"$in": [id_of(Key(tenant, letter_id)) for letter_id in ids]}
            wanted = {"$or": [{"_id": own}, {"tenant": tenant, "notification_id": {"$in": list(ids)}}]}
        if cause is not None:
            wanted["cause"] = cause
        found = self._database.dead_letters.find(wanted, sort=[("level", 1), ("at", 1), ("id", 1)], limit=limit)
        return [_letter.decode(document["content"]) async for document in found]

    @reaching
    async def unbury(self, letters: Sequence[DeadLetter]) -> None:
        """Only as they were read: a letter that was buried again meanwhile (the replay failed) stays."""
        gone = [DeleteOne({"_id": _id(letter), "at": letter.at}) for letter in letters]
        if gone:
            await self._database.dead_letters.bulk_write(gone, ordered=False)

    @reaching
    async def dead_count(self) -> int:
        return await self._database.dead_letters.estimated_document_count()


def _id(letter: DeadLetter) -> str:
    return id_of(Key(letter.tenant, letter.id))


def _document(letter: DeadLetter) -> Document:
    return {
        "_id": _id(letter),
        "tenant": letter.tenant,
        "id": letter.id,
        "notification_id": letter.notification_id,
        "channel": letter.channel,
        "cause": letter.cause,
        "level": int(letter.level),
        "at": letter.at,
        "content": text(letter),
    }
