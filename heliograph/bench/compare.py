"""Two results side by side: every figure that both have, and how it moved."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table

from heliograph.bench.report import Report, number, spread
from heliograph.bench.scenario import Figure


def changes(before: Report, after: Report) -> Table:
    """One row a figure. A change within the spread of both runs' rounds is grey: it may be chance."""
    table = Table("scenario", "figure", title=f"{before.at} → {after.at}", title_justify="left")
    for heading in ("before", "after", "change"):
        table.add_column(heading, justify="right")
    for name, values in differences(before.machine, after.machine):
        table.add_row("[yellow]machine[/]", name, *values, "")
    for scenario, was, is_now in pairs(before, after):
        table.add_row(scenario, was.name, _shown(was), _shown(is_now), _change(was, is_now))
    return table


def pairs(before: Report, after: Report) -> Iterator[tuple[str, Figure, Figure]]:
    """The figures that both have: scenario, before, after."""
    was = {(result.name, figure.name): figure for result in before.scenarios for figure in result.figures}
    for result in after.scenarios:
        for figure in result.figures:
            if (result.name, figure.name) in was:
                yield result.name, was[result.name, figure.name], figure


def differences(
    before: dict[str, str | int | float], after: dict[str, str | int | float]
) -> Iterator[tuple[str, tuple[str, str]]]:
    """What about the machine isn't the same: then only ratios compare."""
    for name, value in before.items():
        if name != "load" and value != after.get(name):
            yield name, (str(value), str(after.get(name)))


def _shown(figure: Figure) -> str:
    return f"{number(figure.value)} {figure.unit} ({spread(figure)})"


def _change(before: Figure, after: Figure) -> str:
    if not before.value:
        return ""
    change = f"{after.value / before.value - 1:+.0%}"
    apart = before.high < after.low or after.high < before.low
    if not apart:
        return f"[dim]{change}[/]"
    better = (after.value > before.value) is after.at_least
    return f"[{'green' if better else 'red'}]{change}[/]"
