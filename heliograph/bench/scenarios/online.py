"""Scenario `online`: from the moment a send is due to the notification's arrival at the user's open page.

Open loop: sends leave at their own times, whatever the system does, and a latency counts from the intended time. The
limit is the sum of what no notification can be spared (`sides/steps.py`), each step measured alone, right after every
round.
"""

from __future__ import annotations

import asyncio
from typing import Final

from heliograph.bench import way
from heliograph.bench.histogram import Histogram
from heliograph.bench.scenario import Bench, Figure, Measurement, Result, figure
from heliograph.bench.servers import Server, heliograph
from heliograph.bench.sides.steps import ONLINE

_ARRIVAL: Final = "send to page"
_GOALS: Final = {1000.0: (4.0, 20.0)}
"""p50 and p99 by the rate."""
_NOTES: Final = (
    f"Open loop; {way.USERS} online users with one page each, which acknowledges everything.",
    "In the background: the acknowledgements, one durable `delivered` event each.",
    "The limit: the 202 plus " + ", ".join(f"{times} x {name}" for name, times in ONLINE.items()) + ", each alone.",
)


async def run(bench: Bench) -> Result:
    measurements: list[Measurement] = []
    figures: list[Figure] = []
    lost = 0
    async with heliograph(bench.folder / "online") as system:
        bench.say("online: users open their pages")
        tokens = await asyncio.gather(*(way.token(system, way.user(number)) for number in range(way.USERS)))
        for rate in bench.options.rates:
            rounds = [await _round(bench, system, rate, list(tokens), turn) for turn in range(bench.rounds)]
            measurements += way.measurements(_ARRIVAL, rate, rounds, ONLINE)
            figures += way.figures(_ARRIVAL, rate, rounds, ONLINE, *_GOALS.get(rate, (None, None)))
            lost += sum(one.answered.outcome.lost for one in rounds)
    figures.append(figure("notifications lost", [lost], goal=0.0, at_least=False))
    return Result(name="online", title="Send to WebSocket", measurements=measurements, figures=figures, notes=[*_NOTES])


async def _round(bench: Bench, system: Server, rate: float, tokens: list[str], turn: int) -> way.Round:
    where = f"online, {rate:g}/s, round {turn + 1} of {bench.rounds}"
    bench.say(f"{where}: send to page")
    sample = await bench.load(system, users=way.USERS, tokens=tokens, connections=way.SENDERS, rate=rate)
    await system.drained()
    bench.say(f"{where}: the 202 alone, nobody online")
    alone = await way.accepted_alone(bench, system, rate)
    await system.drained()
    bench.say(f"{where}: every step alone")
    steps = await way.steps_alone(bench, rate)
    return way.Round(sample, Histogram.of_json(sample.outcome.arrivals), alone, steps)
