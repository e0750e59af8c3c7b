"""Goal 4 at the border: a provider that is down, hangs, throttles, fails, or answers after we gave up waiting."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

from tests.chaos.conftest import MakeFleet
from tests.chaos.fleet import ALONE
from tests.chaos.ledger import Ledger
from tests.chaos.outside import Outside
from tests.chaos.profile import scaled
from tests.chaos.sender import Sender, Tenant
from tests.chaos.verdict import judge
from tests.support.system import KEY

FAULTS: dict[str, dict[str, Any]] = {
    "down": {"mode": "down"},
    "hanging": {"mode": "hang"},
    "throttling": {"mode": "throttle", "rate_per_s": 10},
    "failing": {"mode": "error", "status": 500},
    "flaky": {"mode": "flaky", "fraction": 0.5, "status": 503},
    "late": {"mode": "ok", "latency_ms": 1500},
}


async def test_a_provider_misbehaves(
    fleet_of: MakeFleet,
    outside: Outside,
    ledger: Ledger,
    dice: random.Random,
    remember: Callable[[dict[str, Any]], None],
) -> None:
    """Every kind of trouble in turn: each mail ends, and whoever got one twice is marked in the timeline."""
    fleet = await fleet_of("sqlite", members=ALONE, provider_timeout_s=1, unknown_hold_s=2, breaker_probe_s=0.5,
                           retry_max_attempts=30)  # fmt: skip
    tenant = Tenant("default", KEY, [f"u{n}" for n in range(50)])
    async with Sender(lambda: fleet.urls_of("api"), [tenant], ledger, dice) as sender:
        sending = asyncio.create_task(sender.run(10**9, 40))
        for name in dice.sample(sorted(FAULTS), len(FAULTS)):
            ledger.note("fault", name=name)
            await outside.fault("sendgrid", **FAULTS[name])
            await asyncio.sleep(scaled(1.2, 60))
        await outside.fault("sendgrid", mode="ok")
        sender.enough = True
        await sending
    found = await judge(fleet.apis[0], fleet.store_url, ledger, outside, [tenant], slack_s=60, within_s=120)
    ended = [event.kind for history in found.histories.values() for event in history.events]
    remember({**found.numbers, "unknown_attempts": ended.count("unknown"), "failed": ended.count("failed")})
    assert found.wrong == []
    assert ended.count("failed") == 0
