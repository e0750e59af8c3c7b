"""MongoDB's migrations: in portions, resumable, beside what runs, and never backwards."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from pymongo import UpdateOne

from heliograph.backends.mongo import MongoStore, migrating
from heliograph.backends.mongo.connection import Database, connect, database_of
from heliograph.backends.mongo.migrating import MongoMigrator
from tests.contract.store.examples import TENANT


@pytest.fixture
async def database(mongo_database_url: str) -> AsyncIterator[Database]:
    client = connect(mongo_database_url)
    yield database_of(client)
    await client.close()


async def old_users(database: Database, count: int) -> None:
    """As version 1 left them: without the folded address."""
    await database.users.insert_many([
        {"_id": f"{TENANT}/u{n:03d}", "tenant": TENANT, "id": f"u{n:03d}", "email": f"U{n}@X.example", "updated_at": 1}
        for n in range(count)
    ])  # fmt: skip


async def without_address(database: Database) -> int:
    return await database.users.count_documents({"address": {"$exists": False}})


async def test_a_new_database_has_the_newest_version(mongo_database_url: str, database: Database) -> None:
    """There is nothing to do, then and after a start."""
    assert (await MongoMigrator(mongo_database_url).look()).steps == ()
    store = MongoStore(mongo_database_url)
    await store.open()
    await store.close_store()
    plan = await MongoMigrator(mongo_database_url).look()
    assert (plan.found, plan.wanted, plan.steps) == (migrating.VERSION, migrating.VERSION, ())


async def test_a_migration_goes_on_where_it_was_ended(
    mongo_database_url: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In portions; the store of the old shape can be used before; what was added meanwhile by an old process comes with
    a second run."""
    monkeypatch.setattr(migrating, "PORTION", 10)
    await old_users(database, 35)
    store = MongoStore(mongo_database_url)
    await store.open()
    migrator = MongoMigrator(mongo_database_url)
    assert len((await migrator.look()).steps) == 1
    portions = 0

    def ended(words: str, done: int, total: int) -> None:
        nonlocal portions
        portions += words.startswith("users")
        if portions == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await migrator.run(ended)
    assert await without_address(database) == 15
    assert (await migrator.look()).found == 1
    said: list[int] = []
    await migrator.run(lambda words, done, _total: said.append(done) if words.startswith("users") else None)
    assert said == [10, 15], "only what was left"
    assert await without_address(database) == 0
    assert await store.tenants_of(["u7@x.EXAMPLE"]) == [(TENANT,)]
    assert (await migrator.look()).steps == ()
    await database.users.bulk_write([UpdateOne({"_id": f"{TENANT}/late"}, {"$set": {"email": "L@x"}}, upsert=True)])
    await MongoMigrator(mongo_database_url, again=True).run(lambda *_: None)
    assert await without_address(database) == 0
    await store.close_store()


async def test_what_a_person_said_meanwhile_stands(database: Database) -> None:
    """A portion was read before the user changed their address: it isn't undone."""
    await old_users(database, 1)
    (before,) = await database.users.find().to_list()
    store_address = {"email": "new@x", "address": "new@x"}
    await database.users.update_one({"_id": before["_id"]}, {"$set": store_address})
    await migrating._address(database, [before])
    (found,) = await database.users.find().to_list()
    assert (found["email"], found["address"]) == ("new@x", "new@x")


async def test_a_newer_database_is_left_alone(mongo_database_url: str, database: Database) -> None:
    """Neither a start nor a migration touches it."""
    await database.schema.insert_one({"_id": "schema", "version": migrating.VERSION + 1})
    with pytest.raises(ValueError, match="schema version"):
        await MongoStore(mongo_database_url).open()
    assert (await MongoMigrator(mongo_database_url).look()).newer
    with pytest.raises(ValueError, match="schema version"):
        await MongoMigrator(mongo_database_url).run(lambda *_: None)
    assert await database.list_collection_names() == ["schema"]
