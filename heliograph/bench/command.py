"""`heliograph bench SCENARIO`: runs scenarios, shows and keeps the results; `heliograph bench compare` two of them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Final, NoReturn, TypeVar

import msgspec
import typer
import uvloop
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from heliograph.bench.compare import changes
from heliograph.bench.registry import ALL, SCENARIOS, Scenario
from heliograph.bench.report import RESULTS, Report, read, show, write
from heliograph.bench.scenario import SHORT, Bench, NotInstalledError, Options, Result
from heliograph.logs import configure_logging

app = typer.Typer(
    no_args_is_help=True,
    help="Measure Heliograph on this machine, and beside every figure its limit in the same run. What the figures mean "
    "stands in docs/performance.md.",
)
console = Console()
T = TypeVar("T", int, float)
_DEFAULT: Final = Options()

Short = Annotated[
    bool, typer.Option("--short", help="A look at everything in a few seconds; its figures mean nothing.")
]
Seconds = Annotated[float | None, typer.Option(min=0.2, help=f"Of every side and round; {_DEFAULT.seconds:g}.")]
Rounds = Annotated[int | None, typer.Option(min=1, help=f"The sides take turns so many times; {_DEFAULT.rounds}.")]
Connections = Annotated[str | None, typer.Option(help=f"accept: comma separated; {_DEFAULT.connections}.")]
Rates = Annotated[str | None, typer.Option(help=f"online, offline: sends a second; {_DEFAULT.rates}.")]
Waiting = Annotated[int | None, typer.Option(min=1, help=f"priority, recovery: the backlog; {_DEFAULT.waiting}.")]
Stored = Annotated[str | None, typer.Option(help=f"growth: stored before, ascending; {_DEFAULT.stored}.")]
StoreUrl = Annotated[str | None, typer.Option(help="cost: a MongoDB of your own for it, instead of SQLite.")]
Sockets = Annotated[int | None, typer.Option(min=1, help=f"sockets: open pages; {_DEFAULT.sockets}.")]
Json = Annotated[Path | None, typer.Option(help=f"Where the result goes, instead of into {RESULTS}/.")]


def _command(scenarios: Sequence[Scenario]) -> Callable[..., None]:
    def command(
        *, seconds: Seconds = None, rounds: Rounds = None, connections: Connections = None, rates: Rates = None,
        waiting: Waiting = None, stored: Stored = None, store_url: StoreUrl = None, sockets: Sockets = None,
        short: Short = False, json: Json = None,
    ) -> None:  # fmt: skip
        given = {
            "seconds": seconds, "rounds": rounds, "waiting": waiting, "store_url": store_url,
            "sockets": sockets,
            "connections": _numbers(connections, int), "rates": _numbers(rates, float), "stored": _numbers(stored, int),
        }  # fmt: skip
        chosen = {name: value for name, value in given.items() if value is not None}
        _measure(scenarios, msgspec.structs.replace(SHORT if short else _DEFAULT, **chosen), json)

    return command


for each in SCENARIOS:
    app.command(each.name, help=each.help)(_command([each]))
app.command("all", help="Every scenario but peers, one after the other.")(_command(ALL))


@app.command("compare")
def compare(before: Path, after: Path) -> None:
    """Every figure of two results side by side."""
    try:
        console.print(changes(read(before), read(after)))
    except (OSError, msgspec.MsgspecError) as error:
        _fail(error)


def _fail(error: Exception) -> NoReturn:
    Console(stderr=True).print(f"[red]heliograph: {error}[/]", soft_wrap=True, highlight=False)
    raise typer.Exit(1) from error


def _numbers(text: str | None, kind: Callable[[str], T]) -> tuple[T, ...] | None:
    try:
        return None if text is None else tuple(kind(part) for part in text.split(","))
    except ValueError as error:
        raise typer.BadParameter(f"comma separated numbers, not {text}") from error


def _measure(scenarios: Sequence[Scenario], options: Options, json: Path | None) -> None:
    configure_logging("warning", "text")
    try:
        report = uvloop.run(measure(scenarios, options))
    except NotInstalledError as error:
        _fail(error)
    show(report, console)
    for path in write(report, json or RESULTS / f"{report.at.replace(':', '')}.json"):
        console.print(f"Written: {path}", soft_wrap=True, highlight=False)


async def measure(scenarios: Sequence[Scenario], options: Options) -> Report:
    """One after the other, or they would measure each other."""
    results: list[Result] = []
    columns = (
        SpinnerColumn(),
        BarColumn(20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=console, transient=True) as progress, tempfile.TemporaryDirectory() as folder:
        task = progress.add_task("", total=len(scenarios))
        for scenario in scenarios:
            bench = Bench(options, Path(folder), partial(_describe, progress, task))
            results.append(await scenario.run(bench))
            progress.advance(task)
    return Report.of(results, options)


def _describe(progress: Progress, task: TaskID, what: str) -> None:
    progress.update(task, description=what)
