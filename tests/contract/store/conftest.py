"""Each test gets an empty store of every kind, open, and a rival's handle on the same data."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from heliograph.core.ports import Store
from tests.contract.store.worlds import MemoryWorld, MongoWorld, SqliteWorld, World
from tests.support.mongo import REAL_URL, fresh_database, mongo_database_url, mongo_url

__all__ = ["mongo_database_url", "mongo_url"]

KINDS = ["memory", "sqlite", "mongo", *(["mongodb"] if REAL_URL else [])]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """PyMongo leaves a socket to the garbage collector when a client is closed while its monitor is connecting."""
    for item in items:
        if "contract/store" in item.nodeid and "mongo" in item.nodeid:
            item.add_marker(pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"))


@pytest.fixture(params=KINDS)
async def world(request: pytest.FixtureRequest, tmp_path: Path, mongo_url: str) -> AsyncIterator[World]:
    async with AsyncExitStack() as ends:
        found: World
        match request.param:
            case "memory":
                found = MemoryWorld()
            case "sqlite":
                found = SqliteWorld(tmp_path / "heliograph.db")
            case "mongo":
                found = MongoWorld(await ends.enter_async_context(fresh_database(mongo_url)))
            case _:
                found = MongoWorld(await ends.enter_async_context(fresh_database(REAL_URL)))
        for handle in (found.store, found.rival):
            await handle.open()
            ends.push_async_callback(handle.close_store)
        yield found


@pytest.fixture
def store(world: World) -> Store:
    return world.store


@pytest.fixture
def rival(world: World) -> Store:
    return world.rival
