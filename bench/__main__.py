"""`python -m bench [SCENARIO|all] [--seconds N] [--json FILE]`: runs scenarios, shows and keeps the results."""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import typer
import uvloop
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from bench import accept, push, realtime
from bench.report import RESULTS, Report, show, write
from bench.scenario import Bench, Result

SCENARIOS: Final[dict[str, Callable[[Bench], Awaitable[Result]]]] = {
    "accept": accept.run,
    "realtime": realtime.run,
    "push": push.run,
}
console = Console()


def main(
    scenario: Annotated[str, typer.Argument(help=f"One of: {', '.join(SCENARIOS)}, all.")] = "all",
    seconds: Annotated[float, typer.Option(min=0.5, help="How long each side of each round is measured.")] = 5.0,
    json: Annotated[Path | None, typer.Option(help="Where the result goes, instead of into bench/results/.")] = None,
) -> None:
    """Measure Heliograph on this machine, and beside every figure its limit in the same run."""
    if scenario != "all" and scenario not in SCENARIOS:
        raise typer.BadParameter(f"unknown scenario: {scenario}")
    chosen = list(SCENARIOS) if scenario == "all" else [scenario]
    report = uvloop.run(_run(chosen, seconds))
    show(report, console)
    for path in write(report, json or RESULTS / f"{report.at.replace(':', '')}.json"):
        console.print(f"Written: {path}", soft_wrap=True, highlight=False)


async def _run(chosen: list[str], seconds: float) -> Report:
    results: list[Result] = []
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress, tempfile.TemporaryDirectory() as folder:
        for name in chosen:
            task = progress.add_task(name)
            say = partial(_describe, progress, task)
            results.append(await SCENARIOS[name](Bench(seconds, Path(folder), say)))
            progress.remove_task(task)
    return Report.of(results, seconds)


def _describe(progress: Progress, task: TaskID, what: str) -> None:
    progress.update(task, description=what)


if __name__ == "__main__":
    typer.run(main)
