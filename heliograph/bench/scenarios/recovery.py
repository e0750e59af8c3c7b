"""Scenario `recovery`: how fast a backlog goes after an outage, of the provider and of the queue's data.

The limit is the provider's pace: a backlog of N mails can't go faster than N at so many a second. The provider is
away when the mails are sent. Then it is there; or, in the other case, the whole system is killed first, loses
everything but its store, and is started again.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import msgspec

from heliograph.bench.crowd import BEFORE_OUTBOX, send_crowd
from heliograph.bench.mailbox import Mailbox
from heliograph.bench.scenario import Bench, Figure, Measurement, Result, figure, rates_of
from heliograph.bench.servers import Server, free_port, heliograph, lab, sendgrid_of

PACE: Final = 500.0
"""Mails a second that the provider takes."""
_AT_PACE: Final = 2.0
"""The backlog: what takes so many times `--seconds` at that pace."""
_WITHIN_S: Final = 180.0
_NOTES: Final = (
    f"P1 mails; the provider's pace is {PACE:g} a second, which is the limit: the ratio is of mails a second to it.",
    "The whole time counts from the provider's return, or from the restarted system's first answer.",
    "Provider: its breaker is open; a probe finds out, and what had failed before waits for its own backoff.",
    "Queue: killed with SIGKILL, `nats/` and `valkey/` deleted; the reconciler finds every mail in the store.",
)


class Recovered(msgspec.Struct):
    """Seconds until the first mail came, until nine of ten had come, and all; and mails that came twice."""

    first_s: float
    most_s: float
    all_s: float
    twice: int


async def run(bench: Bench) -> Result:
    backlog = max(100, int(PACE * _AT_PACE * bench.seconds))
    provider, queue = await _both(bench, backlog)
    cases = {"the provider's outage": provider, "loss of queue and cache": queue}
    return Result(
        name="recovery", title=f"A backlog of {backlog:,} mails after an outage",
        measurements=[_measured(case, backlog, rounds) for case, rounds in cases.items()],
        figures=[one for case, rounds in cases.items() for one in _figures(case, backlog, rounds)],
        notes=[*_NOTES],
    )  # fmt: skip


async def _both(bench: Bench, backlog: int) -> tuple[list[Recovered], list[Recovered]]:
    async def rounds(case: Callable[[Bench, int, int], Awaitable[Recovered]]) -> list[Recovered]:
        return [await case(bench, backlog, turn) for turn in range(bench.rounds)]

    if bench.options.at_once:
        return await asyncio.gather(rounds(_provider), rounds(_queue))
    return await rounds(_provider), await rounds(_queue)


async def _provider(bench: Bench, backlog: int, turn: int) -> Recovered:
    where = f"recovery, provider, round {turn + 1} of {bench.rounds}"
    port = free_port(3)
    async with heliograph(bench.folder / f"provider-{turn}", **sendgrid_of(port, PACE)) as system:
        await _pile_up(bench, system, backlog, where)
        async with lab(port) as provider:
            bench.say(f"{where}: the provider is back")
            return await _recovered(provider, backlog)


async def _queue(bench: Bench, backlog: int, turn: int) -> Recovered:
    where = f"recovery, queue, round {turn + 1} of {bench.rounds}"
    folder, port = bench.folder / f"queue-{turn}", free_port(3)
    async with heliograph(folder, **sendgrid_of(port, PACE)) as system:
        await _pile_up(bench, system, backlog, where)
        await system.kill()
    await asyncio.to_thread(_wipe, folder)
    bench.say(f"{where}: starts with nothing but the store")
    async with lab(port) as provider, heliograph(folder, **sendgrid_of(port, PACE)):
        return await _recovered(provider, backlog)


async def _pile_up(bench: Bench, system: Server, backlog: int, where: str) -> None:
    bench.say(f"{where}: {backlog:,} mails pile up")
    await send_crowd(system, backlog, "alert")
    await system.drained(BEFORE_OUTBOX)


def _wipe(folder: Path) -> None:
    for name in ("nats", "valkey"):
        shutil.rmtree(folder / name)


async def _recovered(provider: Server, backlog: int) -> Recovered:
    mailbox, started = Mailbox(provider), time.perf_counter()
    reached = []
    for count in (1, int(0.9 * backlog), backlog):
        await mailbox.wait_for(count, _WITHIN_S)
        reached.append(time.perf_counter() - started)
    first_s, most_s, all_s = reached
    return Recovered(first_s, most_s, all_s, await mailbox.count() - backlog)


def _measured(case: str, backlog: int, rounds: list[Recovered]) -> Measurement:
    return rates_of("heliograph", case, [backlog / one.all_s for one in rounds])


def _figures(case: str, backlog: int, rounds: list[Recovered]) -> list[Figure]:
    at = {"unit": "s", "at_least": False}
    after_first = [0.9 * backlog / max(1e-3, one.most_s - one.first_s) / PACE for one in rounds]
    return [
        figure(f"{case}: until the first mail", [one.first_s for one in rounds], **at),
        figure(f"{case}: until nine of ten", [one.most_s for one in rounds], **at),
        figure(f"{case}: until the last", [one.all_s for one in rounds], goal=60.0 + backlog / PACE, **at),
        figure(f"{case}: rate / pace, first mail to nine of ten", after_first),
        figure(f"{case}: rate / pace, the whole time", [backlog / one.all_s / PACE for one in rounds]),
        figure(f"{case}: mails that came twice", [float(one.twice) for one in rounds], at_least=False),
    ]
