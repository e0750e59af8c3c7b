"""Results as a table for the terminal, as JSON for comparing two runs, and as charts."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table

from heliograph import __version__
from heliograph.bench.bars import rate_chart
from heliograph.bench.chart import latency_chart
from heliograph.bench.histogram import Histogram
from heliograph.bench.scenario import Figure, Measurement, Options, Result

RESULTS: Final = Path("bench/results")
"""In the current folder: of a repository its `bench/results/`."""
SCHEMA: Final = 2


class Report(msgspec.Struct, kw_only=True):
    """Everything of one run. `machine.load` = the load average when it began to be written: who else was busy."""

    schema: int
    heliograph: str
    at: str
    options: Options
    machine: dict[str, str | int | float]
    scenarios: list[Result]

    @classmethod
    def of(cls, scenarios: list[Result], options: Options) -> Report:
        at = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        return cls(
            schema=SCHEMA, heliograph=__version__, at=at, options=options, machine=_machine(), scenarios=scenarios
        )


def show(report: Report, console: Console) -> None:
    for result in report.scenarios:
        console.print(_measurements(result))
        console.print(_processor(result))
        console.print(_figures(result))
        for note in result.notes:
            console.print(f"[dim]- {note}[/]", highlight=False)
        console.print()


def write(report: Report, path: Path) -> list[Path]:
    """Writes the JSON and, beside it, one chart a scenario; returns what was written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1))
    written = [path]
    for result in report.scenarios:
        chart = path.with_name(f"{path.stem}-{result.name}.svg")
        chart.write_text(_chart(result), "utf-8")
        written.append(chart)
    return written


def read(path: Path) -> Report:
    """What `write` wrote. Raises OSError, or msgspec.MsgspecError for what is no result."""
    return msgspec.json.decode(path.read_bytes(), type=Report)


def _chart(result: Result) -> str:
    curves = {
        f"{one.side}, {one.setting}": list(Histogram.of_json(one.histogram).curve_ms())
        for one in result.measurements
        if one.histogram
    }
    if curves:
        return latency_chart(result.title, curves)
    return rate_chart(result.title, {f"{one.side}, {one.setting}": one.rate for one in result.measurements})


def _measurements(result: Result) -> Table:
    table = Table(title=result.title, title_justify="left")
    for heading in ("load", "side"):
        table.add_column(heading)
    for heading in ("a second", "of rounds", "p50 ms", "p90", "p99", "p99.9", "max"):
        table.add_column(heading, justify="right")
    for one in result.measurements:
        table.add_row(one.setting, one.side, *_cells(one))
    return table


def _cells(one: Measurement) -> list[str]:
    spread = f"{min(one.rates):,.0f} - {max(one.rates):,.0f}"
    failed = f" [red]({one.failures} failed)[/]" if one.failures else ""
    return [f"{one.rate:,.0f}{failed}", spread, *(f"{value:,.2f}" for value in one.latency.values())]


def _processor(result: Result) -> Table:
    """Processor microseconds a request: less disturbed by whatever else the machine does than rates are."""
    table = Table("load", "side", "CPU µs a request", show_edge=False)
    for one in result.measurements:
        if one.cpu_us:
            used = ", ".join(f"{name} {used:.0f}" for name, used in one.cpu_us.items())
            table.add_row(one.setting, one.side, used)
    return table


def _figures(result: Result) -> Table:
    table = Table("figure", show_edge=False)
    for heading in ("value", "of rounds", "goal"):
        table.add_column(heading, justify="right")
    for one in result.figures:
        table.add_row(one.name, f"{number(one.value)} {one.unit}", spread(one), _goal(one))
    return table


def number(value: float) -> str:
    """Three digits that say something."""
    decimals = 0 if abs(value) >= 1_000 else 2 if abs(value) >= 0.1 or not value else 4
    return f"{value:,.{decimals}f}"


def spread(one: Figure) -> str:
    """Lowest and highest of the rounds."""
    return f"{number(one.low)} - {number(one.high)}"


def _goal(one: Figure) -> str:
    if one.goal is None:
        return ""
    colour = "green" if one.reached else "red"
    return f"[{colour}]{'≥' if one.at_least else '≤'} {one.goal:g} {one.unit}[/]"


def _machine() -> dict[str, str | int | float]:
    return {
        "cores": os.cpu_count() or 0,
        "system": platform.platform(),
        "processor": _processor_name(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2),
    }


def _processor_name() -> str:
    """Source: proc(5), `cpuinfo`."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
