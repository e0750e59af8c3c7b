"""Scenario `peers`: the same job by Heliograph and by what people use today, in turns, on the same machine.

The job: POST /send, 202, a queue, a worker, one call of the lab's SendGrid for each notification. The same body, the
same load generator, the same provider, no rate limit, and all cores for everybody. Every side starts empty. The limit
is the lab alone: the same calls by a bare HTTP client.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from heliograph.bench.body import send, text_of
from heliograph.bench.histogram import Histogram
from heliograph.bench.mailbox import Mailbox, latencies
from heliograph.bench.peers import BULLMQ, BULLMQ_MONGO, CELERY, PEERS, installed, peer, split
from heliograph.bench.scenario import (
    Bench,
    Figure,
    Measurement,
    NotInstalledError,
    Result,
    Sample,
    figure,
    latencies_of,
    measured,
    rates_of,
    ratio,
)
from heliograph.bench.servers import Server, heliograph, lab, sendgrid_of

OURS, SPLIT = "Heliograph", "Heliograph, 2 processes"
_LAB: Final = "lab alone"
_GOALS: Final = {CELERY: 10.0, BULLMQ: 2.0, BULLMQ_MONGO: 2.0}
_CONNECTIONS: Final = 64
_USERS: Final = 1_000
_NO_LIMIT: Final = 20_000.0
"""Mails a second that Heliograph may send: more than there are."""
_RATE: Final = 200.0
"""Sends a second of the open loop: every side can follow."""
_WITHIN_S: Final = 120.0
_WARM_S: Final = 0.5
_BODY: Final = text_of(send({"id": "user-$U", "email": "user-$U@example.com"}, "$N"))
_MAIL: Final = text_of({
    "personalizations": [{"to": [{"email": "user-$U@example.com"}]}], "from": {"email": "shop@example.com"},
    "subject": "Your order #$N has shipped", "content": [{"type": "text/plain", "value": "Track it any time."}],
})  # fmt: skip
_NOTES: Final = (
    f"{_CONNECTIONS} connections, closed loop, then {_RATE:g}/s, open loop. Processor times are of the former.",
    "End to end: all that was sent in the closed loop, by the time from its first request to its last mail's arrival.",
    "Heliograph: 202 means on disk; users, presence, preferences, HTML mail with unsubscribe link, attempts recorded.",
    "The peers send plain text and record nothing; their 202 means in Valkey, whose log is flushed once a second.",
    f"{BULLMQ_MONGO}: SecantusDB stands in for MongoDB and is slower than it: that side flatters Heliograph.",
)


class Round(msgspec.Struct):
    """One side in one round. end_to_end: mails a second, all of them. arrived: of the open loop, with how many lost."""

    accepted: Sample
    end_to_end: float
    arrived: Histogram
    lost: int


async def run(bench: Bench) -> Result:
    if not installed():
        raise NotInstalledError("the peers are not there: `make peers` in Heliograph's repository installs them")
    rounds: dict[str, list[Round]] = {side: [] for side in (OURS, SPLIT, *PEERS)}
    alone: list[Sample] = []
    async with lab() as provider:
        for turn in range(bench.rounds):
            for side, found in rounds.items():
                where = f"peers, round {turn + 1} of {bench.rounds}: {side}"
                bench.say(f"{where} starts")
                async with _started(side, bench.folder / f"{side}-{turn}".replace(" ", ""), provider.port) as server:
                    found.append(await _round(bench, server, provider, where))
            bench.say(f"peers, round {turn + 1} of {bench.rounds}: {_LAB}")
            alone.append(await _calls_alone(bench, provider))
    return Result(
        name="peers", title="The same job by what people use today (p50 to max: send to mailbox)",
        measurements=_measurements(rounds, alone), figures=figures(rounds, alone), notes=[*_NOTES],
    )  # fmt: skip


@asynccontextmanager
async def _started(side: str, folder: Path, port: int) -> AsyncIterator[Server]:
    if side == OURS:
        async with heliograph(folder, **sendgrid_of(port, _NO_LIMIT)) as server:
            yield server
    elif side == SPLIT:
        async with split(port, _NO_LIMIT) as server:
            yield server
    else:
        async with peer(side, folder, port) as server:
            yield server


async def _round(bench: Bench, server: Server, provider: Server, where: str) -> Round:
    bench.say(f"{where} warms up")
    await _sent(bench, server, provider, seconds=_WARM_S, warmup_s=0.0)
    bench.say(f"{where}, as fast as it can")
    accepted, mailbox = await _sent(bench, server, provider)
    bench.say(f"{where}, {_RATE:g}/s")
    paced, paced_mailbox = await _sent(bench, server, provider, rate=_RATE, stamps=True)
    arrived, lost = latencies(paced.outcome.meant_at, paced_mailbox.arrived_at)
    return Round(accepted, end_to_end(accepted, mailbox.arrived_at), arrived, lost)


async def _sent(bench: Bench, server: Server, provider: Server, **wanted: Any) -> tuple[Sample, Mailbox]:
    """One load, and the mailbox with everything that came of it."""
    await provider.call("DELETE", "/lab/messages")
    mailbox = Mailbox(provider)
    load = {"path": "/send", "users": _USERS, "body": _BODY, **wanted}
    sample = await bench.load(server, connections=_CONNECTIONS, **load)
    ends = time.monotonic() + _WITHIN_S
    sent = sample.outcome.answered
    while await mailbox.count() < sent - len(mailbox.arrived_at) or await _missing(mailbox, sent):
        if time.monotonic() > ends:
            raise TimeoutError(f"{server.name}: {len(mailbox.arrived_at):,} of {sent:,} mails within {_WITHIN_S:g} s")
        await asyncio.sleep(0.25)  # the lab is asked seldom: it has other things to do
    return sample, mailbox


async def _missing(mailbox: Mailbox, sent: int) -> bool:
    """So many have come; some of them may have come twice."""
    await mailbox.read()
    return len(mailbox.arrived_at) < sent


def end_to_end(sample: Sample, arrived_at: dict[int, float]) -> float:
    """Mails a second from the first request to the last arrival."""
    return len(arrived_at) / (max(arrived_at.values()) - sample.outcome.began_at)


async def _calls_alone(bench: Bench, provider: Server) -> Sample:
    await provider.call("DELETE", "/lab/messages")
    path = "/sendgrid/v3/mail/send"
    return await bench.load(provider, connections=_CONNECTIONS, path=path, users=_USERS, body=_MAIL, key="SG.lab")


def _measurements(rounds: dict[str, list[Round]], alone: list[Sample]) -> list[Measurement]:
    found = []
    for side, ran in rounds.items():
        accepted = measured(side, "POST to 202", [one.accepted for one in ran])
        arrived = sum((one.arrived for one in ran), Histogram())
        found += [
            accepted,
            rates_of(side, "end to end", [one.end_to_end for one in ran]),
            latencies_of(side, f"send to mailbox, {_RATE:g}/s", _RATE, arrived),
        ]
    return [*found, measured(_LAB, "calls", alone)]


def figures(rounds: dict[str, list[Round]], alone: list[Sample]) -> list[Figure]:
    rates = {side: [one.end_to_end for one in ran] for side, ran in rounds.items()}
    accepts = {side: [one.accepted.rate for one in ran] for side, ran in rounds.items()}
    figures = []
    for ours in (OURS, SPLIT):
        for side in PEERS:
            figures.append(ratio(f"{ours} / {side}, end to end", rates[ours], rates[side], goal=_GOALS[side]))
            figures.append(ratio(f"{ours} / {side}, accepted", accepts[ours], accepts[side]))
        figures.append(ratio(f"{ours} / {_LAB}, end to end", rates[ours], [one.rate for one in alone]))
    for side, ran in rounds.items():
        for name, percent in (("p50", 50.0), ("p99", 99.0)):
            took = [one.arrived.percentile_ms(percent) for one in ran]
            figures.append(figure(f"{side}, send to mailbox at {_RATE:g}/s, {name}", took, unit="ms", at_least=False))
    figures.append(
        figure("mails lost", [sum(one.lost for ran in rounds.values() for one in ran)], goal=0.0, at_least=False)
    )
    return figures
