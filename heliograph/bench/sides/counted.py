"""The system of `cost`: `heliograph up`, with every store command counted on its way.

`python -m heliograph.bench.sides.counted up --data DIR …` is a process of its own. Counts where the drivers let anybody
look (apsw's connection hooks, PyMongo's command listeners), so nothing of the system is another than it is. Writes
`DIR/counts.json`, anew 20 times a second.
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from typing import Any, Final

import apsw
import msgspec
from pymongo import monitoring

from heliograph.__main__ import main

FILE: Final = "counts.json"
_EVERY_S: Final = 0.05


class Counts(msgspec.Struct):
    """
    commands: trips to the store: of SQLite its transactions and the reads outside of them, of MongoDB its commands.
    statements: of SQLite, each one that was run. commits: durable ones. rows: written, changed or deleted.
    """

    commands: int = 0
    statements: int = 0
    commits: int = 0
    rows: int = 0


counts: Final = Counts()
_lock: Final = threading.Lock()


def _watch(connection: apsw.Connection) -> None:
    """One SQLite connection. Of a transaction only its COMMIT counts as a command."""
    seen = 0

    def trace(event: dict[str, Any]) -> None:
        nonlocal seen
        sql = event["sql"].lstrip()
        if sql.startswith(("PRAGMA", "--")):
            return
        with _lock:
            counts.statements += 1
            commit = sql.startswith("COMMIT")
            counts.commits += commit
            counts.commands += commit or not (connection.in_transaction or sql.startswith("BEGIN"))
            if commit:
                changes = connection.total_changes()
                counts.rows += changes - seen
                seen = changes

    connection.trace_v2(apsw.SQLITE_TRACE_STMT, trace)


class _MongoCommands(monitoring.CommandListener):
    """Heartbeats are no commands of a client's and don't come here."""

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        with _lock:
            counts.commands += 1
            if event.command_name in {"insert", "update", "delete"}:
                counts.commits += 1

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """What insert, update and delete answer: `n` documents, those that were made by an update included."""
        if event.command_name in {"insert", "update", "delete"}:
            with _lock:
                counts.rows += int(event.reply.get("n", 0))

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Was counted when it started."""


def _keep_writing(path: Path) -> None:
    while True:
        time.sleep(_EVERY_S)
        if path.parent.exists():
            fresh = path.with_suffix(".new")
            fresh.write_bytes(msgspec.json.encode(counts))
            fresh.replace(path)


if __name__ == "__main__":
    apsw.connection_hooks.append(_watch)
    monitoring.register(_MongoCommands())
    folder = Path(sys.argv[sys.argv.index("--data") + 1])
    threading.Thread(target=_keep_writing, args=(folder / FILE,), daemon=True).start()
    main()
