"""Clocks that jump: an hour ahead, an hour back, in one process and not in the others."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.chaos.conftest import MakeFleet
from tests.chaos.fleet import PACKED
from tests.chaos.ledger import Ledger
from tests.chaos.outside import Outside
from tests.chaos.profile import scaled
from tests.chaos.sender import Sender, Tenant
from tests.chaos.verdict import judge
from tests.support.system import KEY

HOUR_S = 3600.0
SEAM = """
import os, time
time_s, time_ns = time.time, time.time_ns
def ahead_s():
    with open(os.environ["CHAOS_CLOCK"]) as file:
        return float(file.read() or 0)
time.time = lambda: time_s() + ahead_s()
time.time_ns = lambda: time_ns() + int(ahead_s() * 1e9)
"""
"""Python runs this before the program. (Debian's `faketime` would move clocks below Python, but breaks `time.sleep`: it
gives clock_nanosleep a time that isn't one.)"""


class Clock:
    """The wall clock of one process, to be set while it runs. What counts from a start (monotonic) isn't moved."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(SEAM)
        self._file = folder / "ahead_s"
        self.set(0)
        self.environment = {"PYTHONPATH": str(folder), "CHAOS_CLOCK": str(self._file)}

    def set(self, ahead_s: float) -> None:
        """Against the true time. In one step, so that nobody reads half a number."""
        new = self._file.with_suffix(".new")
        new.write_text(str(ahead_s))
        new.replace(self._file)


async def test_a_clock_jumps(
    fleet_of: MakeFleet, tmp_path: Path, outside: Outside, ledger: Ledger, dice: random.Random,
    remember: Callable[[dict[str, Any]], None],
) -> None:  # fmt: skip
    """The API's and the workers' clocks jump by an hour and back, the others' stand: nothing is lost."""
    clocks = {name: Clock(tmp_path / f"clock-{name}") for name in ("api-1", "workers")}
    environments = {name: clock.environment for name, clock in clocks.items()}
    fleet = await fleet_of("sqlite", members=PACKED, environments=environments)
    tenant = Tenant("default", KEY, [f"u{n}" for n in range(50)])
    async with Sender(lambda: fleet.urls_of("api"), [tenant], ledger, dice) as sender:
        sending = asyncio.create_task(sender.run(10**9, 40))
        jumps = [(name, offset) for name in clocks for offset in (HOUR_S, -HOUR_S, 0.0)]
        dice.shuffle(jumps)
        for name, offset in [*jumps, *((name, 0.0) for name in clocks)]:
            await asyncio.sleep(scaled(0.7, 20))
            ledger.note("fault", name=f"{name}'s clock {offset:+g} s")
            clocks[name].set(offset)
        sender.enough = True
        await sending
    found = await judge(fleet.apis[0], fleet.store_url, ledger, outside, [tenant], slack_s=3 * HOUR_S, within_s=90)
    remember({**found.numbers, "jumps": len(jumps)})
    assert found.wrong == []
