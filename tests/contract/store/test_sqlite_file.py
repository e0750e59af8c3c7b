"""SQLite's own promises: durable, shared between callers and processes, honest when the file can't be written."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import apsw
import msgspec
import pytest

from heliograph.backends.sqlite import SqliteStore, schema
from heliograph.backends.sqlite.sending import ADD_BATCHES
from heliograph.backends.sqlite.statements import insert
from heliograph.core.errors import StoreUnavailable
from heliograph.core.keys import SCOPES, ApiKey
from heliograph.core.model import Batch, Preferences, Send, User
from heliograph.core.ports import Accepted, Submission
from heliograph.core.suppressing import Suppression
from tests.contract.store.examples import (
    NOW,
    TENANT,
    accepted,
    event,
    history,
    inbox_ids,
    key,
    letter,
    notification,
    sent,
    submission,
    ticket,
)

Store = SqliteStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "folder" / "heliograph.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[Store]:
    found = SqliteStore(path, busy_timeout_ms=50)
    await found.open()
    yield found
    await found.close_store()


async def writer(path: Path, *arguments: str) -> Process:
    program = "tests.contract.store.sqlite_writer"
    return await asyncio.create_subprocess_exec(sys.executable, "-m", program, str(path), *arguments, stdout=PIPE)


async def ids_in(path: Path, ids: list[str]) -> list[str]:
    """Those of `ids` that a fresh look into the file finds; also proves the file sound."""
    store = SqliteStore(path)
    await store.open()
    found = await store.histories([key(id_) for id_ in ids])
    assert await store._file.read(lambda connection: connection.pragma("integrity_check")) == "ok"
    await store.close_store()
    return [history.notification.id for history in found if history]


async def test_what_was_answered_survives_kill_9(path: Path) -> None:
    """Every id that a process printed after `accept` returned is in the file when the process is killed."""
    for _ in range(3):
        process = await writer(path)
        assert process.stdout
        ids = [(await process.stdout.readline()).decode().strip() for _ in range(200)]
        process.kill()
        ids += [line.decode().strip() async for line in process.stdout if line.endswith(b"\n")]
        await process.wait()
        assert len(set(ids)) == len(ids) >= 200
        assert await ids_in(path, ids) == ids


async def test_processes_that_start_and_write_at_once(path: Path) -> None:
    """On a file that none of them has seen: all of them open it, and nothing of anybody's is lost."""
    processes = [await writer(path, "60") for _ in range(4)]
    outputs = [(await process.communicate())[0] for process in processes]
    ids = b"".join(outputs).decode().split()
    assert [process.returncode for process in processes] == [0] * 4
    assert len(ids) == 240
    assert len(await ids_in(path, ids)) == len(set(ids))


async def test_every_commit_is_synced(store: Store) -> None:
    """`synchronous=FULL` in WAL mode: what a power failure leaves (reliability.md 1.1)."""
    look: Callable[[apsw.Connection], list[object]] = lambda c: [c.pragma("synchronous"), c.pragma("journal_mode")]  # noqa: E731
    assert await store._file.write(look) == [2, "wal"]


async def test_waiting_calls_share_a_commit(store: Store) -> None:
    """Many calls at once cost few commits."""
    commits: list[int] = []
    await store._file.write(lambda connection: connection.set_commit_hook(lambda: bool(commits.append(1))))
    await asyncio.gather(*(store.accept([submission()]) for _ in range(400)))
    assert 1 <= len(commits) < 200


async def test_a_failing_call_fails_alone(store: Store) -> None:
    """Its neighbours in the same transaction are stored, and nothing of it is."""
    made = [notification() for _ in range(9)]

    def fails(connection: apsw.Connection) -> None:
        connection.execute("INSERT INTO settings (name, value) VALUES ('half', 'done')")
        connection.execute("INSERT INTO settings (name, value) VALUES ('half', 'twice')")

    calls = [store.accept([submission(one)]) for one in made]
    results = await asyncio.gather(*calls[:5], store._file.write(fails), *calls[5:], return_exceptions=True)
    assert isinstance(results.pop(5), apsw.ConstraintError)
    assert results == [[Accepted(one.id)] for one in made]
    assert None not in await store.histories([one.key for one in made])
    assert await store.keep("half", "nothing") == "nothing"


async def test_a_caller_that_gives_up_disturbs_nobody(store: Store) -> None:
    """A cancelled caller's neighbours get their answers."""
    calls = [asyncio.ensure_future(store.accept([submission()])) for _ in range(20)]
    await asyncio.sleep(0)
    for call in calls[::2]:
        call.cancel()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert [isinstance(result, asyncio.CancelledError) for result in results] == [True, False] * 10


