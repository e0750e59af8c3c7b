"""Goal 2: the queue, the cache and both lose their data while a backlog waits: nothing is lost, all is back in time."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.chaos.conftest import MakeFleet
from tests.chaos.fleet import ALONE, Fleet
from tests.chaos.ledger import Ledger
from tests.chaos.outside import Outside
from tests.chaos.profile import LONG, scaled
from tests.chaos.sender import Sender, Tenant
from tests.chaos.verdict import judge
from tests.support.eventually import eventually
from tests.support.system import KEY

HEALED_S = 60.0
RATE = scaled(800, 1000)


async def waiting(fleet: Fleet) -> int:
    """Notifications in all lanes; none while the queue is away."""
    status, answer = await fleet.apis[0].call("GET", "/v1/lanes")
    if status != 200:
        return 0
    return sum(level["depth"] for levels in answer.values() for level in levels.values())


async def back_in_lanes(fleet: Fleet, count: int) -> float:
    """Seconds until so many wait in the lanes again."""
    began = time.monotonic()

    async def look() -> bool:
        """the backlog is in its lanes"""
        return await waiting(fleet) >= count

    await eventually(look, within_s=2 * HEALED_S, every_s=0.1)
    return time.monotonic() - began


@pytest.mark.parametrize("store", ["sqlite", "mongo"])
async def test_a_backlog_survives_wipes(
    fleet_of: MakeFleet, store: str, outside: Outside, ledger: Ledger, dice: random.Random,
    remember: Callable[[dict[str, Any]], None],
) -> None:  # fmt: skip
    """While the provider is down and a backlog waits, everything but the store is wiped; 99.9 % wait again in 60 s."""
    count = scaled(2_000 if store == "sqlite" else 300, 100_000)
    fleet = await fleet_of(store, members=ALONE, email_rate=RATE, breaker_probe_s=0.5, socket_s=20)
    tenant = Tenant("default", KEY, [f"u{n}" for n in range(200)])
    await outside.fault("sendgrid", mode="down")
    async with Sender(lambda: fleet.urls_of("api"), [tenant], ledger, dice) as sender:
        await sender.backlog(tenant, count)
        await back_in_lanes(fleet, count)
        healed: dict[str, float] = {}
        for what in [["cache"], ["queue"], ["queue", "cache"]] if LONG else [["queue", "cache"]]:
            ledger.note("fault", name=f"wipe {what}")
            await fleet.wipe(*what)
            healed["+".join(what)] = round(await back_in_lanes(fleet, round(count * 0.999)), 1)
        await outside.fault("sendgrid", mode="ok")
        began = time.monotonic()
        found = await judge(fleet.apis[0], fleet.store_url, ledger, outside, [tenant], within_s=30 + 3 * count / RATE)
    remember({**found.numbers, "store": store, "waiting": count, "healed_s": healed,
              "drain_s": round(time.monotonic() - began, 1), "optimum_s": round(count / RATE, 1)})  # fmt: skip
    assert found.wrong == []
    assert max(healed.values()) <= HEALED_S
