"""`heliograph bench`: every scenario, tiny, against real servers: it ends, loses nothing, and its result is whole."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path
from xml.etree import ElementTree

import pytest

from heliograph.bench.registry import ALL, Scenario
from heliograph.bench.report import Report, read, write
from heliograph.bench.scenario import SHORT, Bench, Result

_AT_ONCE = 3
"""Figures mean nothing here, so they may disturb each other; with more at once one may find no processor at all."""
_LONGEST = ("recovery", "drain", "cost", "growth")
"""These begin: the others fit in beside them."""


async def _all(folder: Path) -> list[Result]:
    free = asyncio.Semaphore(_AT_ONCE)

    async def one(scenario: Scenario) -> Result:
        async with free:
            return await scenario.run(Bench(SHORT, folder, lambda _: None))

    running: dict[str, asyncio.Task[Result]] = {}
    async with asyncio.TaskGroup() as group:
        for scenario in sorted(ALL, key=lambda scenario: scenario.name not in _LONGEST):
            running[scenario.name] = group.create_task(one(scenario))
    return [running[scenario.name].result() for scenario in ALL]


@pytest.mark.timeout(300)
async def test_every_scenario_runs_and_its_result_is_whole(tmp_path: Path) -> None:
    report = Report.of(await _all(tmp_path / "data"), SHORT)

    written = write(report, tmp_path / "result.json")
    assert read(written[0]) == report
    assert [ElementTree.parse(chart).getroot().tag[-3:] for chart in written[1:]] == ["svg"] * len(ALL)
    assert [result.name for result in report.scenarios] == [scenario.name for scenario in ALL]
    for result in report.scenarios:
        bad = [one for one in result.measurements if not one.rate > 0 or one.failures]
        assert bad == [], result.name
        assert all(math.isfinite(one.value) for one in result.figures), result.name
        # a ratio to a limit, or, of what is counted, the bound itself
        assert any("/" in one.name or one.goal is not None for one in result.figures), result.name
    figures = {(result.name, one.name): one.value for result in report.scenarios for one in result.figures}
    assert figures["cost", "e-mail, provider calls a notification"] == 1.0
    assert [name for name, value in figures.items() if name[1].endswith("lost") and value] == []
