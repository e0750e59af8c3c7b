"""One running system per test module that only reads and sends; tests that break things start their own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.support.mongo import mongo_database_url, mongo_url
from tests.support.system import Heliograph

__all__ = ["install", "mongo_database_url", "mongo_url", "store_settings", "system"]


@pytest_asyncio.fixture
async def install(tmp_path: Path) -> AsyncIterator[Callable[..., Heliograph]]:
    """Makes installations in folders of their own and closes them at the end."""
    made: list[Heliograph] = []

    def make(name: str = "data", **settings: Any) -> Heliograph:
        made.append(Heliograph(tmp_path / name, **settings))
        return made[-1]

    yield make
    for one in made:
        await one.close()


@pytest_asyncio.fixture
async def system(install: Callable[..., Heliograph], store_settings: dict[str, str]) -> Heliograph:
    """A running system on each store."""
    return await install(**store_settings).start()


@pytest.fixture(params=["sqlite", "mongo"])
def store_settings(request: pytest.FixtureRequest) -> dict[str, str]:
    """The settings that choose the store: nothing for SQLite, a fresh database's URL for MongoDB."""
    if request.param == "sqlite":
        return {}
    return {"store_url": request.getfixturevalue("mongo_database_url")}
