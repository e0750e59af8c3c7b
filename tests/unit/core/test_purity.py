"""The core is pure: it computes, and nothing else."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import heliograph.core

FOLDER = Path(heliograph.core.__file__).parent
MODULES = sorted(path.relative_to(FOLDER) for path in FOLDER.rglob("*.py"))
ALLOWED = {
    "__future__", "collections", "datetime", "email", "enum", "functools", "hashlib", "ipaddress", "itertools",
    "math", "os", "re", "typing", "urllib.parse",
    "msgspec", "jiter",  # plain values
    "jinja2", "markupsafe",  # text into text, for mails
}  # fmt: skip
"""Modules that a pure function may need: `os` for `urandom` alone, `datetime` to write times, not to ask for them."""
FORBIDDEN_CALLS = {
    "open", "print", "input", "exec", "eval", "__import__", "now", "utcnow", "today", "time", "monotonic", "sleep",
    "random", "getenv", "read_text", "write_text", "read_bytes", "write_bytes", "connect",
}  # fmt: skip


def problems(source: str, name: str) -> list[str]:
    """Everything impure in a module of the core."""
    found = []
    for node in ast.walk(ast.parse(source)):
        line = f"{name}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Await | ast.AsyncFor | ast.AsyncWith):
            found.append(f"{line} awaits")
        if isinstance(node, ast.AsyncFunctionDef) and not (name.startswith("ports/") and _is_declaration(node)):
            found.append(f"{line} is async")
        if isinstance(node, ast.Import):
            found += [f"{line} imports {alias.name}" for alias in node.names if not _may_import(alias.name)]
        if isinstance(node, ast.ImportFrom) and (node.level or not _may_import(node.module or "")):
            found.append(f"{line} imports {node.module}")
        if isinstance(node, ast.Call) and (called := _called(node)) in FORBIDDEN_CALLS:
            found.append(f"{line} calls {called}")
        if isinstance(node, ast.Attribute) and _is_os(node.value) and node.attr != "urandom":
            found.append(f"{line} uses os.{node.attr}")
        if isinstance(node, ast.Global | ast.Nonlocal):
            found.append(f"{line} keeps state")
    return found


def _is_declaration(node: ast.AsyncFunctionDef) -> bool:
    """A method of a Protocol: a docstring or `...`, and no code."""
    return all(isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant) for line in node.body)


def _may_import(module: str) -> bool:
    return module in ALLOWED or module.partition(".")[0] in ALLOWED or f"{module}.".startswith("heliograph.core.")


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _is_os(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "os"


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_nothing_in_the_core_touches_the_world(module: Path) -> None:
    """No await, clock, file, network, client library or import from above: what is decided can be tested as a value."""
    assert problems((FOLDER / module).read_text("utf-8"), module.as_posix()) == []


def test_the_core_is_looked_at_whole() -> None:
    """The walk finds its modules."""
    found = {module.as_posix() for module in MODULES}
    assert {"lifecycle.py", "routing.py", "reconciling.py", "retry.py", "sending.py", "ports/sending.py"} <= found


@pytest.mark.parametrize(
    "source",
    [
        "import asyncio", "from heliograph.batching import Batcher", "import time", "from . import x", "import aiohttp",
        "async def f(): ...", "def f():\n open('x')", "import datetime\ndatetime.datetime.now()",
        "import os\nos.getcwd()", "x = 1\ndef f():\n global x\n x = 2",
        "from pathlib import Path\nPath('x').read_text()", "import random",
    ],
)  # fmt: skip
def test_the_walk_notices(source: str) -> None:
    """Each kind of impurity is found, or the rule guards nothing."""
    assert problems(source, "routing.py")


def test_a_port_may_only_be_declared() -> None:
    """`ports/` declares async methods and has no code in them."""
    assert problems('class P:\n async def f(self) -> None:\n  """Doc."""', "ports/queue.py") == []
    assert problems("class P:\n async def f(self) -> None: ...", "ports/queue.py") == []
    assert problems("class P:\n async def f(self) -> int:\n  return 1", "ports/queue.py")
