"""What a scenario is: a function that drives load at real processes and answers with measurements and figures.

A measurement is one side at one setting (rate, latencies, processor time). A figure is one number that a goal speaks of,
with its spread over the rounds. To add a scenario: write `async def run(bench) -> Result` in a module of its own and add
a row to `SCENARIOS` in `__main__.py`.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from bench.histogram import Histogram
from bench.load import Outcome, Plan
from bench.servers import KEY, Server

USERS: Final = 100_000
BODY: Final = msgspec.json.encode({
    "to": "user-$U", "type": "transactional", "category": "order.shipped", "title": "Your order #$N has shipped",
    "body": "It left our warehouse this morning. Track it any time.", "data": {"order_id": "$N", "items": 3},
    "action_url": "https://shop.example/orders/$N",
}).decode()  # fmt: skip
"""The example of CONTRACT section 2, every request with a number of its own."""


class Measurement(msgspec.Struct, kw_only=True):
    """
    side: what was measured ("heliograph", "empty 202" ...). setting: under which load.
    rate: requests a second; rates: of every round, of which `rate` is the median.
    latency: milliseconds at p50 ... max, over all rounds. histogram: its buckets (see `bench.histogram`).
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


class Bench:
    """What a scenario gets to work with.

    Args:
        seconds: how long every side of every round is measured.
        folder: for data folders; removed after the run.
        say: shows what happens now.
    """

    def __init__(self, seconds: float, folder: Path, say: Callable[[str], None]) -> None:
        self.seconds = seconds
        self.folder = folder
        self.say = say
        self._first = 0

    async def load(self, server: Server, *, connections: int, **plan: object) -> Sample:
        """One run of the load generator against a server."""
        fields = {"port": server.port, "key": KEY, "body": BODY, "users": USERS, "seconds": self.seconds, **plan}
        text = msgspec.json.encode({**fields, "connections": connections, "first": self._first})
        before = server.cpu_s()
        outcome = await _generate(text)
        after = server.cpu_s()
        self._first += 1_000_000
        return Sample(outcome, {name: after[name] - before.get(name, 0.0) for name in after})


class Sample:
    """One run of one side. `cpu_s` covers the warm-up too, so it is divided by the whole time."""

    def __init__(self, outcome: Outcome, cpu_s: dict[str, float]) -> None:
        self.outcome = outcome
        self.rate = outcome.requests / outcome.seconds
        whole_s = outcome.seconds + Plan.__struct_defaults__[Plan.__struct_fields__.index("warmup_s") - len(Plan.__struct_fields__)]
        self.cpu_us = {name: 1e6 * used / (self.rate * whole_s) for name, used in cpu_s.items()} if self.rate else {}