async def test_a_full_disk(store: Store) -> None:
    """Nothing is promised while it is full; reading goes on; with room again everything goes on, nothing half done."""
    before = await sent(store)
    pages = await store._file.write(lambda connection: connection.pragma("page_count"))
    await store._file.write(lambda connection: connection.pragma("max_page_count", pages))
    large = notification(body="x" * 100_000)
    with pytest.raises(StoreUnavailable, match="full"):
        await accepted(store, notification(), large)
    assert (await history(store, before)).notification == before
    await store._file.write(lambda connection: connection.pragma("max_page_count", 1_000_000))
    assert await store.histories([large.key]) == [None]
    await accepted(store, large)
    assert (await history(store, large)).notification == large


async def test_another_process_that_holds_the_file(store: Store, path: Path) -> None:
    """It is waited for, then the store is unavailable; when it is done, everything goes on."""
    other = apsw.Connection(str(path))
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked"):
        await store.accept([submission()])
    with pytest.raises(StoreUnavailable):
        await store.ping()
    waiting = asyncio.ensure_future(SqliteStore.accept(store, [submission()]))
    await asyncio.sleep(0)
    other.execute("COMMIT")
    other.close()
    assert len(await waiting) == 1
    await store.ping()


@pytest.mark.parametrize("what", ["a folder", "no database"])
async def test_what_cannot_be_opened(path: Path, what: str) -> None:
    """`open` says so."""
    path.parent.mkdir(parents=True)
    if what == "a folder":
        path.mkdir()
    else:
        path.write_bytes(b"something else entirely" * 100)
    with pytest.raises(StoreUnavailable):
        await SqliteStore(path).open()


async def test_a_file_of_a_newer_heliograph(store: Store, path: Path) -> None:
    """Is left alone."""
    await store._file.read(lambda connection: connection.pragma("user_version", schema.VERSION + 1))
    with pytest.raises(ValueError, match="schema version"):
        await SqliteStore(path).open()


@pytest.fixture
def old_file(path: Path) -> Path:
    """As version 1 left it: a user, their device and a notification."""
    path.parent.mkdir(parents=True)
    connection = apsw.Connection(str(path))
    connection.execute((Path(__file__).parent / "version1.sql").read_text())
    connection.close()
    return path


async def test_a_file_of_version_1_is_brought_up_to_date(old_file: Path) -> None:
    """Everything in it stays as it was, and preferences can be kept; opening it again changes nothing more."""
    for _ in range(2):
        store = SqliteStore(old_file)
        await store.open()
        (found,) = await store.recipients([key("anna")])
        assert found.user == User(TENANT, "anna", "a@x", "Anna", "de", "Europe/Vienna", {"a": 1}, NOW)
        assert [device.id for device in found.devices] == ["dev_1"]
        assert await inbox_ids(store) == ["ntf_of_version_1"]
        assert await store._file.read(lambda connection: connection.pragma("user_version")) == schema.VERSION
        wanted = Preferences({"email": False})
        await store.put_preferences(key("anna"), wanted, NOW)
        assert await store.preferences([key("anna")]) == [wanted]
        await store.close_store()


async def test_an_old_file_has_the_shape_of_a_new_one(old_file: Path, tmp_path: Path) -> None:
    """Every table, column, index and trigger: a step that was forgotten shows here."""
    shapes = []
    for path in (old_file, tmp_path / "new.db"):
        store = SqliteStore(path)
        await store.open()
        shapes.append(await store._file.read(shape))
        await store.close_store()
    assert shapes[0] == shapes[1]


def shape(connection: apsw.Connection) -> dict[str, set[str]]:
    """The columns of every table, and the text of everything else."""
    found = {}
    for kind, name, sql in connection.execute("SELECT type, name, sql FROM sqlite_schema"):
        columns = connection.execute("SELECT name || ' ' || type || ' ' || pk FROM pragma_table_info(?)", (name,))
        found[f"{kind} {name}"] = {str(row[0]) for row in columns} if kind == "table" else {str(sql)}
    return found


async def test_nobody_else_may_read_the_file(store: Store, path: Path) -> None:
    """It holds people's addresses."""
    await store.ping()
    assert {file.stat().st_mode & 0o777 for file in path.parent.iterdir()} == {0o600}


