"""What a scenario is: a function that drives load at real processes and answers with measurements and figures.

A measurement is one side at one setting (rate, latencies, processor time). A figure is one number that a goal speaks
of, with its spread over the rounds. To add a scenario: write `async def run(bench) -> Result` in a module of its own
in `scenarios/` and add a row to `registry.py`. Every scenario measures its limit in the same run, and the ratio to it.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from heliograph.bench.body import BODY
from heliograph.bench.histogram import Histogram
from heliograph.bench.load import Outcome, Plan
from heliograph.bench.servers import KEY, Server

ACCEPTED: Final = 202
USERS: Final = 100_000
_WARMUP_S: Final = 0.5


class Measurement(msgspec.Struct, kw_only=True):
    """
    side: what was measured ("heliograph", "empty 202" ...). setting: under which load.
    rate: requests a second; rates: of every round, of which `rate` is the median.
    latency: milliseconds at p50 ... max, over all rounds. histogram: its buckets (see `histogram.py`).
    cpu_us: processor microseconds a request, per program.
    failures: requests that weren't answered 202.
    """

    side: str
    setting: str
    rate: float
    rates: list[float]
    latency: dict[str, float]
    histogram: list[tuple[int, int]]
    cpu_us: dict[str, float] = {}
    failures: int = 0


class Figure(msgspec.Struct, kw_only=True):
    """One number, lowest and highest of its rounds, and the goal it has to reach (`at_least`) or keep under."""

    name: str
    value: float
    low: float
    high: float
    unit: str = ""
    goal: float | None = None
    at_least: bool = True

    @property
    def reached(self) -> bool | None:
        if self.goal is None:
            return None
        return self.value >= self.goal if self.at_least else self.value <= self.goal


class Result(msgspec.Struct, kw_only=True):
    name: str
    title: str
    measurements: list[Measurement]
    figures: list[Figure]
    notes: list[str] = []


class NotInstalledError(Exception):
    """What the scenario needs is installed on demand, and isn't. The message says how."""


class Options(msgspec.Struct, kw_only=True, frozen=True):
    """How large a run is.

    seconds: how long every side of every round is measured. rounds: sides take turns so many times.
    connections, rates: those of `accept`; sends a second of `online` and `offline`.
    waiting: notifications in front of P0 in `priority`, and in the backlogs of `recovery`.
    stored: notifications that are there already in `growth`, ascending.
    store_url: of a MongoDB for `cost`; empty = SQLite.
    sockets: open pages in `sockets`.
    share: of the items that `drain` and `push` work off. at_once: what can't meet runs at the same time (`recovery`).
    """

    seconds: float = 5.0
    rounds: int = 3
    connections: tuple[int, ...] = (1, 8, 64, 256)
    rates: tuple[float, ...] = (200.0, 500.0, 1000.0)
    waiting: int = 100_000
    stored: tuple[int, ...] = (10_000, 300_000)
    store_url: str = ""
    sockets: int = 2_000
    share: float = 1.0
    at_once: bool = False


SHORT: Final = Options(
    seconds=0.25, rounds=1, connections=(8,), rates=(100.0,), waiting=500, stored=(500, 2_000), sockets=100,
    share=0.1, at_once=True,
)  # fmt: skip
"""A look at everything, for tests and the curious: its figures mean nothing."""


class Bench:
    """What a scenario gets to work with.

    Args:
        folder: for data folders; removed after the run.
        say: shows what happens now.
    """

    def __init__(self, options: Options, folder: Path, say: Callable[[str], None]) -> None:
        self.options = options
        self.seconds = options.seconds
        self.rounds = options.rounds
        self.folder = folder
        self.say = say
        self._first = 0

    async def load(self, server: Server, *, connections: int, **wanted: Any) -> Sample:
        """One run of the load generator against a server; `wanted` = further fields of `Plan`.

        Raises RuntimeError for an answer 4xx: what was measured then is how fast a request is refused.
        """
        lasts = {"seconds": self.seconds, "warmup_s": min(_WARMUP_S, self.seconds)}
        given = {"key": KEY, "body": BODY, "users": USERS, "first": self._first, **lasts, **wanted}
        plan = Plan(port=server.port, connections=connections, **given)
        self._first += 10_000_000
        before = server.cpu_s()
        outcome = msgspec.json.decode(await run_module("load", given=msgspec.json.encode(plan)), type=Outcome)
        after = server.cpu_s()
        if refused := {status for status in outcome.statuses if 400 <= status < 500}:
            raise RuntimeError(f"{server.name} refused requests: {refused}")
        return Sample(outcome, {name: used - before.get(name, 0.0) for name, used in after.items()})


class Sample:
    """One run against one server: what the load generator saw, and the processor seconds per program meanwhile."""

    def __init__(self, outcome: Outcome, cpu_s: dict[str, float]) -> None:
        self.outcome = outcome
        self.rate = outcome.requests / outcome.seconds
        whole = {**cpu_s, "load generator": outcome.cpu_s}
        self.cpu_us = {name: round(1e6 * used / max(1, outcome.answered), 1) for name, used in whole.items()}


def measured(side: str, setting: str, samples: Sequence[Sample], *, arrivals: bool = False) -> Measurement:
    """All rounds of one side as one measurement; `arrivals` = latencies at the WebSocket instead of the answers'."""
    histogram = Histogram()
    for sample in samples:
        histogram += Histogram.of_json(sample.outcome.arrivals if arrivals else sample.outcome.answers)
    rates = [round(sample.rate, 1) for sample in samples]
    programs = samples[0].cpu_us
    return Measurement(
        side=side,
        setting=setting,
        rate=statistics.median(rates),
        rates=rates,
        latency=histogram.summary_ms(),
        histogram=histogram.to_json(),
        cpu_us={name: statistics.median(one.cpu_us.get(name, 0.0) for one in samples) for name in programs},
        failures=sum(n for one in samples for status, n in one.outcome.statuses.items() if status != ACCEPTED),
    )


def rates_of(side: str, setting: str, rates: Sequence[float], **more: Any) -> Measurement:
    """A measurement of which only the rates are known."""
    rounded = [round(rate, 1) for rate in rates]
    return Measurement(
        side=side,
        setting=setting,
        rate=statistics.median(rounded),
        rates=rounded,
        **{"latency": {}, "histogram": [], **more},
    )


def latencies_of(side: str, setting: str, rate: float, histogram: Histogram, **more: Any) -> Measurement:
    """A measurement at a given rate."""
    return Measurement(
        side=side, setting=setting, rate=rate, rates=[rate], latency=histogram.summary_ms(),
        histogram=histogram.to_json(), **more,
    )  # fmt: skip


def ratio(name: str, ours: Sequence[float], limit: Sequence[float], **more: Any) -> Figure:
    """Ours by the limit, round by round: what else the machine does hits both."""
    return figure(name, [mine / theirs for mine, theirs in zip(ours, limit, strict=True)], **more)


def figure(name: str, values: Sequence[float], **more: Any) -> Figure:
    """The median of the rounds, with their spread."""
    return Figure(name=name, value=statistics.median(values), low=min(values), high=max(values), **more)


async def run_module(name: str, *arguments: str, given: bytes = b"") -> bytes:
    """What a module of this package, run as a process of its own, wrote. Raises RuntimeError when it fails."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", f"heliograph.bench.{name}", *arguments, stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        text, _ = await process.communicate(given)
    finally:
        if process.returncode is None:  # we were cancelled
            process.kill()
    if process.returncode:
        raise RuntimeError(f"heliograph.bench.{name} failed")
    return text
