"""SQLite store: the file, and the two threads that touch it, one that writes and one that reads.

The writer takes every waiting piece of work and commits all of it as one transaction, so that the price of the disk's
sync is shared. Each statement is a passage from Python to SQLite and back; under load every way back waits for the
interpreter's lock, so the store is written in few big statements rather than many small ones (see `statements.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import queue
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import apsw
import msgspec

from heliograph.backends.sqlite import schema
from heliograph.core.errors import StoreUnavailable

T = TypeVar("T")
Work = Callable[[apsw.Connection], T]
Bindings = Sequence[Any] | Mapping[str, Any]

CANNOT_WORK: Final = (
    apsw.AuthError,
    apsw.BusyError,
    apsw.CantOpenError,
    apsw.ConnectionClosedError,
    apsw.CorruptError,
    apsw.FullError,
    apsw.IOError,
    apsw.InterruptError,
    apsw.LockedError,
    apsw.NoMemError,
    apsw.NotADBError,
    apsw.PermissionsError,
    apsw.ProtocolError,
    apsw.ReadOnlyError,
)
"""What SQLite answers when the store can't work; every other error is a bug of ours."""

SWITCH_INTERVAL_S: Final = 1e-4
"""CPython hands its lock to a waiting thread after this long. An event loop under load gives the lock up and takes it
again more often than the default 5 ms, which starves the writer for seconds (seen: 26 instead of 7,000 commits/s)."""


def connect(path: Path, busy_timeout_ms: int) -> apsw.Connection:
    """Opens the file for durable, shared use. Raises apsw errors."""
    connection = apsw.Connection(str(path), statementcachesize=400)
    connection.set_busy_handler(lambda tries: _wait(tries, busy_timeout_ms))
    _keep_a_log(connection, busy_timeout_ms)
    connection.pragma("synchronous", "full")
    connection.pragma("secure_delete", True)  # an erased person leaves no bytes behind
    connection.pragma("cache_size", -16_000)
    connection.pragma("wal_autocheckpoint", 4_000)
    connection.pragma("journal_size_limit", 64 * 1024 * 1024)
    return connection


def _keep_a_log(connection: apsw.Connection, busy_timeout_ms: int) -> None:
    """Switches to write-ahead logging. Two processes that do so at once are told so without any waiting."""
    for tries in itertools.count():
        try:
            connection.pragma("journal_mode", "wal")
            return
        except apsw.BusyError:
            if not _wait(tries, busy_timeout_ms):
                raise


def _wait(tries: int, busy_timeout_ms: int) -> bool:
    """Another process is writing: looks again every millisecond. SQLite's own handler pauses up to 100 ms a time."""
    time.sleep(0.001)
    return tries < busy_timeout_ms


def changed(connection: apsw.Connection, sql: str, bindings: Bindings) -> int:
    """Runs one writing statement; returns how many rows it changed."""
    connection.execute(sql, bindings)
    return connection.changes()


class Outcome(NamedTuple):
    value: object
    error: Exception | None = None


Serve = Callable[[apsw.Connection, Sequence[Work[object]]], list[Outcome]]


