"""Real servers for tests: one NATS and one Valkey per session, started like those of the embedded profile."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from heliograph.backends.servers import NatsServer, ValkeyServer
from heliograph.backends.servers.accounts import OPERATOR
from tests.support.eventually import eventually


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def nats_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The URL of a NATS server that all tests of the session share: leave no streams behind that others would mind."""
    server = NatsServer(tmp_path_factory.mktemp("nats"))
    await server.start()
    yield server.url_of(OPERATOR)
    await server.stop()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def redis_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The URL of a Valkey server that all tests of the session share: each begins with `FLUSHALL` if it minds."""
    server = ValkeyServer(tmp_path_factory.mktemp("valkey"))
    await server.start()
    yield server.url_of(OPERATOR)
    await server.stop()


async def lose_data(server: NatsServer, folder: Path) -> None:
    """Takes the server down and brings it back empty, on the same port."""
    await server.stop()
    shutil.rmtree(folder / "nats")
    await server.start()


@asynccontextmanager
async def frozen(server: NatsServer | ValkeyServer) -> AsyncIterator[None]:
    """Inside, the server takes connections and bytes but does nothing."""
    pid = server.pid
    assert pid
    os.kill(pid, signal.SIGSTOP)

    async def stopped() -> bool:
        """Every thread of it."""
        return all(") T" in stat.read_text() for stat in Path(f"/proc/{pid}/task").glob("*/stat"))

    try:
        await eventually(stopped)
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
