"""MongoDB's own promises: no URL makes writes less safe, and a server that can't work is said to be unavailable."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from os import kill
from pathlib import Path

import pytest
from pymongo import errors

from heliograph.backends.mongo import MongoStore
from heliograph.backends.mongo.connection import DURABLE, Connected, check_url, connect, reaching
from heliograph.core.errors import StoreUnavailable
from tests.contract.store.examples import event, history, notification, sent, submission
from tests.support.eventually import eventually
from tests.support.mongo import MongoServer


@pytest.mark.parametrize(
    "options",
    [
        "w=0",
        "w=1",
        "w=2",
        "W=1",
        "w=tagged",
        "journal=false",
        "j=false",
        "JOURNAL=False",
        "retryWrites=true&w=1",
        "a=b;w=1",
    ],
)
def test_a_url_that_weakens_writes_is_refused(options: str) -> None:
    """At start-up, with a sentence that names the option (DESIGN G1)."""
    with pytest.raises(ValueError, match=r"the store's URL sets (w|journal|j)="):
        MongoStore(f"mongodb://u:p@a.example:1,b.example:2/name?replicaSet=rs&{options}")


@pytest.mark.parametrize(
    "url",
    [
        "mongodb://127.0.0.1",
        "mongodb://u:p%40@a.example,b.example/?replicaSet=rs",
        "mongodb+srv://cluster.example/name?w=majority&journal=true&retryWrites=true",
    ],
)
def test_other_urls_are_taken(url: str) -> None:
    """Also those that say themselves what is promised."""
    check_url(url)


async def test_writes_are_as_safe_as_promised() -> None:
    """Whatever the URL leaves open: a majority's journals, in bounded time, read back from the primary."""
    store = MongoStore("mongodb://127.0.0.1:1/name?readPreference=secondary")
    store._client = connect(store._url)
    database = store._database
    assert database.write_concern == DURABLE
    assert DURABLE.document == {"w": "majority", "j": True, "wtimeout": 5_000}
    assert (database.name, database.read_preference.name) == ("name", "Primary")
    assert store._client.options.server_selection_timeout == 5.0
    await store.close_store()


async def test_no_server_at_all() -> None:
    """`open` says so in bounded time, and leaves nothing behind."""
    store = MongoStore("mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=100")
    with pytest.raises(StoreUnavailable):
        await store.open()
    with pytest.raises(StoreUnavailable, match="not open"):
        await store.accept([submission()])


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[MongoServer]:
    """One that a test may do things to."""
    found = await MongoServer(tmp_path).start()
    yield found
    found.kill()


@asynccontextmanager
async def opened(server: MongoServer, options: str) -> AsyncIterator[MongoStore]:
    store = MongoStore(f"{server.url}/name?{options}")
    await store.open()
    try:
        yield store
    finally:
        await store.close_store()


async def test_a_server_that_dies_and_comes_back(server: MongoServer) -> None:
    """Unavailable while it is away; the same handle works again afterwards."""
    async with opened(server, "serverSelectionTimeoutMS=300") as store:
        made = await sent(store)
        server.kill()
        for call in (store.accept([submission()]), store.histories([made.key]), store.ping()):
            with pytest.raises(StoreUnavailable):
                await call
        await server.start()

        async def back() -> bool:
            """Its driver notices by and by."""
            try:
                await store.ping()
            except StoreUnavailable:
                return False
            return True

        await eventually(back)
        await store.accept([submission(made)])
        assert (await history(store, made)).notification == made


async def test_a_server_that_hangs(server: MongoServer) -> None:
    """Unavailable in bounded time; what was being written is either there or not, and can be written again."""
    async with opened(server, "socketTimeoutMS=300&serverSelectionTimeoutMS=300&connectTimeoutMS=300") as store:
        made, late = await sent(store), notification()
        routed = event(made, "routed", plan=("email", "push:a"))
        kill(server.pid, signal.SIGSTOP)
        try:
            for call in (store.accept([submission(late)]), store.record([routed])):
                with pytest.raises(StoreUnavailable):
                    await call
        finally:
            kill(server.pid, signal.SIGCONT)

        async def accepted() -> bool:
            """With short time-outs it may take the server more than one to wake up."""
            try:
                await store.accept([submission(late)])
            except StoreUnavailable:
                return False
            return True

        await eventually(accepted)
        await store.record([routed])
        assert [(await history(store, one)).open for one in (made, late)] == [2, 1]


UNAVAILABLE: list[errors.PyMongoError] = [
    errors.ServerSelectionTimeoutError("nobody there"),
    errors.NetworkTimeout("too late"),
    errors.NotPrimaryError("an election"),
    errors.AutoReconnect("connection closed"),
    errors.WaitQueueTimeoutError("pool is full"),
    errors.WTimeoutError("waiting for replication timed out", 64),
    errors.WriteConcernError("not enough data-bearing nodes", 100),
    errors.ExecutionTimeout("operation exceeded time limit", 50),
    errors.OperationFailure("not authorized", 13),
    errors.OperationFailure("stepped down", 189),
    errors.OperationFailure("out of disk space", 14031),
    errors.OperationFailure("some day", 99_999, {"errorLabels": ["RetryableWriteError"]}),
    errors.InvalidOperation("Cannot use MongoClient after close"),
    errors.BulkWriteError({"writeErrors": [], "writeConcernErrors": [{"code": 64, "errmsg": "timed out"}]}),
    errors.BulkWriteError({"writeErrors": [{"code": 10107, "index": 0}], "writeConcernErrors": []}),
]
BUGS: list[Exception] = [
    errors.OperationFailure("unknown operator: $fnord", 2),
    errors.DuplicateKeyError("E11000", 11000),
    errors.BulkWriteError({"writeErrors": [{"code": 2, "index": 0}], "writeConcernErrors": []}),
    errors.DocumentTooLarge("17 MB"),
    TypeError("a bug"),
]


@pytest.mark.parametrize("error", [*UNAVAILABLE, *BUGS], ids=lambda error: f"{type(error).__name__}:{error}"[:60])
async def test_which_errors_mean_unavailable(error: Exception) -> None:
    """The world's failures become `StoreUnavailable`, our own stay what they are."""

    class Failing(Connected):
        @reaching
        async def fail(self) -> None:
            raise error

    store = Failing()
    store._client = connect("mongodb://127.0.0.1:1")
    with pytest.raises(StoreUnavailable if error in UNAVAILABLE else type(error)):
        await store.fail()
    await store.close_store()
