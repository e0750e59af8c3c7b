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

LIBRARY = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
"""Debian's package `faketime`; `make check` and the tests install it."""


class Clock:
    """A clock of one process, to be set while it runs. What counts from a start (monotonic) isn't moved."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.set("+0")
        self.environment = {
            "LD_PRELOAD": LIBRARY,
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, offset: str) -> None:
        """`+1h`, `-1h` or `+0`, against the true time."""
        self._file.write_text(offset + "\n")


async def test_a_clock_jumps(
    fleet_of: MakeFleet, tmp_path: Path, outside: Outside, ledger: Ledger, dice: random.Random,
    remember: Callable[[dict[str, Any]], None],
) -> None:  # fmt: skip
    """The API's and the workers' clocks jump by an hour and back while the others' stand: nothing is lost or doubled."""
    assert Path(LIBRARY).exists(), "install Debian's faketime"
    clocks = {name: Clock(tmp_path / name) for name in ("api-1", "workers")}
    environments = {name: clock.environment for name, clock in clocks.items()}
    fleet = await fleet_of("sqlite", members=PACKED, environments=environments)
    tenant = Tenant("default", KEY, [f"u{n}" for n in range(50)])
    async with Sender(lambda: fleet.urls_of("api"), [tenant], ledger, dice) as sender:
        sending = asyncio.create_task(sender.run(10**9, 40))
        jumps = [(name, offset) for name in clocks for offset in ("+1h", "-1h", "+0")]
        dice.shuffle(jumps)
        for name, offset in [*jumps, *((name, "+0") for name in clocks)]:
            await asyncio.sleep(scaled(0.7, 20))
            ledger.note("fault", name=f"{name}'s clock {offset}")
            clocks[name].set(offset)
        sender.enough = True
        await sending
    found = await judge(fleet.apis[0], fleet.store_url, ledger, outside, [tenant], within_s=90)
    remember({**found.numbers, "jumps": len(jumps)})
    assert found.wrong == []
    assert found.numbers["repeated_calls"] == 0
