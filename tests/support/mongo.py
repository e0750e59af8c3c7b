"""A server that speaks MongoDB's protocol, for tests: SecantusDB from its wheel, one per session, on a free port."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from pymongo import MongoClient

from tests.support.eventually import eventually

REAL_URL = os.environ.get("HELIOGRAPH_TEST_MONGO_URL", "")
"""A MongoDB that the tests may fill: each makes databases of its own there and drops them."""


class MongoServer:
    """SecantusDB as a child process, its data in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._log = folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"mongodb://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    async def start(self) -> MongoServer:
        """On the port it had before, else on a free one."""
        program = Path(sys.executable).with_name("secantusd-py")
        self._log.unlink(missing_ok=True)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: ASYNC220 - returns at once; `kill` must work without a loop
                [program, "--host", "127.0.0.1", "--port", str(self.port), "--storage-path", self._folder / "data",
                 "--standalone", "--cache-size", "64M", "--oplog-max-entries", "1000"],
                stdout=log, stderr=log, cwd=self._folder,
            )  # fmt: skip

        async def listening() -> re.Match[str] | None:
            """The server says where it listens."""
            assert self._process
            assert self._process.poll() is None, self._log.read_text()
            return re.search(r"listening on 127\.0\.0\.1:(\d+)", self._log.read_text())

        found = await eventually(listening)
        assert found
        self.port = int(found[1])
        return self

    def kill(self) -> None:
        """`kill -9`: nothing is flushed, connections break."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def mongo_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The URL of a server that all tests of the session share; it names no database."""
    server = await MongoServer(tmp_path_factory.mktemp("mongo")).start()
    yield server.url
    server.kill()


@pytest_asyncio.fixture
async def mongo_database_url(mongo_url: str) -> AsyncIterator[str]:
    """A fresh database's URL; HELIOGRAPH_TEST_MONGO_URL takes SecantusDB's place when it is set."""
    async with fresh_database(REAL_URL or mongo_url) as url:
        yield url


@contextlib.asynccontextmanager
async def fresh_database(server_url: str) -> AsyncIterator[str]:
    """The URL of a database that nobody else uses, dropped at the end."""
    name = f"test_{secrets.token_hex(6)}"
    base, question, options = server_url.partition("?")
    yield f"{base.rstrip('/')}/{name}{question}{options}"
    await asyncio.to_thread(_drop, server_url, name)


def _drop(server_url: str, name: str) -> None:
    """With the blocking client: the asynchronous one can lose a socket when it is closed as soon as it was used."""
    with MongoClient[dict[str, object]](server_url) as client:
        client.drop_database(name)
