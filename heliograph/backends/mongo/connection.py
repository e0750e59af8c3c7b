"""MongoDB store: the client, how safe a write must be, and which errors mean that the store can't work now.

Every write waits for the journals of a majority, whatever the URL says; a URL that asks for less is refused. Reads go
to the primary. Nothing here knows what is stored.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from functools import update_wrapper
from typing import Any, Concatenate, Final, ParamSpec, TypeVar
from urllib.parse import parse_qsl, urlsplit

from pymongo import AsyncMongoClient, ReadPreference, WriteConcern
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    InvalidOperation,
    OperationFailure,
    PyMongoError,
    WriteConcernError,
)

from heliograph.core.errors import StoreUnavailable

Document = dict[str, Any]
Database = AsyncDatabase[Document]
Collection = AsyncCollection[Document]
Client = AsyncMongoClient[Document]
P = ParamSpec("P")
T = TypeVar("T")

DURABLE: Final = WriteConcern("majority", wtimeout=5_000, j=True)
DATABASE: Final = "heliograph"
"""Unless the URL names another."""
_PATIENCE: Final = {
    "serverSelectionTimeoutMS": 5_000,
    "connectTimeoutMS": 5_000,
    "socketTimeoutMS": 20_000,
    "waitQueueTimeoutMS": 5_000,
}
"""Bounds on every wait, unless the URL sets its own: a server that hangs is a store that is unavailable."""

_DUPLICATE: Final = 11000
_CANNOT_WORK: Final = frozenset({
    6,  # HostUnreachable
    7,  # HostNotFound
    13,  # Unauthorized
    18,  # AuthenticationFailed
    50,  # MaxTimeMSExpired
    64,  # WriteConcernTimeout
    79,  # UnknownReplWriteConcern
    89,  # NetworkTimeout
    91,  # ShutdownInProgress
    100,  # UnsatisfiableWriteConcern
    112,  # WriteConflict
    189,  # PrimarySteppedDown
    262,  # ExceededTimeLimit
    9001,  # SocketException
    10107,  # NotWritablePrimary
    11600,  # InterruptedAtShutdown
    11602,  # InterruptedDueToReplStateChange
    13435,  # NotPrimaryNoSecondaryOk
    13436,  # NotPrimaryOrSecondary
    14031,  # OutOfDiskSpace
})  # fmt: skip
"""Error codes of a server that can't do what it should (source: MongoDB's error_codes.yml)."""


def check_url(url: str) -> None:
    """Raises ValueError when the URL asks for writes that are less safe than promised (DESIGN G1)."""
    options = {name.lower(): value.lower() for name, value in _options(url)}
    if options.get("w", "majority") != "majority":
        raise ValueError(
            f"the store's URL sets w={options['w']}: Heliograph needs w=majority (its default), else it could "
            "lose what it has accepted; take the option out of the URL"
        )
    for name in ("journal", "j"):
        if options.get(name, "true") != "true":
            raise ValueError(
                f"the store's URL sets {name}={options[name]}: Heliograph needs journaled writes (its default), "
                "else it could lose what it has accepted; take the option out of the URL"
            )


def connect(url: str) -> Client:
    """A client for `url`. Connects when it is first used."""
    set_by_url = {name.lower() for name, _ in _options(url)}
    patience = {name: value for name, value in _PATIENCE.items() if name.lower() not in set_by_url}
    options: dict[str, Any] = {"appname": "heliograph", "retryWrites": True, **patience}
    return AsyncMongoClient(url, **options)


def _options(url: str) -> list[tuple[str, str]]:
    """The options in a URL, which may be parted by either sign; read here without asking DNS, as `+srv` would."""
    return parse_qsl(urlsplit(url).query.replace(";", "&"))


@contextmanager
def translated() -> Iterator[None]:
    """Everything that means that the store can't work now becomes `StoreUnavailable`."""
    try:
        yield
    except PyMongoError as error:
        if _unavailable(error):
            raise StoreUnavailable(str(error)) from error
        raise


def database_of(client: Client) -> Database:
    """The one that the URL names, written durably and read from the primary."""
    return client.get_default_database(DATABASE, write_concern=DURABLE, read_preference=ReadPreference.PRIMARY)


class Connected:
    """What the parts of the store share: the open database, and who is using it."""

    def __init__(self) -> None:
        self._client: Client | None = None
        self._closing = False
        self._calls = 0
        self._idle = asyncio.Event()

    @property
    def _database(self) -> Database:
        assert self._client
        return database_of(self._client)

    @contextmanager
    def _call(self) -> Iterator[None]:
        """Around a call: counted, so that closing waits for it, and with its errors `translated`."""
        if self._client is None or self._closing:
            raise StoreUnavailable("the store is not open")
        self._calls += 1
        try:
            with translated():
                yield
        finally:
            self._calls -= 1
            if not self._calls:
                self._idle.set()

    def in_use(self) -> int:
        return self._calls

    async def close_store(self) -> None:
        """Waits for the calls that are under way: the driver drops them, and sockets, when it is closed earlier."""
        self._closing = True
        while self._calls:
            self._idle.clear()
            await self._idle.wait()
        client, self._client, self._closing = self._client, None, False
        if client:
            await client.close()


S = TypeVar("S", bound=Connected)


def reaching(call: Callable[Concatenate[S, P], Awaitable[T]]) -> Callable[Concatenate[S, P], Coroutine[Any, Any, T]]:
    """Makes a method of the store raise `StoreUnavailable` when the server can't be reached or can't write."""

    async def reached(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        with self._call():
            return await call(self, *args, **kwargs)

    update_wrapper(reached, call)
    return reached


def _unavailable(error: PyMongoError) -> bool:
    match error:
        case ConnectionFailure() | WriteConcernError() | InvalidOperation():  # the last: the client is closed
            return True
        case BulkWriteError():
            wrong = error.details.get("writeErrors", [])
            return bool(error.details.get("writeConcernErrors")) or any(e["code"] in _CANNOT_WORK for e in wrong)
        case OperationFailure():
            return error.code in _CANNOT_WORK or error.has_error_label("RetryableWriteError")
        case _:
            return False


async def insert_new(collection: Collection, documents: Sequence[Document]) -> list[int]:
    """Inserts those that aren't there; returns the places of those that are, by id or by another unique index."""
    if not documents:
        return []
    try:
        await collection.insert_many(documents, ordered=False)
    except BulkWriteError as error:
        wrong = error.details["writeErrors"]
        if error.details.get("writeConcernErrors") or any(e["code"] != _DUPLICATE for e in wrong):
            raise
        return [e["index"] for e in wrong]
    return []
