"""The house: imports only downwards, small modules, small functions, each module with its plate on the door."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path
from statistics import median

import grimp
import pytest
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

import heliograph

ROOT = Path(heliograph.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))
MAX_LINES = 300
MAX_FUNCTION = 60
MEDIAN_FUNCTION = 10
NO_CONCEPT = {"utils", "util", "helpers", "helper", "common", "manager", "handler", "processor", "misc", "base"}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def functions(path: Path) -> list[Function]:
    tree = ast.parse(path.read_text("utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def length(function: Function) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def test_imports_go_downwards(monkeypatch: pytest.MonkeyPatch) -> None:
    """cli > roles, lab > runtime and its neighbours > backends, providers > core; no role knows another (DESIGN 3)."""
    monkeypatch.chdir(ROOT.parent)
    assert lint_imports(config_filename="pyproject.toml", cache_dir=None) == EXIT_STATUS_SUCCESS


@pytest.mark.parametrize("module", MODULES, ids=named)
def test_a_module_is_small_and_says_what_it_is(module: Path) -> None:
    """At most 300 lines, a docstring where it opens, a name that says what it is about."""
    text = module.read_text("utf-8")
    assert text.count("\n") <= MAX_LINES
    described = ast.get_docstring(ast.parse(text))
    assert described, "what is this module?"
    assert module.stem not in NO_CONCEPT


@pytest.mark.parametrize("module", MODULES, ids=named)
def test_no_function_is_long(module: Path) -> None:
    """None over 60 lines: what doesn't fit on a screen has two jobs."""
    assert [f"{one.name}: {length(one)} lines" for one in functions(module) if length(one) > MAX_FUNCTION] == []


def test_the_usual_function_is_short() -> None:
    """The median is at most 10 lines, over everything there is."""
    lengths = [length(one) for module in MODULES for one in functions(module)]
    assert len(lengths) > 500
    assert median(lengths) <= MEDIAN_FUNCTION


def test_the_whole_package_is_looked_at() -> None:
    """The walk finds the boxes."""
    found = {named(module) for module in MODULES}
    assert {"core/lifecycle.py", "roles/router.py", "roles/api/sending.py", "consumer.py", "cli/__init__.py"} <= found


def test_no_import_circles() -> None:
    """No module reaches itself through its imports, those for types included."""
    graph = grimp.build_graph("heliograph", cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    order = TopologicalSorter(imports)
    order.prepare()  # raises CycleError with the circle