async def test_an_erased_person_leaves_no_bytes(store: Store, path: Path) -> None:
    """Neither in the database nor in its log, wherever the store had put them."""
    secret = "Sensitive-Person-4711"
    others = [await sent(store, f"user-{i}", body="x" * 300) for i in range(50)]
    made = [await sent(store, "anna", body=secret, title=f"for {secret}", data={"x": secret}) for _ in range(20)]
    await store.put_user(User(TENANT, "anna", email=f"{secret}@x.example", name=secret))
    await store.record([event(one, "opened", detail=secret) for one in made])
    await store.bury([letter(one, detail=secret) for one in made])
    assert any(secret.encode() in file.read_bytes() for file in path.parent.iterdir())
    await store.erase_user(key("anna"))
    assert not any(secret.encode() in file.read_bytes() for file in path.parent.iterdir())
    assert (await history(store, others[0])).notification == others[0]


OLD_KEYS = """
    CREATE TABLE keys (digest TEXT PRIMARY KEY, tenant TEXT NOT NULL, prefix TEXT NOT NULL, created_at INTEGER NOT NULL)
        STRICT, WITHOUT ROWID;
    INSERT INTO keys VALUES ('d', 'shop', 'hg_sk_abcd', 5);
"""
"""Server keys as they were up to version 4: before there were scopes."""


async def test_a_key_of_before_there_were_scopes_may_do_everything(tmp_path: Path) -> None:
    """What it could do, it still can; it is called by its beginning."""
    path = tmp_path / "old.db"
    connection = apsw.Connection(str(path))
    connection.execute(OLD_KEYS + "PRAGMA user_version = 4")
    connection.close()
    store = SqliteStore(path)
    await store.open()
    known = ApiKey(digest="d", tenant="shop", prefix="hg_sk_abcd", created_at=5, name="hg_sk_abcd", scopes=SCOPES)
    assert await store.api_key("d") == known
    await store.close_store()


async def test_a_file_of_version_2_keeps_its_suppressions(tmp_path: Path) -> None:
    """An address had one reason then, and may have several now; whatever else is in the file stays."""
    path = tmp_path / "old.db"
    connection = apsw.Connection(str(path))
    connection.execute("""
        CREATE TABLE suppressions (tenant TEXT NOT NULL, address TEXT NOT NULL, reason TEXT NOT NULL,
            at INTEGER NOT NULL, PRIMARY KEY (tenant, address)) STRICT, WITHOUT ROWID;
        CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
        INSERT INTO suppressions VALUES ('shop', 'a@x', 'hard_bounce', 5);
        INSERT INTO settings VALUES ('kept', 'yes');
        PRAGMA user_version = 2;
    """)
    connection.execute(OLD_KEYS)
    connection.close()
    for _ in range(2):
        store = SqliteStore(path)
        await store.open()
        await store.suppress([Suppression("shop", "a@x", "unsubscribe", 6)])
        assert await store.suppressed([key("a@x")]) == [("hard_bounce", "unsubscribe")]
        assert await store.settings(["kept"]) == ["yes"]
        await store.close_store()


async def test_a_file_of_version_3_learns_of_tickets(tmp_path: Path) -> None:
    """They are a table of their own, which is made when the file is opened."""
    path = tmp_path / "old.db"
    connection = apsw.Connection(str(path))
    schema.create(connection)
    connection.execute("DROP TABLE tickets; DROP TABLE keys; PRAGMA user_version = 3;")
    connection.execute(OLD_KEYS)
    connection.close()
    store = SqliteStore(path)
    await store.open()
    await store.add_tickets([made := ticket()])
    assert list(await store.tickets_due("expo", NOW, 1)) == [made]
    await store.close_store()


async def test_a_file_of_version_5_keeps_its_bulk_sends(tmp_path: Path) -> None:
    """They stood in the batch itself then: they are read from there, whole, and new ones in parts."""
    path = tmp_path / "old.db"
    connection = apsw.Connection(str(path))
    schema.create(connection)
    sends = tuple(Send(place, notification(f"user-{place}", id="")) for place in range(2))
    old, new = (Batch(f"bat_{name}", TENANT, "alert", NOW, sends=sends) for name in ("old", "new"))
    row = (TENANT, old.id, old.level.value, NOW, NOW, NOW, msgspec.json.encode(old).decode())
    insert(connection, ADD_BATCHES, [row])
    connection.execute("DROP TABLE batch_sends; PRAGMA user_version = 5;")
    connection.close()
    store = SqliteStore(path)
    await store.open()
    await store.accept([Submission(tenant=TENANT, batch=new)])
    assert [await store.batch(one.key, 1, 1) for one in (old, new)] == [old, new]
    await store.close_store()
