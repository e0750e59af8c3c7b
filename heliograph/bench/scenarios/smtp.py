"""Scenario `smtp`: mails through our SMTP provider, and a bare loop of aiosmtplib over connections that it reuses.

Both hand the same mail to the same sink, a process of its own. Ours starts from the rendered `Mail` (checks, MIME, the
pool); the bare loop has the finished bytes, waits for nobody and checks nothing. The sides take turns.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Final

import aiosmtplib

from heliograph.bench.histogram import Histogram
from heliograph.bench.scenario import Bench, Measurement, Result, figure
from heliograph.bench.servers import smtp_sink
from heliograph.core.headers import parse_mailbox
from heliograph.core.mail import render_mail
from heliograph.core.model import Mail, Notification
from heliograph.core.outcomes import Delivered
from heliograph.providers.mime import message_bytes
from heliograph.providers.smtp import Smtp

CONNECTIONS: Final = (1, 10)
SENDER: Final = "Shop <no-reply@shop.example>"
_SIDES: Final = ("heliograph", "bare loop")
_NOTES: Final = (
    "No TLS. The bare loop sends finished bytes and never changes its connection; ours builds every message.",
    "A connection of ours carries 100 mails and is then opened anew.",
)
Send = Callable[[int], Awaitable[None]]


def _mail() -> Mail:
    notification = Notification(
        id="ntf_01h455vb4pex5vsknk084sn02q", tenant="default", user="user-1", type="marketing", created_at=0,
        title="Your order has shipped", body="Track it any time.\n\n" * 5, action_url="https://shop.example/orders/1",
    )  # fmt: skip
    return render_mail(
        notification, "anna@example.com", "Anna", unsubscribe="https://notify.shop.example/v1/x/" + "y" * 200
    )


async def run(bench: Bench) -> Result:
    measurements: list[Measurement] = []
    figures = []
    async with smtp_sink() as port:
        for connections in CONNECTIONS:
            setting = f"{connections} connection{'s' * (connections > 1)}"
            took: dict[str, list[list[int]]] = {side: [] for side in _SIDES}
            rates: dict[str, list[float]] = {side: [] for side in _SIDES}
            for turn in range(bench.rounds):
                for side, measure in zip(_SIDES, (_ours, _bare), strict=True):
                    bench.say(f"smtp, {setting}, round {turn + 1} of {bench.rounds}: {side}")
                    times, seconds = await measure(port, connections, bench.seconds)
                    took[side].append(times)
                    rates[side].append(len(times) / seconds)
            measurements += [_measured(side, setting, rates[side], took[side]) for side in _SIDES]
            pairs = zip(*rates.values(), strict=True)
            figures.append(figure(f"provider / bare loop, {setting}", [ours / bare for ours, bare in pairs], goal=0.8))
    return Result(
        name="smtp", title="Mails by SMTP (rate: mails/s)", measurements=measurements, figures=figures, notes=[*_NOTES]
    )


def _measured(side: str, setting: str, rates: list[float], took: list[list[int]]) -> Measurement:
    histogram = Histogram.of_ns(one for times in took for one in times)
    return Measurement(
        side=side, setting=setting, rate=statistics.median(rates), rates=[round(rate, 1) for rate in rates],
        latency=histogram.summary_ms(), histogram=histogram.to_json(),
    )  # fmt: skip


async def _ours(port: int, connections: int, seconds: float) -> tuple[list[int], float]:
    smtp, mail = Smtp(f"smtp://127.0.0.1:{port}", SENDER, connections=connections), _mail()

    async def send(_: int) -> None:
        outcome = await smtp.send(mail)
        assert isinstance(outcome, Delivered), outcome

    try:
        return await _timed(send, connections, seconds)
    finally:
        await smtp.close()


async def _bare(port: int, connections: int, seconds: float) -> tuple[list[int], float]:
    message = message_bytes(_mail(), parse_mailbox(SENDER), "<1@shop.example>", 0)
    clients = [aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False) for _ in range(connections)]
    for client in clients:
        await client.connect()

    async def send(number: int) -> None:
        await clients[number].sendmail("no-reply@shop.example", ["anna@example.com"], message)

    try:
        return await _timed(send, connections, seconds)
    finally:
        for client in clients:
            client.close()


async def _timed(send: Send, connections: int, seconds: float) -> tuple[list[int], float]:
    """So many loops at once; nanoseconds of every mail, and how long it all took."""
    took: list[int] = []
    ends = time.perf_counter() + seconds

    async def loop(number: int) -> None:
        while time.perf_counter() < ends:
            started = time.perf_counter_ns()
            await send(number)
            took.append(time.perf_counter_ns() - started)

    started = time.perf_counter()
    await asyncio.gather(*(loop(number) for number in range(connections)))
    return took, time.perf_counter() - started
