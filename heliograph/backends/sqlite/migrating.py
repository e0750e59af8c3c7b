"""SQLite store: what opening a file would do to it, shown before it is done.

`schema.create` does the steps in one transaction, whoever opens the file first: either all of it is done or nothing. A
dry run does them to a copy.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import apsw

from heliograph.backends.sqlite import copying, schema
from heliograph.backends.sqlite.connection import CANNOT_WORK, connect
from heliograph.core.errors import StoreUnavailable
from heliograph.core.ports.migrating import Migration, Tell

_BUSY_MS = 5_000


class SqliteMigrator:
    """Implements `core.ports.migrating.Migrator`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def look(self) -> Migration:
        found = copying.version_of(self._path) if self._path.exists() else 0
        steps = tuple(schema.WORDS[version] for version in range(found + 1, schema.VERSION + 1)) if found else ()
        return Migration(found, schema.VERSION, steps)

    async def run(self, tell: Tell) -> None:
        _bring_up(self._path, tell)

    async def rehearse(self, tell: Tell) -> None:
        """On a copy that is thrown away, with an integrity check at the end. Raises as `run` does."""
        with tempfile.TemporaryDirectory(dir=self._path.parent) as folder:
            copy = Path(folder) / "copy.db"
            copying.backup(self._path, copy, lambda done, total: tell("copy the file", done, total))
            _bring_up(copy, tell)
            tell("check the copy", 0, 0)
            copying.check(copy)


def _bring_up(path: Path, tell: Tell) -> None:
    try:
        connection = connect(path, _BUSY_MS)
        try:
            tell("change the schema", 0, 1)
            schema.create(connection)
            tell("change the schema", 1, 1)
        finally:
            connection.close()
    except (apsw.Error, OSError) as error:
        if isinstance(error, (OSError, *CANNOT_WORK)):
            raise StoreUnavailable(f"{path}: {error}") from error
        raise
