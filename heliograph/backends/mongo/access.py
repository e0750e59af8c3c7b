"""MongoDB store: server keys, settings of the installation, and leases (who is the reconciler now)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from pymongo.errors import DuplicateKeyError

from heliograph.backends.mongo.connection import Connected, reaching
from heliograph.core.keys import ApiKey
from heliograph.core.model import Millis


class Access(Connected):
    """See `core.ports.AccessStore`."""

    @reaching
    async def add_key(self, key: ApiKey) -> None:
        document = msgspec.to_builtins(key)
        del document["digest"]
        await self._database["keys"].replace_one({"_id": key.digest}, document, upsert=True)

    @reaching
    async def api_key(self, digest: str) -> ApiKey | None:
        found = await self._database["keys"].find_one({"_id": digest})
        return _key(found) if found else None

    @reaching
    async def api_keys(self, tenant: str) -> Sequence[ApiKey]:
        found = self._database["keys"].find({"tenant": tenant}, sort=[("created_at", 1), ("_id", 1)])
        return [_key(document) async for document in found]

    @reaching
    async def end_key(self, digest: str, at: Millis) -> None:
        later = {"_id": digest, "$or": [{"expires_at": None}, {"expires_at": {"$gt": at}}]}
        await self._database["keys"].update_one(later, {"$set": {"expires_at": at}})

    @reaching
    async def touch_key(self, digest: str, at: Millis) -> None:
        await self._database["keys"].update_one({"_id": digest}, {"$set": {"used_at": at}})

    @reaching
    async def keep(self, name: str, value: str) -> str:
        unless_there = {"$setOnInsert": {"value": value}}
        await self._database.settings.update_one({"_id": name}, unless_there, upsert=True)
        kept = await self._database.settings.find_one({"_id": name})
        return str(kept["value"]) if kept else value

    @reaching
    async def replace(self, name: str, value: str) -> None:
        await self._database.settings.update_one({"_id": name}, {"$set": {"value": value}}, upsert=True)

    @reaching
    async def settings(self, names: Sequence[str]) -> Sequence[str | None]:
        found = self._database.settings.find({"_id": {"$in": list(names)}})
        values = {document["_id"]: str(document["value"]) async for document in found}
        return [values.get(name) for name in names]

    @reaching
    async def forget(self, name: str) -> bool:
        return (await self._database.settings.delete_one({"_id": name})).deleted_count > 0

    @reaching
    async def lease(self, name: str, holder: str, now: Millis, until: Millis) -> bool:
        free = {"_id": name, "$or": [{"holder": holder}, {"until": {"$lte": now}}]}
        try:
            await self._database.leases.update_one(free, {"$set": {"holder": holder, "until": until}}, upsert=True)
        except DuplicateKeyError:
            return False  # it is there, and somebody else's
        return True

    @reaching
    async def ping(self) -> None:
        """A real write, so that a lost majority or a full disk is noticed too."""
        await self._database.health.update_one({"_id": "ping"}, {"$inc": {"count": 1}}, upsert=True)


def _key(document: Mapping[str, Any]) -> ApiKey:
    """Keys from before there were scopes may do everything."""
    known = {"digest": document["_id"], "name": document["prefix"], **document}
    return msgspec.convert(known, ApiKey)
