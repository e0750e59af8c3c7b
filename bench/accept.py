"""Scenario `accept`: durable single sends, and the same server answering 202 without keeping anything.

The two sides take turns, so that whatever else the machine does hits both; the ratio is taken pair by pair. Before the
empty side's turn everything accepted so far is routed to its end: work left over must not slow the limit down.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

from bench.scenario import Bench, Figure, Measurement, Result, Sample, figure, measured
from bench.servers import Server, bare_server, empty_server, heliograph

CONNECTIONS: Final = (1, 8, 64)
ROUNDS: Final = 3
_GOALS: Final = {64: 0.30}
_NOTES: Final = (
    "One process runs every role; the load generator has the other core as far as it needs it, NATS the rest.",
    (
        "In the background: every accepted notification is routed. It goes to the inbox, as its recipient is offline "
        "and has no e-mail address: presence and user are looked up, two events and a check time are written."
    ),
    "The empty side checks the key and reads the body; it decodes, validates and keeps nothing.",
)


async def run(bench: Bench) -> Result:
    measurements: list[Measurement] = []
    figures: list[Figure] = []
    notes = [*_NOTES]
    async with heliograph(bench.folder / "accept") as system, empty_server() as empty, bare_server() as bare:
        for connections in CONNECTIONS:
            setting = f"{connections} connection{'s' * (connections > 1)}"
            durable: list[Sample] = []
            limit: list[Sample] = []
            drains: list[float] = []
            for turn in range(ROUNDS):
                bench.say(f"accept, {setting}, round {turn + 1} of {ROUNDS}: durable")
                durable.append(await bench.load(system, connections=connections))
                drains.append(await _drained(system))
                bench.say(f"accept, {setting}, round {turn + 1} of {ROUNDS}: empty 202")
                limit.append(await bench.load(empty, connections=connections))
            measurements += [measured("heliograph", setting, durable), measured("empty 202", setting, limit)]
            figures.append(
                figure(
                    f"durable / empty 202, {setting}",
                    [ours.rate / theirs.rate for ours, theirs in zip(durable, limit, strict=True)],
                    goal=_GOALS.get(connections),
                )
            )
            notes.append(_background(setting, durable, drains))
        bench.say("accept: what the load generator can do")
        measurements.append(measured("bare asyncio", setting, [await bench.load(bare, connections=connections)]))
    return Result(name="accept", title="Durable single sends", measurements=measurements, figures=figures, notes=notes)


def _background(setting: str, samples: list[Sample], drains: list[float]) -> str:
    waits = ", ".join(f"{drain:.1f} s" for drain in drains)
    sent = samples[-1].outcome.answered
    return f"{setting}: routing was done {waits} after the last answer (of {sent:,} sends in the last round)."


async def _drained(system: Server) -> float:
    """Seconds until nothing waits in a lane any more."""
    started = time.perf_counter()
    while await system.backlog():  # noqa: ASYNC110 - it is in another process
        await asyncio.sleep(0.05)
    return time.perf_counter() - started
