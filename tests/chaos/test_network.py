"""Connections to the queue, the cache and the store that are slow, cut, reset, half-open or frozen."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest

from tests.chaos.conftest import MakeFleet
from tests.chaos.fleet import ALONE
from tests.chaos.ledger import Ledger
from tests.chaos.outside import Outside
from tests.chaos.profile import LONG, scaled
from tests.chaos.proxy import HEALTHY, Proxy, Toxics
from tests.chaos.sender import Sender, Tenant
from tests.chaos.verdict import judge
from tests.support.system import KEY

TOXICS = {
    "latency": Toxics(latency_s=0.05, jitter_s=0.03),
    "bandwidth": Toxics(bandwidth=64 * 1024),
    "slow_close": Toxics(slow_close_s=0.5),
    "timeout": Toxics(timeout_s=0.3),
}


SHORT = {
    "sqlite": [("queue", "latency"), ("queue", "reset_peer"), ("queue", "down"),
               ("cache", "half-open"), ("cache", "timeout"), ("cache", "reset_peer"), ("cache", "bandwidth")],
    "mongo": [("store", "latency"), ("store", "down"), ("store", "reset_peer")],
}  # fmt: skip
"""The suite has no time for those whose healing takes the queue's or the driver's full time-outs."""


async def strike(proxy: Proxy, how: str, for_s: float) -> None:
    """One fault for so long, then a healthy link again."""
    if how == "down":
        await proxy.down()
    elif how == "reset_peer":
        proxy.reset_peers()
    elif how == "half-open":
        proxy.lose()
    else:
        proxy.toxics = TOXICS[how]
    await asyncio.sleep(for_s)
    proxy.toxics = HEALTHY
    if how == "down":
        await proxy.start()


@pytest.mark.parametrize("store", ["sqlite", "mongo"])
async def test_bad_connections(
    fleet_of: MakeFleet, store: str, outside: Outside, ledger: Ledger, dice: random.Random,
    remember: Callable[[dict[str, Any]], None],
) -> None:  # fmt: skip
    """Each kind of fault on each connection, one after the other under load: all that was accepted is delivered."""
    fleet = await fleet_of(store, members=ALONE, proxied=True)
    tenant = Tenant("default", KEY, [f"u{n}" for n in range(50)])
    hows = [*TOXICS, "down", "reset_peer", "half-open"]
    strikes = [(name, how) for name in fleet.proxies for how in hows] if LONG else SHORT[store]
    strikes = dice.sample(strikes, len(strikes))
    async with Sender(lambda: fleet.urls_of("api"), [tenant], ledger, dice) as sender:
        sending = asyncio.create_task(sender.run(10**9, 40))
        for name, how in strikes:
            ledger.note("fault", name=f"{name}: {how}")
            await strike(fleet.proxies[name], how, scaled(0.4, 20))
        sender.enough = True
        await sending
    found = await judge(fleet.apis[0], fleet.store_url, ledger, outside, [tenant], within_s=90)
    remember({**found.numbers, "store": store, "strikes": len(strikes)})
    assert found.wrong == []
