"""`heliograph bench`: scenarios, tiny, against real servers: they end, lose nothing, and their result is whole.

The suite runs those that take few seconds; `HELIOGRAPH_BENCH=all` all of them (a minute on two free cores).
"""

from __future__ import annotations

import asyncio
import math
import os
from pathlib import Path
from xml.etree import ElementTree

import pytest

from heliograph.bench.registry import ALL, Scenario
from heliograph.bench.report import Report, read, write
from heliograph.bench.scenario import SHORT, Bench, Result

_AT_ONCE = 2
"""Figures mean nothing here, so they may disturb each other; with more at once one may find no processor at all."""
_QUICK = ("accept", "bulk", "online", "offline", "cost", "webhooks")
CHOSEN = [one for one in ALL if os.environ.get("HELIOGRAPH_BENCH") == "all" or one.name in _QUICK]


async def _all(folder: Path) -> list[Result]:
    free = asyncio.Semaphore(_AT_ONCE)

    async def one(scenario: Scenario) -> Result:
        async with free:
            return await scenario.run(Bench(SHORT, folder, lambda _: None))

    running: dict[str, asyncio.Task[Result]] = {}
    async with asyncio.TaskGroup() as group:
        for scenario in CHOSEN:
            running[scenario.name] = group.create_task(one(scenario))
    return [running[scenario.name].result() for scenario in CHOSEN]


@pytest.mark.timeout(300)
async def test_scenarios_run_and_their_results_are_whole(tmp_path: Path) -> None:
    report = Report.of(await _all(tmp_path / "data"), SHORT)

    written = write(report, tmp_path / "result.json")
    assert read(written[0]) == report
    assert [ElementTree.parse(chart).getroot().tag[-3:] for chart in written[1:]] == ["svg"] * len(CHOSEN)
    assert [result.name for result in report.scenarios] == [scenario.name for scenario in CHOSEN]
    for result in report.scenarios:
        bad = [one for one in result.measurements if not one.rate > 0 or one.failures]
        assert bad == [], result.name
        assert all(math.isfinite(one.value) for one in result.figures), result.name
        # a ratio to a limit, or, of what is counted, the bound itself
        assert any("/" in one.name or one.goal is not None for one in result.figures), result.name
    figures = {(result.name, one.name): one.value for result in report.scenarios for one in result.figures}
    assert figures["cost", "e-mail, provider calls a notification"] == 1.0
    assert [name for name, value in figures.items() if name[1].endswith("lost") and value] == []
