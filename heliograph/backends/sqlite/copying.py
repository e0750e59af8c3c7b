"""SQLite store: copies of the whole file, made while the system runs, and put back while it doesn't.

A copy is a moment of the database: SQLite's own backup reads within one transaction, so writers neither wait for it nor
make it begin anew (source: sqlite.org/backup.html). Nothing replaces the store before it was checked.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

import apsw

from heliograph.backends.sqlite import schema
from heliograph.core.errors import StoreUnavailable

Progress = Callable[[int, int], None]
"""Pages done, pages in all."""
KEPT_ASIDE: Final = ".before-restore"
_PAGES: Final = 1_000
"""4 MB at a time."""


class StillRunning(Exception):  # noqa: N818 - a state of the world
    """Somebody has the store open."""


def backup(source: Path, target: Path, tell: Progress) -> int:
    """Copies the store to `target`, readable by its owner only; answers its size in bytes.

    Raises: StoreUnavailable; ValueError when the copy isn't sound.
    """
    if not source.exists():
        raise StoreUnavailable(f"{source}: there is no store")
    part = target.with_name(target.name + ".part")
    try:
        part.unlink(missing_ok=True)
        part.touch(mode=0o600)
        _copy(source, part, tell)
        check(part)
        _on_disk(part)
        part.replace(target)
        _on_disk(target.parent)
    except (apsw.Error, OSError) as error:
        raise StoreUnavailable(f"{source} to {target}: {error}") from error
    finally:
        part.unlink(missing_ok=True)
    return target.stat().st_size


def _copy(source: Path, target: Path, tell: Progress) -> None:
    with contextlib.closing(_open(source)) as old, contextlib.closing(apsw.Connection(str(target))) as new:
        list(old.execute("BEGIN; SELECT count(*) FROM sqlite_schema"))  # one moment for all pages
        with new.backup("main", old, "main") as copying:
            while not copying.done:
                copying.step(_PAGES)
                tell(copying.page_count - copying.remaining, copying.page_count)
        new.pragma("journal_mode", "delete")


def _open(path: Path) -> apsw.Connection:
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    connection.set_busy_timeout(5_000)
    return connection


def check(copy: Path) -> int:
    """The schema version of a sound store that this Heliograph can read. Raises ValueError, StoreUnavailable."""
    try:
        with contextlib.closing(_open(copy)) as connection:
            said = connection.pragma("integrity_check")
            version = int(connection.pragma("user_version"))
    except apsw.NotADBError as error:
        raise ValueError(f"{copy} is not a Heliograph store") from error
    except apsw.Error as error:
        raise StoreUnavailable(f"{copy}: {error}") from error
    if said != "ok":
        raise ValueError(f"{copy} is damaged: {said}")
    if version == 0:
        raise ValueError(f"{copy} is not a Heliograph store")
    if version > schema.VERSION:
        raise ValueError(f"{copy} has schema version {version}, this Heliograph knows up to {schema.VERSION}")
    return version


def version_of(path: Path) -> int:
    """As it stands, without any check. Raises StoreUnavailable."""
    try:
        with contextlib.closing(_open(path)) as connection:
            return int(connection.pragma("user_version"))
    except apsw.Error as error:
        raise StoreUnavailable(f"{path}: {error}") from error


def require_alone(path: Path) -> None:
    """Raises StillRunning while any process has the store open: only then SQLite may leave its write-ahead log."""
    if not path.exists():
        return
    with contextlib.closing(_open(path)) as connection:
        connection.set_busy_timeout(200)
        try:
            connection.pragma("journal_mode", "delete")
        except apsw.BusyError as error:
            raise StillRunning(str(path)) from error
        except apsw.Error:
            return  # damaged: that is why it is being replaced


def restore(copy: Path, path: Path) -> Path | None:
    """Puts a copy in the store's place; answers where the old one is kept, if there was one.

    Raises: StillRunning, StoreUnavailable; ValueError when the copy isn't sound.
    """
    check(copy)
    require_alone(path)
    aside = path.with_name(path.name + KEPT_ASIDE)
    fresh = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(copy, fresh)
        fresh.chmod(0o600)
        _on_disk(fresh)
        kept = path.exists()
        if kept:
            path.replace(aside)
        for log in ("-wal", "-shm"):  # of a store that is damaged; it isn't the copy's
            path.with_name(path.name + log).unlink(missing_ok=True)
        fresh.replace(path)
        _on_disk(path.parent)
    except OSError as error:
        raise StoreUnavailable(f"{copy} to {path}: {error}") from error
    return aside if kept else None


def _on_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
