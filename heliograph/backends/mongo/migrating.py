"""MongoDB store: which shape its documents have, and the steps from one to the next.

A step walks a collection by `_id`, a few hundred documents at a time, and remembers how far it came: it may be ended
and run again. Processes of the version before may run beside it: a step only adds what they don't read. What they
write meanwhile is brought up by running it once more when they are gone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from pymongo import UpdateOne

from heliograph.backends.mongo import indexes
from heliograph.backends.mongo.connection import Database, Document, connect, database_of, translated
from heliograph.backends.mongo.documents import ADDRESS
from heliograph.core.ports.migrating import Migration, Tell
from heliograph.core.suppressing import folded

VERSION: Final = 2
PORTION: Final = 500
_PLACE: Final = {"_id": "schema"}
Change = Callable[[Database, list[Document]], Awaitable[None]]


async def _address(database: Database, users: list[Document]) -> None:
    """What `tenants_of` looks for; older versions didn't write it."""
    changes = [
        UpdateOne(
            {"_id": user["_id"], "email": user["email"], ADDRESS: {"$exists": False}},
            {"$set": {ADDRESS: folded(user["email"])}},
        )
        for user in users
        if user.get("email") and ADDRESS not in user
    ]
    if changes:
        await database.users.bulk_write(changes, ordered=False)


STEPS: Final[dict[int, tuple[str, str, Change]]] = {
    2: ("users: their folded address beside the one they gave", "users", _address)
}
"""By the version they lead to: what it does in words, the collection it walks, and what it does to a portion."""


async def found_version(database: Database) -> int:
    """0 = the database is new; 1 = from before versions were written down."""
    found = await database.schema.find_one(_PLACE)
    if found:
        return int(found["version"])
    for collection in ("sends", "users", "keys"):
        if await database[collection].estimated_document_count():
            return 1
    return 0


def refuse_newer(found: int) -> None:
    """Raises ValueError."""
    if found > VERSION:
        raise ValueError(f"the database has schema version {found}, this Heliograph knows up to {VERSION}")


async def begin(database: Database) -> int:
    """At start: refuses a database that is newer, marks a new one; answers the version it has."""
    found = await found_version(database)
    refuse_newer(found)
    if found == 0:
        await database.schema.update_one(_PLACE, {"$setOnInsert": {"version": VERSION}}, upsert=True)
        return VERSION
    return found


class MongoMigrator:
    """Implements `core.ports.migrating.Migrator`. `again` = the last step once more, whatever the version."""

    def __init__(self, url: str, *, again: bool = False) -> None:
        self._url = url
        self._again = again

    async def look(self) -> Migration:
        client = connect(self._url)
        try:
            with translated():
                database = database_of(client)
                return self._plan(await found_version(database))
        finally:
            await client.close()

    async def run(self, tell: Tell) -> None:
        client = connect(self._url)
        try:
            with translated():
                await self._run(database_of(client), tell)
        finally:
            await client.close()

    async def _run(self, database: Database, tell: Tell) -> None:
        found = await found_version(database)
        refuse_newer(found)
        tell("create what is missing of the indexes", 0, 1)
        await indexes.create(database)
        tell("create what is missing of the indexes", 1, 1)
        for version in self._versions(found):
            await _walk(database, version, tell)
            await database.schema.update_one(
                _PLACE, {"$set": {"version": version}, "$unset": {"step": "", "after": ""}}, upsert=True
            )
        if found == 0:
            await begin(database)

    def _plan(self, found: int) -> Migration:
        return Migration(found, VERSION, tuple(STEPS[version][0] for version in self._versions(found)))

    def _versions(self, found: int) -> range:
        if found == 0:
            return range(0)
        return range(VERSION if self._again and found == VERSION else found + 1, VERSION + 1)


async def _walk(database: Database, version: int, tell: Tell) -> None:
    words, name, change = STEPS[version]
    place = await database.schema.find_one(_PLACE) or {}
    after: Any = place.get("after", "") if place.get("step") == version else ""
    total, done = await database[name].estimated_document_count(), 0
    while True:
        portion = await database[name].find({"_id": {"$gt": after}}, sort=[("_id", 1)], limit=PORTION).to_list()
        if not portion:
            return
        await change(database, portion)
        after, done = portion[-1]["_id"], done + len(portion)
        # Version 1 until it is over: `found` is what says that this step is still to be done.
        at_least = {"$setOnInsert": {"version": version - 1}, "$set": {"step": version, "after": after}}
        await database.schema.update_one(_PLACE, at_least, upsert=True)
        tell(words, done, max(done, total))
