"""`heliograph up`, all in one process: killed under load, its queue and cache wiped, started again."""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import Callable
from typing import Any

from tests.chaos.fleet import PACE
from tests.chaos.ledger import Ledger
from tests.chaos.outside import Outside
from tests.chaos.profile import scaled
from tests.chaos.sender import Sender, Tenant
from tests.chaos.verdict import judge
from tests.support.system import KEY, Heliograph


async def test_the_whole_system_dies(
    install: Callable[..., Heliograph], outside: Outside, ledger: Ledger, dice: random.Random,
    remember: Callable[[dict[str, Any]], None],
) -> None:  # fmt: skip
    """kill -9 of everything at once, again and again, every other time with all but the store wiped."""
    kills, pause_s = scaled(2, 40), scaled(1.5, 10.0)
    system = await install("data", lab=False, **{**PACE, **await outside.settings()}).start()
    tenant = Tenant("default", KEY, [f"u{n}" for n in range(50)])
    async with Sender(lambda: [system.url], [tenant], ledger, dice) as sender:
        sending = asyncio.create_task(sender.run(10**9, 60))
        for number in range(kills):
            await asyncio.sleep(dice.uniform(0.5, pause_s))
            ledger.note("fault", name="kill all")
            await system.kill()
            if number % 2:
                shutil.rmtree(system.folder / "nats")
                shutil.rmtree(system.folder / "valkey")
            await system.start()
        sender.enough = True
        await sending
    found = await judge(system, f"sqlite:///{system.folder / 'heliograph.db'}", ledger, outside, [tenant])
    remember({**found.numbers, "kills": kills})
    assert found.wrong == []
