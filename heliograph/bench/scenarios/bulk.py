"""Scenario `bulk`: durable bulk sends of 1,000, beside the same server's empty 202 and the store's commits alone.

Rates are notifications a second. A bulk is stored as one document; its expansion by the router comes after and is
waited for before the next side's turn.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from heliograph.bench.body import send
from heliograph.bench.scenario import Bench, Measurement, Result, Sample, figure, measured, rates_of, ratio
from heliograph.bench.scenarios.accept import commits_alone
from heliograph.bench.servers import empty_server, heliograph
from heliograph.bench.sides.commits import BULK

CONNECTIONS: Final = 4
_SETTING: Final = f"{CONNECTIONS} connections, {BULK:,} a request"
_BODY: Final = msgspec.json.encode(
    [send("user-$U", "$N"), *(send(f"user-{n}", f"{n}") for n in range(1, BULK))]
).decode()


async def run(bench: Bench) -> Result:
    ours: list[Sample] = []
    limit: list[Sample] = []
    expanded: list[float] = []
    async with heliograph(bench.folder / "bulk") as system, empty_server() as empty:
        for turn in range(bench.rounds):
            bench.say(f"bulk, round {turn + 1} of {bench.rounds}: durable")
            load: dict[str, Any] = {"body": _BODY, "connections": CONNECTIONS, "path": "/v1/send/bulk"}
            ours.append(await bench.load(system, **load))
            bench.say(f"bulk, round {turn + 1} of {bench.rounds}: expanded and routed by the router")
            expanded.append(_per_second(ours[-1], await system.drained()))
            bench.say(f"bulk, round {turn + 1} of {bench.rounds}: empty 202")
            limit.append(await bench.load(empty, **load))
    commits = await commits_alone(bench, "bulk")
    rates, limits = ([BULK * sample.rate for sample in side] for side in (ours, limit))
    return Result(
        name="bulk",
        title="Durable bulk sends (rate: notifications/s, latency: a request's)",
        measurements=[
            _of_notifications(measured("heliograph", _SETTING, ours)),
            _of_notifications(measured("empty 202", _SETTING, limit)),
            rates_of("grouped commits alone", "1,000 a commit", commits),
        ],
        figures=[
            figure("durable, notifications/s", rates, goal=100_000.0),
            figure("expanded and routed, notifications/s, everything included", expanded),
            ratio("durable / empty 202", rates, limits),
            ratio("durable / grouped commits alone", rates, commits),
        ],
        notes=["The empty side reads the body and checks the key; it decodes, validates and keeps nothing."],
    )


def _per_second(sample: Sample, drained_s: float) -> float:
    """From the first request to the end of the last one's routing."""
    return BULK * sample.outcome.answered / (sample.outcome.whole_s + drained_s)


def _of_notifications(one: Measurement) -> Measurement:
    """Rates and processor times of requests as those of the notifications in them."""
    return msgspec.structs.replace(
        one,
        rate=one.rate * BULK,
        rates=[rate * BULK for rate in one.rates],
        cpu_us={name: round(used / BULK, 2) for name, used in one.cpu_us.items()},
    )
