"""The way of a notification as latencies: from its send to its arrival, and the limit: every step of it, taken alone.

Shared by `online` and `offline`, which differ in the steps and in where it arrives.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from heliograph.bench.body import BODY
from heliograph.bench.histogram import Histogram
from heliograph.bench.scenario import Bench, Figure, Measurement, Sample, figure, latencies_of, measured, run_module
from heliograph.bench.servers import Server

USERS: Final = 50
SENDERS: Final = 64
"""Connections: enough that no send waits for a free one."""

TO_NOBODY: Final = BODY.replace("user-$U", "nobody-$U")


class Round(msgspec.Struct):
    """One round at one rate: the 202s, the arrivals, the 202 of the same system alone, and every step alone."""

    answered: Sample
    arrived: Histogram
    alone: Sample
    steps: dict[str, Histogram]


def user(number: int) -> str:
    return f"user-{number:09d}"


async def token(system: Server, user: str) -> str:
    answer = await system.call("POST", f"/v1/users/{user}/token", {"ttl_s": 3600})
    return str(answer["token"])


async def accepted_alone(bench: Bench, system: Server, rate: float) -> Sample:
    """Sends whose recipients are nowhere: the first step."""
    return await bench.load(system, connections=SENDERS, rate=rate, body=TO_NOBODY)


async def steps_alone(bench: Bench, rate: float, lab: Server | None = None) -> dict[str, Histogram]:
    """`lab`: for the step that calls a provider."""
    called = [f"http://127.0.0.1:{lab.port}"] if lab else []
    text = await run_module("sides.steps", str(_step_rate(rate)), str(bench.seconds / 5), *called)
    return {name: Histogram.of_ns(took) for name, took in msgspec.json.decode(text, type=dict[str, list[int]]).items()}


def _step_rate(rate: float) -> float:
    """A step alone has nobody to share with; faster than one after the other it can't be taken."""
    return min(rate, 200.0)


def measurements(arrival: str, rate: float, rounds: list[Round], path: Mapping[str, int]) -> list[Measurement]:
    setting = f"{rate:g}/s"
    arrived = sum((one.arrived for one in rounds), Histogram())
    steps = {name: sum((one.steps[name] for one in rounds), Histogram()) for name in path}
    return [
        latencies_of(arrival, setting, rate, arrived),
        measured("send to 202", setting, [one.answered for one in rounds]),
        measured("send to 202, to nobody", setting, [one.alone for one in rounds]),
        *(latencies_of(name, "alone", _step_rate(rate), found) for name, found in steps.items()),
    ]


def figures(
    arrival: str, rate: float, rounds: list[Round], path: Mapping[str, int], p50: float | None, p99: float | None
) -> list[Figure]:
    """`p50`, `p99`: goals, milliseconds."""
    reached = [one.arrived.percentile_ms(50) for one in rounds]
    limits = [_limit(one, path) for one in rounds]
    at: dict[str, Any] = {"unit": "ms", "at_least": False}
    name = f"{arrival}, {rate:g}/s"
    return [
        figure(f"{name}, p50", reached, goal=p50, **at),
        figure(f"{name}, p99", [one.arrived.percentile_ms(99) for one in rounds], goal=p99, **at),
        figure(f"{rate:g}/s, limit: its steps alone, sum of their p50", limits, **at),
        figure(f"{rate:g}/s, limit / {arrival}, p50", [low / high for low, high in zip(limits, reached, strict=True)]),
    ]


def _limit(one: Round, path: Mapping[str, int]) -> float:
    accepted = Histogram.of_json(one.alone.outcome.answers).percentile_ms(50)
    return accepted + sum(times * one.steps[name].percentile_ms(50) for name, times in path.items())
