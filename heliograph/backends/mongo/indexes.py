"""MongoDB store: every collection and index, in this one place.

`sends` holds notifications and batches, one document each, because an idempotency key is unique across both. The `_id`
of everything begins with its tenant. Written by `MongoStore.open`; existing indexes are left alone.
"""

from __future__ import annotations

from typing import Final

from pymongo import ASCENDING, IndexModel

from heliograph.backends.mongo.connection import Database


def _index(name: str, *fields: str, unique: bool = False, where: dict[str, object] | None = None) -> IndexModel:
    keys = [(field, ASCENDING) for field in fields]
    if where is None:
        return IndexModel(keys, name=name, unique=unique)
    return IndexModel(keys, name=name, unique=unique, partialFilterExpression=where)


INDEXES: Final[dict[str, tuple[IndexModel, ...]]] = {
    "sends": (
        _index("idempotency", "tenant", "key", unique=True, where={"key": {"$exists": True}}),
        _index("inbox", "tenant", "user", "in_inbox", "id", "read_at", "archived_at"),
        _index("due", "level", "check_at", where={"open": {"$gt": 0}}),
        _index("members", "tenant", "batch", "id", where={"batch": {"$exists": True}}),
        _index("age", "id", "open", where={"open": {"$lte": 0}}),
        _index("batches_age", "id", "tenant", where={"expanded": True}),
        _index("key_age", "id", "key", where={"key": {"$exists": True}}),
        _index("batches_due", "level", "created_at", "id", where={"expanded": False}),
    ),
    "subscriptions": (
        _index("topic", "tenant", "topic", "user"),
        _index("user", "tenant", "user", "topic"),
    ),
    "devices": (_index("user", "tenant", "user", "id"),),
    "users": (_index("address", "address", "tenant", where={"address": {"$exists": True}}),),
    "suppressions": (
        _index("address", "tenant", "address", "reason"),
        _index("reason", "tenant", "reason", "address"),
    ),
    "dead_letters": (
        _index("notification", "tenant", "notification_id"),
        _index("cause", "tenant", "cause", "at", "channel"),
        _index("replay", "tenant", "cause", "level", "at", "id"),
        _index("order", "tenant", "level", "at", "id"),
        _index("age", "at", "id"),
    ),
    "keys": (_index("tenant", "tenant", "created_at", "_id"),),
    "tickets": (_index("due", "provider", "due_at"), _index("user", "tenant", "user")),
}
"""By collection. `users` (but for `tenants_of`), `settings`, `leases` and `health` are read by `_id` alone."""


async def create(database: Database) -> None:
    """Creates what is missing."""
    for collection, indexes in INDEXES.items():
        await database[collection].create_indexes(list(indexes))
