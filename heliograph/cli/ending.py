"""How a command ends: what a person can mend is one line on standard error and exit code 1, never a traceback."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

import msgspec
import typer
import uvloop
from pydantic import ValidationError
from rich.console import Console

from heliograph.backends.servers import ServerFailed
from heliograph.backends.sqlite.copying import StillRunning
from heliograph.core.errors import Problem, StoreUnavailable

MENDABLE = (
    ValidationError, msgspec.ValidationError, ValueError, OSError, ServerFailed, StoreUnavailable, StillRunning,
    Problem,
)  # fmt: skip


def run(work: Coroutine[Any, Any, None]) -> None:
    """Runs it on uvloop."""
    try:
        uvloop.run(work)
    except MENDABLE as error:
        fail(words_of(error), error)


def fail(words: str, error: Exception | None = None) -> None:
    Console(stderr=True).print(f"heliograph: {words}", style="red", soft_wrap=True, highlight=False, markup=False)
    raise typer.Exit(1) from error


def words_of(error: Exception) -> str:
    match error:
        case Problem() if error.flaws:
            return "; ".join(f"{flaw.path}: {flaw.message}" if flaw.path else flaw.message for flaw in error.flaws)
        case Problem():
            return error.detail
        case StillRunning():
            return f"{error} is in use: stop Heliograph first"
        case _:
            return str(error) or type(error).__name__
