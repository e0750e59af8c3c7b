"""Goals 6 and 8: five times more than it can take, and one tenant that bursts: the others hardly notice."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Any

from tests.chaos.conftest import MakeFleet
from tests.chaos.fleet import PACKED, Fleet
from tests.chaos.ledger import Ledger
from tests.chaos.outside import Outside
from tests.chaos.profile import LONG, scaled
from tests.chaos.sender import Sender, Tenant
from tests.chaos.verdict import judge
from tests.support.system import KEY

GOODPUT, SLOWER = 0.9, 2.0
QUIET = [f"quiet{n}" for n in range(20)]


def p99(values: Sequence[float]) -> float:
    return sorted(values)[int(len(values) * 0.99)]


def waits(ledger: Ledger, outside: Outside, prefix: str) -> list[float]:
    """Of the mails whose number begins so: seconds from the 202 to the provider."""
    accepted = {key.id: sent.at for key, sent in ledger.accepted.items() if sent.number.startswith(prefix)}
    return [call.at - accepted[call.notification] for call in outside.calls if call.notification in accepted]


async def test_one_tenants_burst_is_its_own(
    fleet_of: MakeFleet, second_tenant: Callable[[Fleet], str], outside: Outside, ledger: Ledger, dice: random.Random,
    remember: Callable[[dict[str, Any]], None],
) -> None:  # fmt: skip
    """While one tenant's backlog of the same level waits for the provider, the other's mails go as before."""
    burst, calm_count, rate = scaled(1_000, 100_000), scaled(40, 1_000), scaled(20.0, 50.0)
    fleet = await fleet_of("sqlite", members=PACKED, email_rate=scaled(300, 500))
    noisy = Tenant("other", await asyncio.to_thread(second_tenant, fleet), [f"n{n}" for n in range(200)])
    quiet = Tenant("default", KEY, QUIET)
    async with Sender(lambda: fleet.urls_of("api"), [quiet], ledger, dice) as sender:
        sender.prefix = "calm"
        await sender.run(calm_count, rate)
        await sender.backlog(noisy, burst, "alert")
        sender.prefix = "stormy"
        await sender.run(calm_count, rate)
    found = await judge(fleet.apis[0], fleet.store_url, ledger, outside, [quiet, noisy], within_s=60 + burst / 50)
    calm, stormy = p99(waits(ledger, outside, "calm")), p99(waits(ledger, outside, "stormy"))
    remember({**found.numbers, "burst": burst, "calm_s_p99": round(calm, 2), "stormy_s_p99": round(stormy, 2)})
    assert found.wrong == []


async def test_five_times_too_much(
    fleet_of: MakeFleet,
    outside: Outside,
    ledger: Ledger,
    dice: random.Random,
    remember: Callable[[dict[str, Any]], None],
) -> None:
    """Measures its peak, then offers five times that for a while: what it takes, it keeps; the rest is told to wait."""
    seconds = scaled(3, 60)
    fleet = await fleet_of("sqlite", members=PACKED, accept_high_water=scaled(100, 1_000))
    tenant = Tenant("default", KEY, [f"u{n}" for n in range(200)])
    async with Sender(lambda: fleet.urls_of("api"), [tenant], ledger, dice, tries=1) as sender:
        sender.prefix = "peak"
        peak = await goodput(sender, ledger, seconds, at_once=64)
        sender.prefix = "storm"
        stormy = await goodput(sender, ledger, seconds, at_once=320)
    found = await judge(fleet.apis[0], fleet.store_url, ledger, outside, [tenant], within_s=120)
    remember({**found.numbers, "peak_per_s": round(peak), "goodput_at_5x_per_s": round(stormy)})
    assert found.wrong == []
    if LONG:
        assert stormy >= GOODPUT * peak


async def goodput(sender: Sender, ledger: Ledger, seconds: float, at_once: int) -> float:
    """Accepted a second, by so many callers who come again as soon as they are answered."""
    loop = asyncio.get_running_loop()
    before, until = len(ledger.accepted), loop.time() + seconds

    async def caller(first: int) -> None:
        number = first
        while loop.time() < until:
            await sender.send(number)
            number += at_once

    await asyncio.gather(*(caller(place) for place in range(at_once)))
    return (len(ledger.accepted) - before) / seconds
