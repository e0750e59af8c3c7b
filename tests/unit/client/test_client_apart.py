"""The client library can be used, and one day shipped, without the server."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import grimp

from heliograph import client

HERE = Path(client.__file__).parent


def test_it_imports_nothing_of_the_server() -> None:
    """Only itself, and the package's version."""
    graph = grimp.build_graph("heliograph", cache_dir=None)
    modules = {"heliograph.client", *graph.find_descendants("heliograph.client")}
    imported = {found for module in modules for found in graph.find_modules_directly_imported_by(module)}
    assert imported <= modules
    assert len(modules) > 5


def test_it_needs_few_libraries() -> None:
    """aiohttp (with its own yarl), msgspec and standardwebhooks; the rest is Python's."""
    found = {name for path in HERE.glob("*.py") for name in imports(ast.parse(path.read_text("utf-8")))}
    assert found - set(sys.stdlib_module_names) == {"aiohttp", "yarl", "msgspec", "standardwebhooks", "heliograph"}


def imports(tree: ast.Module) -> Iterator[str]:
    """The first names of everything that is imported."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]
