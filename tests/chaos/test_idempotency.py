"""Goal 5: one key, one id, whoever races and whatever dies meanwhile; another body is refused."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest

from tests.chaos.conftest import MakeFleet
from tests.chaos.fleet import Fleet
from tests.chaos.ledger import Ledger
from tests.chaos.outside import Outside
from tests.chaos.profile import LONG, scaled
from tests.chaos.sender import Sender, Tenant
from tests.chaos.verdict import judge
from tests.support.system import KEY

RACERS = {"api-1": ["api"], "api-2": ["api"]}
AT_ONCE = 8
ROUND = 50
"""Keys that are raced for at a time."""


async def kill_now_and_then(fleet: Fleet, dice: random.Random, ledger: Ledger, enough: asyncio.Event) -> None:
    """Until it is enough; everybody is up again then."""
    while not enough.is_set():
        await asyncio.sleep(dice.uniform(0.0, 0.5))
        name = dice.choice(list(RACERS))
        ledger.note("fault", name=f"kill {name}")
        await fleet.kill(name)


@pytest.mark.parametrize("store", ["sqlite", "mongo"] if LONG else ["sqlite"])
async def test_one_key_one_id(
    fleet_of: MakeFleet, store: str, outside: Outside, ledger: Ledger, dice: random.Random,
    remember: Callable[[dict[str, Any]], None],
) -> None:  # fmt: skip
    """Many callers race with the same key while the API processes are killed: all learn the same id."""
    keys, racers, kills = scaled(100, 10_000), scaled(20, 100), scaled(2, 100)
    fleet = await fleet_of(
        store, members={**RACERS, "rest": ["router", "inapp-worker", "email-worker", "email-sender", "reconciler"]}
    )
    tenant = Tenant("default", KEY, [f"u{n}" for n in range(50)])
    killing = asyncio.create_task(kill_now_and_then(fleet, dice, ledger, enough := asyncio.Event()))
    turns = asyncio.Semaphore(AT_ONCE)
    async with Sender(lambda: fleet.urls_of("api"), [tenant], ledger, dice) as sender:

        async def race(number: int) -> None:
            user = tenant.users[number % len(tenant.users)]
            async with turns:
                await asyncio.gather(*(sender.insist(tenant, user, "alert", f"n{number}") for _ in range(racers)))

        raced = 0
        while raced < keys or len(fleet.restarts) < kills:
            await asyncio.gather(*(race(number) for number in range(raced, raced + ROUND)))
            raced += ROUND
        enough.set()
        await killing
        assert ledger.wrong == []
        await sender.insist(tenant, tenant.users[0], "marketing", "n0")
        refused, ledger.wrong = ledger.wrong, []
    found = await judge(fleet.apis[0], fleet.store_url, ledger, outside, [tenant])
    remember({**found.numbers, "store": store, "keys": raced, "racers": racers, "api_kills": len(fleet.restarts),
              "api_restart_s_max": round(max(s for _, s in fleet.restarts), 2)})  # fmt: skip
    assert found.wrong == []
    assert len(ledger.accepted) == raced
    assert [text for text in refused if ": 422 " in text], "another body under the same key was taken"
