"""Goal 10: a store that takes connections and answers nothing. No false 202, quick refusals, quick recovery."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.chaos.conftest import MakeFleet
from tests.chaos.fleet import ALONE, SOCKET_S, Fleet, rss_mib
from tests.chaos.ledger import Ledger
from tests.chaos.outside import Outside
from tests.chaos.profile import scaled
from tests.chaos.sender import Sender, Tenant
from tests.chaos.verdict import judge
from tests.support.system import KEY

_HOLD = """
import sqlite3, sys
sqlite3.connect(sys.argv[1]).execute("BEGIN EXCLUSIVE"); print("held", flush=True); sys.stdin.read()
"""
REFUSED_S, NORMAL_S, GROWTH_MIB = 1.0, 5.0, 64.0


@asynccontextmanager
async def frozen_store(fleet: Fleet) -> AsyncIterator[None]:
    """SIGSTOP of SecantusDB; for SQLite another process that holds the exclusive lock."""
    if fleet.mongo:
        os.kill(fleet.mongo.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(fleet.mongo.pid, signal.SIGCONT)
        return
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _HOLD, str(fleet.folder / "heliograph.db"),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert holder.stdout
    await holder.stdout.readline()
    try:
        yield
    finally:
        holder.kill()
        await holder.wait()


@pytest.mark.parametrize("store", ["sqlite", "mongo"])
async def test_the_store_freezes_under_load(
    fleet_of: MakeFleet, store: str, outside: Outside, ledger: Ledger, dice: random.Random,
    remember: Callable[[dict[str, Any]], None],
) -> None:  # fmt: skip
    """While it is frozen every request is refused within a second and may come again; then all is as before."""
    rate, frozen_s = scaled(50, 300), scaled(3.0, 60.0)
    fleet = await fleet_of(store, members=ALONE)
    tenant = Tenant("default", KEY, [f"u{n}" for n in range(50)])
    pid = fleet.pids()["all"]
    async with Sender(lambda: fleet.urls_of("api"), [tenant], ledger, dice, tries=200) as sender:
        sending = asyncio.create_task(sender.run(round(rate * (frozen_s + scaled(4, 20))), rate))
        await asyncio.sleep(scaled(1.5, 10))
        before_mib = rss_mib(pid)
        async with frozen_store(fleet):
            froze = time.time()
            ledger.note("fault", name="freeze store")
            await asyncio.sleep(frozen_s)
            grown_mib = rss_mib(pid) - before_mib
            thawed = time.time()
        ledger.note("fault", name="thaw store")
        await sending
    found = await judge(fleet.apis[0], fleet.store_url, ledger, outside, [tenant])
    during = [(status, took) for at, status, took in ledger.answers if froze + took < at <= thawed]
    refusals = sorted(took for status, took in during if status == 503)
    slow = [at - thawed for at, status, took in ledger.answers if at > thawed and (status != 202 or took > 1)]
    remember({
        **found.numbers, "store": store, "frozen_s": frozen_s, "rate_per_s": rate,
        "refused_while_frozen": len(refusals), "refused_s_p99": round(refusals[int(len(refusals) * 0.99)], 2),
        "accepted_while_frozen": sum(status == 202 for status, _ in during),
        "normal_after_s": round(max(slow, default=0.0), 2), "grown_mib": round(grown_mib, 1),
    })  # fmt: skip
    assert found.wrong == []
    assert [status for status, _ in during if status not in (202, 503)] == []
    assert refusals[int(len(refusals) * 0.99)] <= REFUSED_S + 0.5, "a busy machine is given half a second"
    assert max(slow, default=0.0) <= NORMAL_S + (2 * SOCKET_S if fleet.mongo else 0)
    assert grown_mib <= GROWTH_MIB
