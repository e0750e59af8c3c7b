"""Scenario `priority`: P0 from its 202 to the provider while a crowd of P2 waits and the provider's pace is used up.

Three times: with nobody waiting (the limit), while the crowd is accepted, expanded, routed and rendered, and when all
of it waits in the outbox. Also the memory of the Python process before and meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

from heliograph.bench import way
from heliograph.bench.crowd import BEFORE_OUTBOX, send_crowd
from heliograph.bench.histogram import Histogram
from heliograph.bench.mailbox import Mailbox, latencies
from heliograph.bench.scenario import Bench, Measurement, Result, Sample, figure, latencies_of, measured
from heliograph.bench.servers import Server, heliograph, lab, sendgrid_of

PACE: Final = 200.0
"""Mails a second that the provider takes."""
RATE: Final = 20.0
"""P0 a second: half of what the pace keeps for them."""
_CONNECTIONS: Final = 16
_SAMPLE_S: Final = 0.25
_NOTES: Final = (
    f"{RATE:g} P0 a second, open loop, beside P2 that would take the provider's {PACE:g} mails a second for itself.",
    "From the 202 to the provider's clock. The limit: the same P0 with nobody waiting.",
    "Memory: resident, of the one Python process, without NATS and Valkey; the highest of 4 samples a second.",
)


async def run(bench: Bench) -> Result:
    waiting = bench.options.waiting
    async with lab() as provider, heliograph(bench.folder / "priority", **sendgrid_of(provider.port, PACE)) as system:
        for number in range(way.USERS):
            user = way.user(number)
            await system.call("PUT", f"/v1/users/{user}", {"email": f"{user}@example.com"})
        bench.say("priority: P0 with nobody waiting")
        alone = [await _p0(bench, system) for _ in range(bench.rounds)]
        before = system.memory_mb()
        async with _highest_memory(system) as memory:
            bench.say(f"priority: P0 while {waiting:,} P2 are accepted and routed")
            accepting = asyncio.create_task(send_crowd(system, waiting, "marketing"))
            flood = [await _p0(bench, system) for _ in range(bench.rounds)]
            await accepting
            bench.say(f"priority: {waiting:,} P2 on their way into the outbox")
            await system.drained(BEFORE_OUTBOX)
            left = await system.backlog(("outbox",))
            bench.say(f"priority: P0 while {left:,} P2 wait in the outbox")
            full = [await _p0(bench, system) for _ in range(bench.rounds)]
        await system.drained(("ingest",))
        mailbox = Mailbox(provider)
        await _until_there(mailbox, [*alone, *flood, *full])
    settings = {"nobody waiting": alone, "while the crowd is routed": flood, f"{left:,} P2 in the outbox": full}
    return _result(settings, mailbox, before, max(memory), left)


async def _p0(bench: Bench, system: Server) -> Sample:
    return await bench.load(system, users=way.USERS, connections=_CONNECTIONS, rate=RATE, stamps=True)


@contextlib.asynccontextmanager
async def _highest_memory(system: Server) -> AsyncIterator[list[float]]:
    """Samples, MB."""
    samples = [system.memory_mb()]

    async def watch() -> None:
        while True:
            await asyncio.sleep(_SAMPLE_S)
            samples.append(system.memory_mb())

    watching = asyncio.create_task(watch())
    try:
        yield samples
    finally:
        watching.cancel()


async def _until_there(mailbox: Mailbox, samples: list[Sample]) -> None:
    """Mails that are the last on their way; one that doesn't come within seconds is lost or overtaken for good."""
    numbers = {number for sample in samples for number in sample.outcome.answered_at}
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(10):
            while not numbers <= mailbox.arrived_at.keys():
                await mailbox.read()
                await asyncio.sleep(0.1)


def _result(settings: dict[str, list[Sample]], mailbox: Mailbox, before: float, highest: float, left: int) -> Result:
    measurements: list[Measurement] = []
    rounds: dict[str, list[Histogram]] = {}
    lost = 0
    for setting, samples in settings.items():
        found = [latencies(sample.outcome.answered_at, mailbox.arrived_at) for sample in samples]
        rounds[setting] = [histogram for histogram, _ in found]
        lost += sum(missing for _, missing in found)
        measurements.append(latencies_of("202 to provider", setting, RATE, sum(rounds[setting], Histogram())))
        measurements.append(measured("send to 202", setting, samples))
    alone, flood, full = ([one.percentile_ms(99) for one in found] for found in rounds.values())
    median = [one.percentile_ms(50) for one in [*rounds.values()][2]]
    at = {"unit": "ms", "at_least": False}
    figures = [
        figure("P0, 202 to provider, nobody waiting, p99", alone, **at),
        figure("P0, 202 to provider, while the crowd is routed, p99", flood, goal=250.0, **at),
        figure(f"P0, 202 to provider, {left:,} P2 in the outbox, p50", median, **at),
        figure(f"P0, 202 to provider, {left:,} P2 in the outbox, p99", full, goal=250.0, **at),
        figure("nobody waiting / P2 in the outbox, p99", [low / high for low, high in zip(alone, full, strict=True)]),
        figure("memory before", [before], unit="MB", at_least=False),
        figure(
            "memory, highest meanwhile: more than before", [highest - before], unit="MB", goal=100.0, at_least=False
        ),
        figure("P0 lost", [lost], goal=0.0, at_least=False),
    ]
    title = "P0 from its 202 to the provider"
    return Result(name="priority", title=title, measurements=measurements, figures=figures, notes=[*_NOTES])
