"""Scenario `accept`: durable single sends, and the same server answering 202 without keeping anything.

The sides take turns, so that whatever else the machine does hits all; the ratio is taken round by round. Before the
empty side's turn everything accepted so far is routed to its end: work left over must not slow the limit down.
"""

from __future__ import annotations

import statistics
from typing import Final

import msgspec

from heliograph.bench.histogram import Histogram
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
from heliograph.bench.servers import Server, bare_server, empty_server, heliograph

_GOALS: Final = {64: 0.5}
OPEN_RATE: Final = 2_000.0
OPEN_CONNECTIONS: Final = 8
_NOTES: Final = (
    "One process runs every role; the load generator has the other core as far as it needs it, NATS the rest.",
    (
        "In the background: every accepted notification is routed. It goes to the inbox, as its recipient is offline "
        "and has no e-mail address: presence and user are looked up, two events and a check time are written."
    ),
    "The empty side checks the key and reads the body; it decodes, validates and keeps nothing.",
    "The store alone: 64 notifications a commit, as 64 connections come to; nothing else is done.",
)


async def run(bench: Bench) -> Result:
    measurements: list[Measurement] = []
    figures: list[Figure] = []
    notes = [*_NOTES]
    async with heliograph(bench.folder / "accept") as system, empty_server() as empty, bare_server() as bare:
        for connections in bench.options.connections:
            setting = f"{connections} connection{'s' * (connections > 1)}"
            ours, limit, drains = await _turns(bench, system, empty, connections)
            measurements += [measured("heliograph", setting, ours), measured("empty 202", setting, limit)]
            rates = [sample.rate for sample in ours], [sample.rate for sample in limit]
            figures.append(ratio(f"durable / empty 202, {setting}", *rates, goal=_GOALS.get(connections)))
            notes.append(_background(setting, ours, drains))
        bench.say("accept: what the load generator can do")
        client = await bench.load(bare, connections=connections)
        paced = await _paced(bench, system)
    commits = await commits_alone(bench, "single")
    paced_setting = f"{OPEN_CONNECTIONS} connections, {OPEN_RATE:,.0f}/s"
    measurements += [
        measured("bare HTTP server", setting, [client]),
        rates_of("grouped commits alone", "64 a commit", commits),
        measured("heliograph", paced_setting, paced),
    ]
    p99 = [Histogram.of_json(sample.outcome.answers).percentile_ms(99) for sample in paced]
    figures += [
        ratio(f"durable / grouped commits alone, {setting}", rates[0], commits),
        ratio(f"durable / bare HTTP server, {setting}", rates[0], [client.rate] * bench.rounds),
        figure(f"p99, {paced_setting}", p99, unit="ms", goal=15.0, at_least=False),
    ]
    return Result(name="accept", title="Durable single sends", measurements=measurements, figures=figures, notes=notes)


async def _turns(
    bench: Bench, system: Server, empty: Server, connections: int
) -> tuple[list[Sample], list[Sample], list[float]]:
    """Ours, the limit's, and how long routing took after ours."""
    ours: list[Sample] = []
    limit: list[Sample] = []
    drains: list[float] = []
    for turn in range(bench.rounds):
        where = f"accept, {connections} connections, round {turn + 1} of {bench.rounds}"
        bench.say(f"{where}: durable")
        ours.append(await bench.load(system, connections=connections))
        drains.append(await system.drained())
        bench.say(f"{where}: empty 202")
        limit.append(await bench.load(empty, connections=connections))
    return ours, limit, drains


async def _paced(bench: Bench, system: Server) -> list[Sample]:
    """Open loop: what a stall keeps waiting counts."""
    samples = []
    for turn in range(bench.rounds):
        bench.say(f"accept, open loop, round {turn + 1} of {bench.rounds}")
        samples.append(await bench.load(system, connections=OPEN_CONNECTIONS, rate=OPEN_RATE))
        await system.drained()
    return samples


async def commits_alone(bench: Bench, kind: str) -> list[float]:
    """Notifications a second, one value a round: see `sides/commits.py`."""
    rates = []
    for turn in range(bench.rounds):
        bench.say(f"grouped commits alone, round {turn + 1} of {bench.rounds}")
        text = await run_module("sides.commits", kind, str(bench.seconds / 2))
        rates.append(msgspec.json.decode(text, type=float))
    return rates


def _background(setting: str, samples: list[Sample], drains: list[float]) -> str:
    sent = sum(sample.outcome.answered for sample in samples)
    seconds = sum(sample.outcome.whole_s for sample in samples) + sum(drains)
    waits = statistics.median(drains)
    return f"{setting}: routing was done {waits:.1f} s after the last answer; {sent / seconds:,.0f}/s routed in all."
