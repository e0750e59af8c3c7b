"""Scenario `push`: how fast the push worker empties its lane into FCM, beside a bare HTTP client and `firebase-admin`.

All sides send the same push to the same endpoint of the provider lab, which is a process of its own. The bare client
does nothing else; the worker also pulls its lane, asks its guard, and records every attempt durably before and after.
"""

from __future__ import annotations

import importlib.util
import statistics
from typing import Final

import msgspec

from heliograph.bench.scenario import Bench, Figure, Measurement, Result, figure, rates_of, run_module
from heliograph.bench.servers import Server, lab
from heliograph.bench.sides.push import SIDES
from heliograph.bench.sides.ran import Ran

_FIREBASE: Final = "firebase-admin"
_PER_SECOND: Final = {"heliograph": 2_000, "bare client": 3_000, _FIREBASE: 250}
"""Pushes for every second of `--seconds`: about as many as the side can make in it."""
_NOTES: Final = (
    "Every side has up to 256 calls under way. The lab checks every message as FCM does, and shares the machine.",
    "heliograph: queue, store and presence cache of its own; per push two durable events, none of them skipped.",
)


async def run(bench: Bench) -> Result:
    sides = [side for side in SIDES if side != _FIREBASE or importlib.util.find_spec("firebase_admin")]
    ran: dict[str, list[Ran]] = {side: [] for side in sides}
    async with lab() as server:
        for turn in range(bench.rounds):
            for side in sides:
                bench.say(f"push, round {turn + 1} of {bench.rounds}: {side}")
                ran[side].append(await _one(bench, server, side))
    notes = [*_NOTES]
    if _FIREBASE not in sides:
        notes.append("firebase-admin isn't installed: `make bench` after `make test` measures it too.")
    return Result(
        name="push", title="Push worker", measurements=[_measured(side, found) for side, found in ran.items()],
        figures=_figures(ran), notes=notes,
    )  # fmt: skip


async def _one(bench: Bench, server: Server, side: str) -> Ran:
    await server.call("DELETE", "/lab/messages")
    count = max(100, int(_PER_SECOND[side] * bench.seconds * bench.options.share))
    text = await run_module("sides.push", side, f"http://127.0.0.1:{server.port}", str(count))
    return msgspec.json.decode(text, type=Ran)


def _figures(ran: dict[str, list[Ran]]) -> list[Figure]:
    ours, bare = ran["heliograph"], ran["bare client"]
    ratios = [mine.rate / theirs.rate for mine, theirs in zip(ours, bare, strict=True)]
    figures = [figure("push worker / bare HTTP client", ratios, goal=0.5)]
    if _FIREBASE in ran:
        times = [mine.rate / theirs.rate for mine, theirs in zip(ours, ran[_FIREBASE], strict=True)]
        figures.append(figure("push worker / firebase-admin, send_each_async", times, goal=8.0))
    return figures


def _measured(side: str, found: list[Ran]) -> Measurement:
    return rates_of(
        side, "256 calls", [one.rate for one in found], failures=sum(one.failed for one in found),
        cpu_us={side: round(statistics.median(one.cpu_us for one in found), 1)},
    )  # fmt: skip
