"""MongoDB store: the suppression list, one document for each reason of an address; and whose users have an address."""

from __future__ import annotations

from collections.abc import Sequence

from pymongo import ASCENDING, UpdateOne

from heliograph.backends.mongo.connection import Connected, Document, reaching
from heliograph.core.model import Key
from heliograph.core.suppressing import REASONS, Reason, Suppression, SuppressionQuery, folded, folded_key, in_order


class Suppressions(Connected):
    """See `core.ports.SuppressionStore`."""

    @reaching
    async def suppressed(self, addresses: Sequence[Key]) -> Sequence[tuple[Reason, ...]]:
        keys = [folded_key(address) for address in addresses]
        found: dict[Key, set[str]] = {key: set() for key in keys}
        # Perhaps of some more addresses, when several tenants are asked about at once.
        wanted = {
            "tenant": {"$in": list({key.tenant for key in keys})},
            "address": {"$in": list({key.id for key in keys})},
        }
        async for document in self._database.suppressions.find(wanted):
            found.get(Key(document["tenant"], document["address"]), set()).add(document["reason"])
        return [in_order(found[key]) for key in keys]

    @reaching
    async def suppress(self, suppressions: Sequence[Suppression]) -> None:
        if suppressions:
            await self._database.suppressions.bulk_write([_added(one) for one in suppressions], ordered=False)

    @reaching
    async def unsuppress(self, address: Key, reason: Reason | None = None) -> bool:
        wanted: Document = {"tenant": address.tenant, "address": folded(address.id)}
        if reason:
            wanted["reason"] = reason
        return (await self._database.suppressions.delete_many(wanted)).deleted_count > 0

    @reaching
    async def suppressions(self, query: SuppressionQuery) -> Sequence[Suppression]:
        """Any reason: from the last address on, which is left out here: one range of one index instead of two."""
        if query.reason:
            wanted = {"tenant": query.tenant, "reason": query.reason, "address": {"$gt": query.after[0]}}
            found = self._database.suppressions.find(wanted, sort=[("address", ASCENDING)], limit=query.limit)
            return [_suppression_of(document) async for document in found]
        wanted = {"tenant": query.tenant, "address": {"$gte": query.after[0]}}
        order = [("address", ASCENDING), ("reason", ASCENDING)]
        found = self._database.suppressions.find(wanted, sort=order, limit=query.limit + len(REASONS))
        page = [_suppression_of(document) async for document in found]
        return [one for one in page if (one.address, one.reason) > query.after][: query.limit]

    @reaching
    async def tenants_of(self, addresses: Sequence[str]) -> Sequence[tuple[str, ...]]:
        keys = [folded(address) for address in addresses]
        found: dict[str, set[str]] = {key: set() for key in keys}
        async for document in self._database.users.find({"address": {"$in": keys}}, {"tenant": 1, "address": 1}):
            found[document["address"]].add(document["tenant"])
        return [tuple(sorted(found[key])) for key in keys]


def _added(one: Suppression) -> UpdateOne:
    address = folded(one.address)
    first = {"tenant": one.tenant, "address": address, "reason": one.reason, "at": one.at}
    return UpdateOne({"_id": f"{one.tenant}/{one.reason}/{address}"}, {"$setOnInsert": first}, upsert=True)


def _suppression_of(document: Document) -> Suppression:
    return Suppression(document["tenant"], document["address"], document["reason"], int(document["at"]))