class DatabaseFile:
    """One open database. Works are functions of a connection; they may run twice, so they must change nothing else."""

    def __init__(self, path: Path, busy_timeout_ms: int) -> None:
        self._path = path
        self._busy_timeout_ms = busy_timeout_ms
        self._threads: tuple[ConnectionThread, ...] = ()

    async def open(self) -> None:
        """Raises StoreUnavailable, or ValueError when a newer version wrote the file."""
        sys.setswitchinterval(min(sys.getswitchinterval(), SWITCH_INTERVAL_S))
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.touch(mode=0o600)
            connections = [connect(self._path, self._busy_timeout_ms) for _ in range(2)]
            schema.create(connections[0])
        except (OSError, *CANNOT_WORK) as error:
            raise StoreUnavailable(f"{self._path}: {error}") from error
        serves = (("writer", commit_together), ("reader", read_each))
        self._threads = tuple(
            ConnectionThread(f"sqlite-{name}", connection, serve)
            for connection, (name, serve) in zip(connections, serves, strict=True)
        )

    async def write(self, work: Work[T]) -> T:
        """Runs `work` in a transaction that is on disk when this returns."""
        return await self._thread(0).run(work)

    async def execute(self, sql: str, bindings: Bindings) -> int:
        """Writes with one statement; returns how many rows it changed."""
        return await self.write(lambda connection: changed(connection, sql, bindings))

    async def read(self, work: Work[T]) -> T:
        return await self._thread(1).run(work)

    async def fetch(self, sql: str, bindings: Bindings, decoder: msgspec.json.Decoder[T]) -> T:
        """The one JSON text that `sql` answers with, decoded."""
        text = await self.read(lambda connection: connection.execute(sql, bindings).get)
        return decoder.decode(text)

    async def forget_old_pages(self) -> None:
        """Empties the write-ahead log, which still holds what was deleted. While somebody reads from it, it stays."""
        with contextlib.suppress(StoreUnavailable):
            await self.read(lambda connection: connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").get)

    async def close(self) -> None:
        """Finishes what was begun."""
        threads, self._threads = self._threads, ()
        for thread in threads:
            await thread.stop()

    def in_use(self) -> int:
        return sum(thread.waiting for thread in self._threads)

    def _thread(self, number: int) -> ConnectionThread:
        if not self._threads:
            raise StoreUnavailable("the store is not open")
        return self._threads[number]


class ConnectionThread:
    """A thread with a connection of its own, fed by the event loop that made it."""

    def __init__(self, name: str, connection: apsw.Connection, serve: Serve) -> None:
        self._connection = connection
        self._serve = serve
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[tuple[Work[Any], asyncio.Future[Any]] | None] = queue.SimpleQueue()
        self._ended = self._loop.create_future()
        self.waiting = 0
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    async def run(self, work: Work[T]) -> T:
        future: asyncio.Future[T] = self._loop.create_future()
        self._queue.put((work, future))
        self.waiting += 1
        try:
            return await future
        finally:
            self.waiting -= 1

    async def stop(self) -> None:
        self._queue.put(None)
        await self._ended
        self._thread.join()

    def _work(self) -> None:
        going = True
        while going:
            going = self._serve_waiting()
        self._connection.close()
        self._tell(self._ended.set_result, None)

    def _serve_waiting(self) -> bool:
        jobs = [self._queue.get()]
        with contextlib.suppress(queue.Empty):
            while True:
                jobs.append(self._queue.get_nowait())
        works = [job[0] for job in jobs if job]
        if works:
            self._tell(_resolve, [job[1] for job in jobs if job], self._outcomes(works))
        return None not in jobs

    def _outcomes(self, works: Sequence[Work[object]]) -> list[Outcome]:
        try:
            return self._serve(self._connection, works)
        except Exception as error:  # noqa: BLE001 - the thread must live on, and every caller must hear of it
            return [Outcome(None, error) for _ in works]

    def _tell(self, call: Callable[..., object], *args: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed: nobody is waiting any more
            self._loop.call_soon_threadsafe(call, *args)


def _resolve(futures: Sequence[asyncio.Future[object]], outcomes: Sequence[Outcome]) -> None:
    for future, outcome in zip(futures, outcomes, strict=True):
        if future.done():
            continue
        if outcome.error is None:
            future.set_result(outcome.value)
        else:
            future.set_exception(outcome.error)


def commit_together(connection: apsw.Connection, works: Sequence[Work[object]]) -> list[Outcome]:
    """Runs all works in one transaction; if one fails, again each behind a savepoint, so that it fails alone."""
    try:
        try:
            return _transaction(connection, works, _plainly)
        except CANNOT_WORK:
            raise
        except Exception:  # noqa: BLE001 - whose it is shows in the second run, which hands it to its caller
            return _transaction(connection, works, _apart)
    except CANNOT_WORK as error:
        return [Outcome(None, StoreUnavailable(str(error))) for _ in works]


def _transaction(
    connection: apsw.Connection,
    works: Sequence[Work[object]],
    run: Callable[[apsw.Connection, Work[object]], Outcome],
) -> list[Outcome]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        outcomes = [run(connection, work) for work in works]
        connection.execute("COMMIT")
    except BaseException:
        # SQLite has rolled back by itself after some errors (disk full, I/O)
        with contextlib.suppress(apsw.Error):
            connection.execute("ROLLBACK")
        raise
    return outcomes


def _plainly(connection: apsw.Connection, work: Work[object]) -> Outcome:
    return Outcome(work(connection))


def _apart(connection: apsw.Connection, work: Work[object]) -> Outcome:
    connection.execute("SAVEPOINT apart")
    try:
        outcome = Outcome(work(connection))
    except CANNOT_WORK:
        raise
    except Exception as error:  # noqa: BLE001 - handed to the caller whose work it is
        connection.execute("ROLLBACK TO apart")
        outcome = Outcome(None, error)
    connection.execute("RELEASE apart")
    return outcome


def read_each(connection: apsw.Connection, works: Sequence[Work[object]]) -> list[Outcome]:
    return [_read(connection, work) for work in works]


def _read(connection: apsw.Connection, work: Work[object]) -> Outcome:
    try:
        return Outcome(work(connection))
    except CANNOT_WORK as error:
        return Outcome(None, StoreUnavailable(str(error)))
    except Exception as error:  # noqa: BLE001 - handed to the caller whose work it is
        return Outcome(None, error)
