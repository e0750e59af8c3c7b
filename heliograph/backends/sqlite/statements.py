"""SQLite store: how many values get into one statement, and many rows out of it.

In: lists of rows as `VALUES (?,?),(?,?)`, in chunks of powers of two so that few texts have to be prepared; lists of
keys as one JSON array, joined through `json_each`. Out: one JSON text, put together from the stored JSON texts, which
msgspec decodes into the structs of `core` in one go. The order of the keys is the order of the answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from itertools import chain
from typing import Any, Final

import apsw
import msgspec

from heliograph.core.model import Key

Row = tuple[Any, ...]
CHUNK: Final = 128


def insert(connection: apsw.Connection, sql: str, rows: Sequence[Row]) -> int:
    """Runs `sql` as few times as possible, `{rows}` in it being `(?,?),(?,?)…`; returns how many rows it changed."""
    changed = start = 0
    while start < len(rows):
        size = min(CHUNK, 1 << ((len(rows) - start).bit_length() - 1))
        part = rows[start : start + size]
        connection.execute(_filled(sql, len(part[0]), size), tuple(chain.from_iterable(part)))
        changed += connection.changes()
        start += size
    return changed


@cache
def _filled(sql: str, columns: int, size: int) -> str:
    row = "(" + ",".join("?" * columns) + ")"
    return sql.replace("{rows}", ",".join([row] * size))


def json_text(value: object) -> str:
    return msgspec.json.encode(value).decode()


def keys_text(keys: Iterable[Key]) -> str:
    return json_text(list(keys))


def listed(row: str, order: str = "k.key") -> str:
    """An SQL expression: the JSON array of `row`, which is an SQL expression for one JSON text."""
    return f"'[' || coalesce(group_concat({row}, ',' ORDER BY {order}), '') || ']'"


def state_json(table: str) -> str:
    return f"json_object('seen_at', {table}.seen_at, 'read_at', {table}.read_at, 'archived_at', {table}.archived_at)"


def item_json(table: str) -> str:
    """Of a `notifications` row: an InboxItem."""
    return f"""'{{"notification":' || {table}.content || ',"state":' || {state_json(table)} || '}}'"""


EVENTS_JSON: Final = (
    "coalesce((SELECT group_concat(e.content, ',' ORDER BY e.seq) FROM events AS e WHERE e.notification = n.seq), '')"
)
HISTORY_JSON: Final = f"""
    '{{"notification":' || n.content || ',"events":[' || {EVENTS_JSON} || '],"state":' || {state_json("n")}
    || ',"open":' || n.open || ',"cancelled":' || iif(n.cancelled, 'true', 'false') || '}}'
"""
"""Of a `notifications AS n` row: a History, its events in the order in which they were recorded."""
