"""Scenario `growth`: throughput with few and with many notifications stored: it must not fall.

Every size has a store of its own, filled before, and a running system on it; they take turns. Measured is what is
accepted and routed to its end. The limit: the store's grouped commits alone, into the same files.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import msgspec

from heliograph.bench.scenario import (
    Bench,
    Figure,
    Measurement,
    Result,
    Sample,
    figure,
    measured,
    rates_of,
    ratio,
    run_module,
)
from heliograph.bench.servers import heliograph

_CONNECTIONS: Final = 64
_NOTES: Final = (
    f"{_CONNECTIONS} connections, closed loop, single sends into the inbox; ends when the last one is routed.",
    "The stores were filled in grouped commits, every notification with its events, done and in its inbox.",
)


async def run(bench: Bench) -> Result:
    sizes = bench.options.stored
    commits: dict[int, list[float]] = {}
    samples: dict[int, list[Sample]] = {size: [] for size in sizes}
    rates: dict[int, list[float]] = {size: [] for size in sizes}
    for size in sizes:
        bench.say(f"growth: a store with {size:,} notifications")
        await run_module("sides.fill", str(_file(bench, size)), str(size))
    for size in sizes * bench.rounds:
        bench.say(f"growth, {size:,} stored: grouped commits alone")
        text = await run_module("sides.commits", "single", str(bench.seconds / 4), str(_file(bench, size)))
        commits.setdefault(size, []).append(msgspec.json.decode(text, type=float))
    async with AsyncExitStack() as undo:
        systems = {size: await undo.enter_async_context(heliograph(_file(bench, size).parent)) for size in sizes}
        for turn in range(bench.rounds):
            for size, system in systems.items():
                bench.say(f"growth, {size:,} stored, round {turn + 1} of {bench.rounds}")
                sample = await bench.load(system, connections=_CONNECTIONS)
                took_s = sample.outcome.whole_s + await system.drained()
                samples[size].append(sample)
                rates[size].append(sample.outcome.answered / took_s)
    return Result(
        name="growth", title="Throughput by what is stored",
        measurements=_measurements(samples, rates, commits), figures=_figures(rates, commits), notes=[*_NOTES],
    )  # fmt: skip


def _file(bench: Bench, size: int) -> Path:
    return bench.folder / f"growth-{size}" / "heliograph.db"


def _measurements(
    samples: dict[int, list[Sample]], rates: dict[int, list[float]], commits: dict[int, list[float]]
) -> list[Measurement]:
    found = []
    for size, routed in rates.items():
        setting = f"{size:,} stored"
        found += [
            measured("accepted", setting, samples[size]),
            rates_of("accepted and routed", setting, routed),
            rates_of("grouped commits alone", setting, commits[size]),
        ]
    return found


def _figures(rates: dict[int, list[float]], commits: dict[int, list[float]]) -> list[Figure]:
    least, *more = rates
    return [
        *(figure(f"{size:,} stored, notifications/s", found) for size, found in rates.items()),
        *(ratio(f"{size:,} / {least:,} stored", rates[size], rates[least], goal=0.9) for size in more),
        *(ratio(f"commits alone, {size:,} / {least:,} stored", commits[size], commits[least]) for size in more),
        *(ratio(f"{size:,} stored / grouped commits alone", rates[size], commits[size]) for size in rates),
    ]
