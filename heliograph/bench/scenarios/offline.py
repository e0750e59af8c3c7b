"""Scenario `offline`: from the moment a send is due to the arrival of its mail at the provider (the lab's SendGrid).

Open loop, as `online`. The limit is the sum of the steps that no mail can be spared (`sides/steps.py`), each alone.
"""

from __future__ import annotations

import asyncio
from typing import Final

from heliograph.bench import way
from heliograph.bench.mailbox import Mailbox, latencies
from heliograph.bench.scenario import Bench, Figure, Measurement, Result, figure
from heliograph.bench.servers import Server, heliograph, lab, sendgrid_of
from heliograph.bench.sides.steps import OFFLINE

_ARRIVAL: Final = "send to mailbox"
_PACE: Final = 20_000.0
"""Far more than is sent: the pace of the provider must not be what is measured."""
_NOTES: Final = (
    f"Open loop; {way.USERS} users who are offline and have an address. The lab is a process of its own.",
    "The limit: the 202 plus " + ", ".join(f"{times} x {name}" for name, times in OFFLINE.items()) + ", each alone.",
)


async def run(bench: Bench) -> Result:
    measurements: list[Measurement] = []
    figures: list[Figure] = []
    lost = 0
    async with lab() as provider, heliograph(bench.folder / "offline", **sendgrid_of(provider.port, _PACE)) as system:
        await asyncio.gather(*(_known(system, way.user(number)) for number in range(way.USERS)))
        mailbox = Mailbox(provider)
        for rate in bench.options.rates:
            rounds = []
            for turn in range(bench.rounds):
                found, missing = await _round(bench, system, mailbox, provider, rate, turn)
                rounds.append(found)
                lost += missing
            measurements += way.measurements(_ARRIVAL, rate, rounds, OFFLINE)
            figures += way.figures(_ARRIVAL, rate, rounds, OFFLINE, None, None)
    figures.append(figure("mails lost", [lost], goal=0.0, at_least=False))
    return Result(name="offline", title="Send to mailbox", measurements=measurements, figures=figures, notes=[*_NOTES])


async def _round(
    bench: Bench, system: Server, mailbox: Mailbox, provider: Server, rate: float, turn: int
) -> tuple[way.Round, int]:
    """And how many mails never came."""
    where = f"offline, {rate:g}/s, round {turn + 1} of {bench.rounds}"
    bench.say(f"{where}: send to mailbox")
    sample = await bench.load(system, users=way.USERS, connections=way.SENDERS, rate=rate, stamps=True)
    await system.drained()
    await mailbox.read()
    arrived, lost = latencies(sample.outcome.meant_at, mailbox.arrived_at)
    bench.say(f"{where}: the 202 alone, to nobody")
    alone = await way.accepted_alone(bench, system, rate)
    await system.drained()
    bench.say(f"{where}: every step alone")
    steps = await way.steps_alone(bench, rate, provider)
    await mailbox.read()
    return way.Round(sample, arrived, alone, steps), lost


async def _known(system: Server, user: str) -> None:
    await system.call("PUT", f"/v1/users/{user}", {"email": f"{user}@example.com"})
