"""Every command that the MongoDB store sends finds its documents through an index.

A real MongoDB (HELIOGRAPH_TEST_MONGO_URL) is asked to explain each. SecantusDB's planner leaves most indexes of a real
one unused, so there each filter is held against the declared indexes by MongoDB's own rules.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pytest
from pymongo import AsyncMongoClient, monitoring

from heliograph.backends.mongo import MongoStore, connection
from heliograph.backends.mongo.indexes import INDEXES
from tests.contract.store.tour import tour
from tests.support.mongo import REAL_URL


class Query(NamedTuple):
    """What a command looks for, wherever in the command it stands."""

    collection: str
    filter: Mapping[str, Any]
    sort: Mapping[str, Any]


class Watch(monitoring.CommandListener):
    """Notes every command."""

    def __init__(self) -> None:
        self.commands: list[Mapping[str, Any]] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        self.commands.append(event.command)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        pass

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        pass


def queries(command: Mapping[str, Any]) -> Iterator[Query]:
    name, collection = next(iter(command.items()))
    match name:
        case "find":
            yield Query(collection, command["filter"], command.get("sort", {}))
        case "update":
            yield from (Query(collection, one["q"], {}) for one in command["updates"])
        case "delete":
            yield from (Query(collection, one["q"], {}) for one in command["deletes"])
        case "findAndModify":
            yield Query(collection, command["query"], command.get("sort", {}))
        case "aggregate":
            first, second = command["pipeline"][:2]
            yield Query(collection, first["$match"], second.get("$sort", {}))
        case "insert" | "createIndexes" | "count" | "endSessions" | "getMore" | "killCursors":
            # `count` is `estimated_document_count`, which reads the collection's size; cursors were found by a `find`
            assert name != "count" or not command.get("query")
        case _:
            raise AssertionError(f"what does {name} look for?")


@pytest.fixture
async def seen(mongo_database_url: str, monkeypatch: pytest.MonkeyPatch) -> list[Query]:
    """Everything that was looked for on a tour through all methods of the store."""
    watch = Watch()
    client = functools.partial(AsyncMongoClient, event_listeners=[watch])
    monkeypatch.setattr(connection, "AsyncMongoClient", client)
    store = MongoStore(mongo_database_url)
    await store.open()
    await tour(store)
    await store.close_store()
    return [query for command in watch.commands for query in queries(command)]


def served_by(query: Query) -> list[str]:
    """The indexes that can find these documents: `_id`, or those whose leading fields the filter names."""
    if "_id" in query.filter:
        return ["_id_"]
    if "$or" in query.filter:
        branches = [served_by(Query(query.collection, branch, {})) for branch in query.filter["$or"]]
        return [name for names in branches for name in names] if all(branches) else []
    found = []
    for index in INDEXES.get(query.collection, ()):
        fields = list(index.document["key"])
        where = index.document.get("partialFilterExpression", {})
        # One field finds too much, unless the index has few entries or the wanted order.
        ordered = list(query.sort) != [] and list(query.sort) in (
            fields[: len(query.sort)],
            fields[1 : 1 + len(query.sort)],
        )
        enough = fields[1] in query.filter or where or ordered
        if fields[0] in query.filter and enough and implied(where, query.filter):
            found.append(index.document["name"])
    return found


def implied(where: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether a partial index has every document that the filter wants."""
    for field, condition in where.items():
        if field not in wanted:
            return False
        exists = condition == {"$exists": True} and wanted[field] is not None
        if not exists and wanted[field] != condition:
            return False
    return True


def sorts_in_memory(query: Query) -> bool:
    """Whether no index that serves the query has the wanted order after the fields that are fixed."""
    fixed = {field for field, value in query.filter.items() if not isinstance(value, Mapping) or "$in" in value}
    for name in served_by(query):
        fields = next(list(i.document["key"]) for i in INDEXES[query.collection] if i.document["name"] == name)
        rest = [field for field in fields if field not in fixed or field in query.sort]
        if rest[: len(query.sort)] == list(query.sort):
            return False
    return True


async def test_every_filter_has_its_index(seen: list[Query]) -> None:
    """And every declared index has a query that needs it."""
    assert len(seen) > 100
    assert not [query for query in seen if not served_by(query)]
    used = {(query.collection, name) for query in seen for name in served_by(query)}
    assert {(name, index.document["name"]) for name, indexes in INDEXES.items() for index in indexes} <= used


async def test_no_long_list_is_sorted_in_memory(seen: list[Query]) -> None:
    """What is listed by age or urgency lies in that order; only what was named one by one is sorted."""
    listed = [query for query in seen if query.sort and "$or" not in query.filter]
    assert len(listed) > 20
    assert not [query for query in listed if sorts_in_memory(query)]


def stages(plan: Any) -> Iterator[str]:
    if isinstance(plan, Mapping):
        if isinstance(plan.get("stage"), str):
            yield plan["stage"]
        for value in plan.values():
            yield from stages(value)
    if isinstance(plan, list):
        for value in plan:
            yield from stages(value)


async def test_the_server_finds_the_same(seen: list[Query], mongo_database_url: str) -> None:
    """The server's own plans: no COLLSCAN on a real MongoDB; on SecantusDB where its planner uses such an index."""
    understood = 0
    async with AsyncMongoClient[dict[str, Any]](mongo_database_url) as client:
        database = client.get_default_database()
        for query in seen:
            find = {"find": query.collection, "filter": query.filter, "sort": query.sort}
            found = await database.command({"explain": find, "verbosity": "queryPlanner"})
            scanned = "COLLSCAN" in stages(found["queryPlanner"]["winningPlan"])
            ranges = [value for value in query.filter.values() if isinstance(value, Mapping)]
            simple = set(query.filter) == {"_id"} or (query.collection == "devices" and not ranges)
            if REAL_URL or simple:
                assert not scanned, query
                understood += 1
    assert understood > 15


def test_this_test_sees_a_scan() -> None:
    """Filters without an index are found out."""
    assert not served_by(Query("sends", {"user": "anna"}, {}))
    assert not served_by(Query("sends", {"tenant": "shop"}, {}))
    assert not served_by(Query("sends", {"level": 1, "check_at": {"$lte": 1}}, {}))
    assert not served_by(Query("users", {"email": "a@x"}, {}))
    assert not served_by(Query("dead_letters", {"$or": [{"_id": 1}, {"cause": "x"}]}, {}))
    assert sorts_in_memory(Query("sends", {"tenant": "shop", "user": "anna", "in_inbox": True}, {"check_at": 1}))
