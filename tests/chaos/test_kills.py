"""Goals 1, 3 and 4: whatever is killed or stopped, nothing accepted is lost, doubles are marked, and it goes on."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from itertools import pairwise
from typing import Any

import pytest

from tests.chaos.conftest import MakeFleet, two_tenants
from tests.chaos.fleet import SPLIT, Fleet
from tests.chaos.ledger import Ledger
from tests.chaos.outside import Outside
from tests.chaos.pages import Page
from tests.chaos.profile import LONG, scaled
from tests.chaos.sender import Sender, Tenant
from tests.chaos.verdict import judge, token_of
from tests.chaos.watch import Watch

Fault = Callable[[Fleet, random.Random], Awaitable[None]]
USERS = 40
WATCHED = 4
WITH_DEVICE = 10
STALL_S = 5.0
MEMORY_MIB = 300.0


def faults_of(fleet: Fleet) -> dict[str, Fault]:
    """Everything that may be killed or stopped, by name."""
    found: dict[str, Fault] = {}
    for name in fleet.members:
        found[f"kill {name}"] = lambda f, _, name=name: f.kill(name)  # type: ignore[misc]
        found[f"stop {name}"] = lambda f, d, name=name: f.stop_for(f.pids()[name], d.uniform(0.5, 2))  # type: ignore[misc]

    async def kill_queue(fleet: Fleet, _: random.Random) -> None:
        fleet.kill_server(fleet.nats)

    async def kill_cache(fleet: Fleet, _: random.Random) -> None:
        fleet.kill_server(fleet.valkey)

    found |= {
        "kill queue": kill_queue,
        "kill cache": kill_cache,
        "stop queue": lambda f, d: f.stop_for(f.nats.pid, d.uniform(0.5, 2)),
        "stop cache": lambda f, d: f.stop_for(f.valkey.pid, d.uniform(0.5, 2)),
        "wipe queue": lambda f, _: f.wipe("queue"),
        "wipe cache": lambda f, _: f.wipe("cache"),
        "wipe both": lambda f, _: f.wipe("queue", "cache"),
    }
    if fleet.mongo:
        found["kill store"] = lambda f, _: f.kill_store()
        found["stop store"] = lambda f, d: f.stop_for(f.mongo and f.mongo.pid, d.uniform(0.5, 2))
    return found


async def attack(
    fleet: Fleet, dice: random.Random, ledger: Ledger, pause_s: tuple[float, float], until: asyncio.Task[None]
) -> list[tuple[str, float]]:
    """Every fault once in an order of the dice's, then again, until a task is done; answers (fault, when)."""
    done: list[tuple[str, float]] = []
    faults = faults_of(fleet)
    order: list[str] = []
    while not until.done():
        if not order:
            order = dice.sample(sorted(faults), len(faults))
        name = order.pop()
        await asyncio.sleep(dice.uniform(*pause_s))
        done.append((name, time.time()))
        ledger.note("fault", name=name)
        await faults[name](fleet, dice)
    return done


def stalls(faults: Sequence[tuple[str, float]], arrivals: Sequence[float], until: float) -> list[tuple[float, str]]:
    """For each kill, the longest time without a message at the providers in the 10 s after it."""
    found: list[tuple[float, str]] = []
    for name, at in faults:
        if not name.startswith("kill"):
            continue
        end = min(at + 10, until)
        moments = [at, *(arrival for arrival in arrivals if at < arrival < end), end]
        found.append((max(later - sooner for sooner, later in pairwise(moments)), name))
    return sorted(found)


async def open_pages(fleet: Fleet, tenants: Sequence[Tenant]) -> list[Page]:
    return [
        Page(tenant.name, user, await token_of(fleet.apis[0], user, tenant.key), lambda: fleet.urls_of("realtime"))
        for tenant in tenants
        for user in tenant.users[:WATCHED]
    ]


async def register_devices(fleet: Fleet, tenants: Sequence[Tenant]) -> None:
    for tenant in tenants:
        for user in tenant.users[WATCHED : WATCHED + WITH_DEVICE]:
            device = {"kind": "expo", "value": f"ExponentPushToken[{tenant.name}{user}]"}
            status, answer = await fleet.apis[0].call("POST", f"/v1/users/{user}/devices", device, key=tenant.key)
            assert status == 201, answer


@pytest.mark.parametrize("store", ["sqlite", "mongo"] if LONG else ["sqlite"])
async def test_anything_may_die(
    fleet_of: MakeFleet, second_tenant: Callable[[Fleet], str], store: str, outside: Outside, ledger: Ledger,
    dice: random.Random, remember: Callable[[dict[str, Any]], None],
) -> None:  # fmt: skip
    """Under steady load, every role, the queue, the cache and the store's server are killed and stopped at random."""
    count, rate = scaled(900, 1_000_000), scaled(60, 280)
    fleet = await fleet_of(store, members=SPLIT)
    tenants = two_tenants(await asyncio.to_thread(second_tenant, fleet), USERS)
    await register_devices(fleet, tenants)
    await outside.tell(f"{fleet.urls_of('webhooks')[0]}/v1/webhooks/sendgrid", duplicates=0.1, shuffle=True)
    pages = await open_pages(fleet, tenants)
    watch = Watch(lambda: fleet.urls_of("api"), tenants, ledger, dice, fleet.pids)
    going = [asyncio.create_task(work) for work in (watch.run(), outside.collecting(), *(page.run() for page in pages))]
    async with Sender(lambda: fleet.urls_of("api"), tenants, ledger, random.Random(dice.random())) as sender:
        sending = asyncio.create_task(sender.run(count, rate))
        faults = await attack(fleet, dice, ledger, (scaled(0.0, 1.0), scaled(0.5, 8.0)), until=sending)
        await sending
    ended = time.time()
    found = await judge(fleet.apis[0], fleet.store_url, ledger, outside, tenants, pages=pages)
    for task in going:
        task.cancel()
    await asyncio.gather(*going, return_exceptions=True)
    gaps = stalls(faults, [call.at for call in outside.calls], ended)
    remember({
        **found.numbers, "store": store, "rate_per_s": rate, "faults": len(faults),
        "kills": sum(name.startswith("kill") for name, _ in faults), "looks": watch.looks,
        "stall_s_p99": round(gaps[int(len(gaps) * 0.99)][0], 2), "stall_s_max": gaps[-1],
        "memory_mib": {name: round(most) for name, most in watch.memory_mib.items()},
        "page_reloads": sum(len(page.chains) - 1 for page in pages),
        "shown": sum(len(frames) for page in pages for _, frames in page.chains),
    })  # fmt: skip
    assert found.wrong + watch.wrong == []
    assert watch.looks, "the online checker never saw anything"
    assert gaps[int(len(gaps) * 0.99)][0] <= STALL_S, gaps[-5:]
    assert max(watch.memory_mib.values()) <= MEMORY_MIB, watch.memory_mib
    if LONG:
        assert found.numbers["repeated_share"] <= 0.0001
