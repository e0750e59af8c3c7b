"""Scenario `model`: a real spike beside what the queue model of `heliograph plan` says of it.

A crowd of P2 is accepted at once, a smaller one of P1 a second later, and P0 come all the time, open loop, while the
provider takes `PACE` mails a second. The model is told what an idle system takes, from the same run, and nothing else.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

from heliograph.bench import way
from heliograph.bench.body import send
from heliograph.bench.histogram import Histogram
from heliograph.bench.mailbox import Mailbox, latencies
from heliograph.bench.scenario import Bench, Figure, Measurement, Result, figure, latencies_of
from heliograph.bench.servers import Server, heliograph, lab, sendgrid_of
from heliograph.core.model import Level
from heliograph.sizing.costs import shipped
from heliograph.sizing.queues import Burst, Course, Stages, Waited, percentile, simulate

PACE: Final = 200.0
_P0: Final = 20.0
_P1_SHARE: Final = 0.25
_P1_AFTER_S: Final = 1.0
_FIRST: Final = {Level.P1: 800_000_000, Level.P2: 900_000_000}
_KINDS: Final = {Level.P1: "alert", Level.P2: "marketing"}
_BULK: Final = 10_000
_LEFT_S: Final = 120.0
_NOTES: Final = (
    f"The provider takes {PACE:g} mails a second; {_P0:g} P0 a second; P2 for as many seconds as `--seconds`, at once.",
    "The model knows the pace, the counts, the unit costs that ship, and the median of the idle system.",
)

Numbers = dict[int, float]


async def run(bench: Bench) -> Result:
    real: dict[Level, list[Histogram]] = {level: [] for level in Level}
    model: dict[Level, list[float]] = {level: [] for level in Level}
    for turn in range(bench.rounds):
        async with (
            lab() as provider,
            heliograph(bench.folder / f"model-{turn}", **sendgrid_of(provider.port, PACE)) as system,
        ):
            bench.say(f"model, round {turn + 1} of {bench.rounds}: the idle system")
            idle, seen = await _round(bench, system, Mailbox(provider))
        for level in Level:
            real[level].append(seen[level])
            model[level].append(1000 * percentile(_simulated(bench, idle), level, 50))
    figures = [one for level in Level for one in _figures(level, real[level], model[level])]
    return Result(
        name="model", title="A spike, and the model of it", measurements=_measurements(real), figures=figures,
        notes=[*_NOTES],
    )  # fmt: skip


async def _round(bench: Bench, system: Server, mailbox: Mailbox) -> tuple[float, dict[Level, Histogram]]:
    """Milliseconds that the idle system takes at the median, and how long each level took in the spike."""
    for number in range(way.USERS):
        user = way.user(number)
        await system.call("PUT", f"/v1/users/{user}", {"email": f"{user}@example.com"})
    sample = await _p0(bench, system)
    idle, _ = await _arrived(mailbox, sample.outcome.answered_at)
    bench.say("model: the spike")
    spike = asyncio.create_task(_crowds(bench, system))
    sample = await _p0(bench, system)
    crowds = await spike
    found = {Level.P0: (await _arrived(mailbox, sample.outcome.answered_at))[0]}
    found |= {level: (await _arrived(mailbox, at))[0] for level, at in crowds.items()}
    return idle.percentile_ms(50), found


async def _p0(bench: Bench, system: Server) -> Any:
    return await bench.load(system, users=way.USERS, connections=16, rate=_P0, stamps=True)


async def _crowds(bench: Bench, system: Server) -> dict[Level, Numbers]:
    """When each of them was accepted."""
    accepted = {Level.P2: await _crowd(bench, system, Level.P2)}
    await asyncio.sleep(_P1_AFTER_S)
    return accepted | {Level.P1: await _crowd(bench, system, Level.P1)}


def _count(bench: Bench, level: Level) -> int:
    whole = PACE * bench.seconds
    return max(20, int(whole * (_P1_SHARE if level == Level.P1 else 1)))


async def _crowd(bench: Bench, system: Server, level: Level) -> Numbers:
    numbers = range(_FIRST[level], _FIRST[level] + _count(bench, level))
    for start in range(0, len(numbers), _BULK):
        sends = [_one(number, _KINDS[level]) for number in numbers[start : start + _BULK]]
        await system.call("POST", "/v1/send/bulk", sends)
    return dict.fromkeys(numbers, time.time())


def _one(number: int, kind: str) -> dict[str, Any]:
    user = {"id": f"crowd-{number}", "email": f"crowd-{number}@example.com"}
    return send(user, str(number), kind) | {"channels": ["email"]}


async def _arrived(mailbox: Mailbox, accepted: Numbers) -> tuple[Histogram, int]:
    async with asyncio.timeout(_LEFT_S):
        while not accepted.keys() <= mailbox.arrived_at.keys():
            await mailbox.read()
            await asyncio.sleep(0.05)
    return latencies(accepted, mailbox.arrived_at)


def _simulated(bench: Bench, idle_ms: float) -> list[Waited]:
    costs = shipped()
    stages = Stages(
        api_s=0.0, router_s=costs.route_us / 1e6, worker_s=costs.mail_us / 2e6, base_s=0.0, call_s=idle_ms / 1000,
    )  # fmt: skip
    bursts = [
        Burst(Level.P2, 0.0, 0.0, _count(bench, Level.P2)),
        Burst(Level.P1, _P1_AFTER_S, 0.0, _count(bench, Level.P1)),
        Burst(Level.P0, 0.0, bench.seconds, max(1, int(_P0 * bench.seconds))),
    ]
    return simulate(Course(bursts=bursts, pace=PACE), stages)


def _measurements(real: dict[Level, list[Histogram]]) -> list[Measurement]:
    rates = {Level.P0: _P0, Level.P1: PACE, Level.P2: PACE}
    return [
        latencies_of("202 to provider", level.name, rates[level], sum(found, Histogram()))
        for level, found in real.items()
    ]


def _figures(level: Level, real: list[Histogram], model: list[float]) -> list[Figure]:
    medians = [one.percentile_ms(50) for one in real]
    off = [abs(said / seen - 1) for said, seen in zip(model, medians, strict=True)]
    at: dict[str, Any] = {"unit": "ms", "at_least": False}
    return [
        figure(f"{level.name}, p50", medians, **at),
        figure(f"{level.name}, p50 by the model", model, **at),
        figure(f"{level.name}, p50: model off by (model / real - 1)", off, goal=0.2, at_least=False),
    ]
