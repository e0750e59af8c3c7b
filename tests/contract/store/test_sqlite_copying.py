"""Copies of the SQLite store: made beside writers, checked, and put back only where nobody is at work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from heliograph.backends.sqlite import SqliteStore, copying, schema
from heliograph.backends.sqlite.migrating import SqliteMigrator
from heliograph.core.errors import StoreUnavailable
from heliograph.core.ports.migrating import Migration, Tell
from tests.contract.store.examples import inbox_ids, sent


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "heliograph.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    found = SqliteStore(path)
    await found.open()
    yield found
    await found.close_store()


def quiet(done: int, total: int) -> None:
    assert 0 < done <= total


async def opened(path: Path) -> list[str]:
    """What Anna's inbox has there."""
    store = SqliteStore(path)
    await store.open()
    found = await inbox_ids(store)
    await store.close_store()
    return found


async def test_a_copy_is_one_moment_of_a_store_at_work(store: SqliteStore, path: Path, tmp_path: Path) -> None:
    """What is written while it is made is not in it, and doesn't make it begin anew; only its owner may read it."""
    before = {(await sent(store, body="x" * 30_000)).id for _ in range(300)}
    target, loop, steps = tmp_path / "copy.db", asyncio.get_running_loop(), 0

    def tell(done: int, total: int) -> None:
        nonlocal steps
        steps += 1
        asyncio.run_coroutine_threadsafe(sent(store), loop).result(10)

    size = await asyncio.to_thread(copying.backup, path, target, tell)
    assert steps > 1
    assert size == target.stat().st_size > 300 * 30_000
    assert target.stat().st_mode & 0o777 == 0o600
    assert copying.check(target) == schema.VERSION
    copied = tmp_path / "elsewhere" / "heliograph.db"
    assert copying.restore(target, copied) is None
    with closing(apsw.Connection(str(copied))) as connection:
        assert {row[0] for row in connection.execute("SELECT id FROM notifications")} == before
    assert [file.name for file in tmp_path.iterdir() if file.name.endswith(".part")] == []


async def test_a_store_that_is_in_use_is_not_replaced(store: SqliteStore, path: Path, tmp_path: Path) -> None:
    """Refused, and everything is as it was; once it is closed the copy takes its place, and the old one is kept."""
    kept = await sent(store)
    copying.backup(path, copy := tmp_path / "copy.db", quiet)
    later = await sent(store)
    with pytest.raises(copying.StillRunning):
        copying.restore(copy, path)
    assert set(await inbox_ids(store)) == {kept.id, later.id}
    await store.close_store()
    aside = copying.restore(copy, path)
    assert await opened(path) == [kept.id]
    assert aside is not None
    assert set(await opened(aside)) == {kept.id, later.id}


async def test_what_is_no_sound_copy_is_refused(store: SqliteStore, path: Path, tmp_path: Path) -> None:
    """No database, another database, a damaged one, one of a newer Heliograph: the store stays as it is."""
    made = [await sent(store, body="x" * 3_000) for _ in range(30)]
    copying.backup(path, good := tmp_path / "good.db", quiet)
    await store.close_store()
    text, other, damaged, newer = (tmp_path / name for name in ("text", "other.db", "damaged.db", "newer.db"))
    text.write_text("no database at all" * 1_000)
    with closing(apsw.Connection(str(other))) as connection:
        connection.execute("CREATE TABLE a (b)")
    content = bytearray(good.read_bytes())
    content[8_192:60_000] = bytes(60_000 - 8_192)
    damaged.write_bytes(content)
    newer.write_bytes(good.read_bytes())
    with closing(apsw.Connection(str(newer))) as connection:
        connection.pragma("user_version", schema.VERSION + 1)
    for copy, why in ((text, "not a Heliograph"), (other, "not a Heliograph"), (newer, "schema version")):
        with pytest.raises(ValueError, match=why):
            copying.restore(copy, path)
    with pytest.raises((ValueError, StoreUnavailable)):
        copying.restore(damaged, path)
    assert len(await opened(path)) == 20 < len(made)


async def test_a_backup_of_nothing(path: Path, tmp_path: Path) -> None:
    """Is an error, and leaves no file."""
    with pytest.raises(StoreUnavailable):
        copying.backup(path, tmp_path / "copy.db", quiet)
    assert not (tmp_path / "copy.db").exists()


# --- migrations -------------------------------------------------------------------------------------------------------


@pytest.fixture
def old_file(path: Path) -> Path:
    path.parent.mkdir(parents=True)
    with closing(apsw.Connection(str(path))) as connection:
        connection.execute((Path(__file__).parent / "version1.sql").read_text())
    return path


def told() -> tuple[list[str], Tell]:
    said: list[str] = []
    return said, lambda words, _done, _total: said.append(words)


async def test_a_migration_is_shown_rehearsed_and_done(old_file: Path) -> None:
    """Looking and rehearsing change nothing; then it has the newest shape, and nothing is left to do."""
    migrator = SqliteMigrator(old_file)
    plan = await migrator.look()
    assert (plan.found, plan.wanted, plan.newer) == (1, schema.VERSION, False)
    assert len(plan.steps) == schema.VERSION - 1
    said, tell = told()
    await migrator.rehearse(tell)
    assert said[-1] == "check the copy"
    assert await migrator.look() == plan
    assert [file.name for file in old_file.parent.iterdir() if file.is_dir()] == []
    await migrator.run(tell)
    assert (await migrator.look()).steps == ()
    assert await opened(old_file) == ["ntf_of_version_1"]


async def test_a_new_place_has_nothing_to_migrate(path: Path) -> None:
    """Neither has a file of a newer Heliograph, which is left alone."""
    assert await SqliteMigrator(path).look() == Migration(0, schema.VERSION)
    path.parent.mkdir()
    with closing(apsw.Connection(str(path))) as connection:
        schema.create(connection)
        connection.pragma("user_version", schema.VERSION + 1)
    assert (await SqliteMigrator(path).look()).newer
    with pytest.raises(ValueError, match="schema version"):
        await SqliteMigrator(path).run(told()[1])
