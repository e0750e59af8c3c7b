"""Scenario `drain`: how fast accepted notifications go from the router to their end, with a provider that does nothing.

Every event, attempt and acknowledgement is written as in the running system. The limits: the same items through the
same lanes and nothing else, and the same rows in grouped commits and nothing else.
"""

from __future__ import annotations

import statistics
from typing import Final

import msgspec

from heliograph.bench.scenario import Bench, Figure, Measurement, Result, figure, rates_of, ratio, run_module
from heliograph.bench.sides.drain import SIDES
from heliograph.bench.sides.ran import Ran

_OURS, _QUEUE, _STORE = SIDES
_PER_SECOND: Final = {
    "inbox": {_OURS: 8_000, _QUEUE: 80_000, _STORE: 20_000},
    "email": {_OURS: 2_500, _QUEUE: 30_000, _STORE: 12_000},
}
"""Notifications for every second of `--seconds`: about as many as the side can do in it."""
_GOALS: Final = {"email": 15_000.0}
_NOTES: Final = (
    "One process, one event loop beside the store's threads. Presence and users are looked up for every notification.",
    "email: router, worker (rendering) and sender with its guard; events are written before and after every call.",
)


async def run(bench: Bench) -> Result:
    measurements: list[Measurement] = []
    figures: list[Figure] = []
    for variant, counts in _PER_SECOND.items():
        ran: dict[str, list[Ran]] = {side: [] for side in SIDES}
        for turn in range(bench.rounds):
            for side in SIDES:
                bench.say(f"drain, {variant}, round {turn + 1} of {bench.rounds}: {side}")
                count = max(200, int(counts[side] * bench.seconds * bench.options.share))
                ran[side].append(
                    msgspec.json.decode(await run_module("sides.drain", side, variant, str(count)), type=Ran)
                )
        rates = {side: [one.rate for one in found] for side, found in ran.items()}
        measurements += [_measured(side, variant, found) for side, found in ran.items()]
        figures += [
            figure(f"{variant}, notifications/s", rates[_OURS], goal=_GOALS.get(variant)),
            ratio(f"{variant} / queue alone", rates[_OURS], rates[_QUEUE]),
            ratio(f"{variant} / grouped commits alone", rates[_OURS], rates[_STORE]),
            ratio(f"{variant} / both one after the other", rates[_OURS], _both(rates[_QUEUE], rates[_STORE])),
        ]
    title = "Router to channel, a provider that does nothing"
    return Result(name="drain", title=title, measurements=measurements, figures=figures, notes=[*_NOTES])


def _both(queue: list[float], store: list[float]) -> list[float]:
    return [1 / (1 / one + 1 / other) for one, other in zip(queue, store, strict=True)]


def _measured(side: str, variant: str, found: list[Ran]) -> Measurement:
    cpu = round(statistics.median(one.cpu_us for one in found), 1)
    return rates_of(side, variant, [one.rate for one in found], cpu_us={side: cpu})
