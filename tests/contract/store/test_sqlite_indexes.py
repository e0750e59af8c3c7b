"""Every statement that the SQLite store runs finds its rows through an index: shown by the planner itself."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import apsw
import pytest

from heliograph.backends.sqlite import SqliteStore, dead_letters, schema
from tests.contract.store.tour import tour

WHOLE_TABLE = {dead_letters.COUNT}
"""Deliberately: a count for metrics, of a table that is small as long as all is well."""


@pytest.fixture
async def statements(tmp_path: Path) -> set[str]:
    """The texts of everything the store ran on a tour through all of its methods."""
    store = SqliteStore(tmp_path / "heliograph.db")
    await store.open()
    seen: set[str] = set()

    def note(cursor: Any, sql: str, bindings: Any) -> bool:
        seen.add(sql)
        return True

    for connect in (store._file.read, store._file.write):
        await connect(lambda connection: connection.set_exec_trace(note))
    await tour(store)
    await store.close_store()
    return {sql for sql in seen if re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b", sql)}


@pytest.fixture
def empty() -> apsw.Connection:
    connection = apsw.Connection(":memory:")
    schema.create(connection)
    return connection


def plan(connection: apsw.Connection, sql: str) -> list[str]:
    """The planner's lines for a statement, bound to nothing in particular."""
    nothing: Any = dict.fromkeys(re.findall(r":(\w+)", sql)) or (None,) * len(
        set(re.findall(r"\?\d+", sql)) or sql.split("?")[1:]
    )
    return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", nothing)]


def full_scans(connection: apsw.Connection, sql: str) -> list[str]:
    """The lines that walk through a whole table: not a list of bound values, nor a subquery that has its own lines."""
    lines = plan(connection, sql)
    own = {line.split()[1] for line in lines if line.startswith(("CO-ROUTINE", "MATERIALIZE"))}
    bound = re.compile(r"SCAN (\S+ VIRTUAL TABLE|CONSTANT ROW|\d+ CONSTANT ROWS|\d+-ROW VALUES CLAUSE)")
    return [
        line for line in lines if line.startswith("SCAN") and not bound.match(line) and line.split()[1] not in own
    ]  # fmt: skip


async def test_no_statement_scans_a_table(statements: set[str], empty: apsw.Connection) -> None:
    """All that ran is explained; only what is meant to be whole is whole."""
    assert len(statements) > 60
    assert statements >= WHOLE_TABLE
    found = {sql: scans for sql in statements - WHOLE_TABLE if (scans := full_scans(empty, sql))}
    assert not found


async def test_no_statement_searches_by_tenant_alone(statements: set[str], empty: apsw.Connection) -> None:
    """That would be a full scan in an installation with one tenant; dead letters and server keys are listed whole."""
    found = {line for sql in statements for line in plan(empty, sql) if line.endswith("(tenant=?)")}
    assert {line.split(" USING ")[1] for line in found} == {
        "INDEX dead_letters_order (tenant=?)",
        "INDEX keys_tenant (tenant=?)",
        "COVERING INDEX dead_letters_cause (tenant=?)",
    }


async def test_nothing_is_sorted_that_an_index_has_in_order(statements: set[str], empty: apsw.Connection) -> None:
    """Queries with a LIMIT walk their index in order and stop there, instead of sorting everything first."""
    for sql in statements:
        match = re.search(r"FROM \((\s*SELECT \* FROM .*?LIMIT \S+)\s*\) AS", sql, re.DOTALL)
        if match and "rowid IN" not in sql:
            assert not [line for line in plan(empty, match[1]) if "TEMP B-TREE" in line], sql


def test_the_trigger_searches(empty: apsw.Connection) -> None:
    """The planner doesn't show what triggers do: their statement, with values in the place of the new row."""
    (body,) = re.findall(r"BEGIN(.*?);\s*END", schema.TRIGGERS, re.DOTALL)
    sql = re.sub(r"NEW\.\w+", "?", body)
    assert "SEARCH" in " ".join(plan(empty, sql))
    assert not full_scans(empty, sql)


def test_this_test_sees_a_scan(empty: apsw.Connection) -> None:
    """A statement without an index is found out."""
    assert full_scans(empty, "SELECT id FROM notifications AS n WHERE n.category = ?")
    assert full_scans(empty, "SELECT n.id FROM json_each(?) AS k CROSS JOIN notifications AS n ON n.user = k.value")
    assert not full_scans(empty, "SELECT id FROM notifications WHERE tenant = ? AND id = ?")
