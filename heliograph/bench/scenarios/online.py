"""Scenario `realtime`: from the moment a send is due to the notification's arrival at the user's open page.

Open loop: sends leave at their own times, whatever the system does, and a latency counts from the intended time. The
limit is the sum of what no notification can be spared (`steps.py`), each step measured alone, right after every round.
"""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec

from heliograph.bench.histogram import Histogram
from heliograph.bench.scenario import Bench, Measurement, Result, Sample, figure, measured, run_module
from heliograph.bench.servers import Server, heliograph
from heliograph.bench.sides.steps import PATH

RATE: Final = 200.0
PAGES: Final = 50
ROUNDS: Final = 3
_SENDERS: Final = 32
"""Connections: enough that no send waits for a free one."""
_NOTES: Final = [
    f"{RATE:g} sends a second, open loop; {PAGES} online users with one page each, which acknowledges everything.",
    "In the background: the acknowledgements, one durable `delivered` event each.",
    "The limit: " + ", ".join(f"{times} x {name}" for name, times in PATH.items()) + ", each alone, plus the 202.",
]


async def run(bench: Bench) -> Result:
    arrived: list[Sample] = []
    alone: list[Sample] = []
    steps: list[dict[str, Histogram]] = []
    async with heliograph(bench.folder / "realtime") as system:
        bench.say("realtime: users come online")
        tokens = await asyncio.gather(*(_token(system, f"user-{number:09d}") for number in range(PAGES)))
        for turn in range(ROUNDS):
            bench.say(f"realtime, round {turn + 1} of {ROUNDS}: send to page")
            arrived.append(await bench.load(system, users=PAGES, tokens=tokens, connections=_SENDERS, rate=RATE))
            bench.say(f"realtime, round {turn + 1} of {ROUNDS}: the 202 alone, nobody online")
            alone.append(await bench.load(system, connections=_SENDERS, rate=RATE))
            bench.say(f"realtime, round {turn + 1} of {ROUNDS}: every step alone")
            steps.append(await _steps(bench))
    limits = [_limit(sample, each) for sample, each in zip(alone, steps, strict=True)]
    reached = [_arrival_ms(sample, 50) for sample in arrived]
    lost = sum(sample.outcome.lost for sample in arrived)
    setting = f"{RATE:g}/s"
    return Result(
        name="realtime",
        title="Send to WebSocket",
        measurements=[
            measured("send to page", setting, arrived, arrivals=True),
            measured("send to 202", setting, arrived),
            measured("send to 202, nobody online", setting, alone),
            *(_step(name, steps) for name in PATH),
        ],
        figures=[
            figure("send to page, p50", reached, unit="ms", goal=5.0, at_least=False),
            figure("send to page, p99", [_arrival_ms(sample, 99) for sample in arrived], unit="ms"),
            figure("limit: the steps alone, sum of their p50", limits, unit="ms"),
            figure("limit / send to page, p50", [low / high for low, high in zip(limits, reached, strict=True)]),
            figure("notifications lost", [lost], goal=0.0, at_least=False),
        ],
        notes=[*_NOTES],
    )


async def _token(system: Server, user: str) -> str:
    answer = await system.call("POST", f"/v1/users/{user}/token", {"ttl_s": 3600})
    return str(answer["token"])


async def _steps(bench: Bench) -> dict[str, Histogram]:
    text = await run_module("steps", str(RATE), str(bench.seconds / len(PATH)))
    return {name: Histogram.of_ns(took) for name, took in msgspec.json.decode(text, type=dict[str, list[int]]).items()}


def _limit(alone: Sample, steps: dict[str, Histogram]) -> float:
    accepted = Histogram.of_json(alone.outcome.answers).percentile_ms(50)
    return accepted + sum(times * steps[name].percentile_ms(50) for name, times in PATH.items())


def _arrival_ms(sample: Sample, percent: float) -> float:
    return Histogram.of_json(sample.outcome.arrivals).percentile_ms(percent)


def _step(name: str, rounds: list[dict[str, Histogram]]) -> Measurement:
    histogram = sum((each[name] for each in rounds), Histogram())
    return Measurement(
        side=name,
        setting="alone",
        rate=RATE,
        rates=[RATE],
        latency=histogram.summary_ms(),
        histogram=histogram.to_json(),
    )
