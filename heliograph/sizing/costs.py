"""What one notification, one socket and one stored row cost: read from results of `heliograph bench`.

Ships with figures measured on the machine of docs/performance.md (`measured.json`); results of your own machine replace
the figures they hold. Never guesses: `sources` says of every cost where it is from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Final

import msgspec

SHIPPED: Final = "measured.json"


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """Processor microseconds (`_us`), bytes, and counts, each under load, where natural batching has set in.

    Attributes:
        accept_us: an API process, a durable single send.
        route_us: the router, with the write into the inbox.
        page_us: in-app worker and realtime, to an open page.
        mail_us: e-mail worker and sender together.
        push_us: push worker, a push.
        broker_us, cache_us: nats-server and Valkey, a notification.
        rows: documents or rows written, a notification.
        stored_bytes: on disk, with indexes and events.
        queued_bytes: in the queue, an item.
        socket_bytes: resident memory, a WebSocket.
        presence_bytes: in Valkey, a user online, short history included.
        process_bytes: resident memory of a process at rest.
        sources: where each is from.
    """

    accept_us: float
    route_us: float
    page_us: float
    mail_us: float
    push_us: float
    broker_us: float
    cache_us: float
    rows: float
    stored_bytes: float
    queued_bytes: float
    socket_bytes: float
    presence_bytes: float
    process_bytes: float
    sources: dict[str, str] = {}


class _Measurement(msgspec.Struct):
    side: str
    setting: str
    cpu_us: dict[str, float] = {}


class _Figure(msgspec.Struct):
    name: str
    value: float


class _Scenario(msgspec.Struct):
    name: str
    measurements: list[_Measurement]
    figures: list[_Figure]


class _Report(msgspec.Struct):
    at: str
    scenarios: list[_Scenario]


def shipped() -> Costs:
    """The costs that come with Heliograph."""
    return msgspec.json.decode(files(__package__).joinpath(SHIPPED).read_bytes(), type=Costs)


def measured(costs: Costs, report: bytes, name: str) -> Costs:
    """`costs` with what a result of `heliograph bench` says; `name` = the result's, for `sources`.

    Raises msgspec.MsgspecError for what is no result.
    """
    found = dict(_read(msgspec.json.decode(report, type=_Report)))
    sources = {**costs.sources, **dict.fromkeys(found, name)}
    return msgspec.structs.replace(costs, **found, sources=sources)


def _read(report: _Report) -> Iterable[tuple[str, float]]:
    cpu = {
        (scenario.name, one.side, one.setting): one.cpu_us
        for scenario in report.scenarios
        for one in scenario.measurements
    }
    figures = {(scenario.name, one.name): one.value for scenario in report.scenarios for one in scenario.figures}
    yield from _of_accept(cpu)
    yield from _of_drain(cpu)
    if rows := figures.get(("cost", "e-mail, rows a notification")):
        yield "rows", rows
    if sockets := figures.get(("sockets", "memory a socket")):
        yield "socket_bytes", sockets * 1024


Cpu = Mapping[tuple[str, str, str], Mapping[str, float]]


def _of_accept(cpu: Cpu) -> Iterable[tuple[str, float]]:
    """The process of `accept` routes too: what the router takes is not the API's."""
    used = cpu.get(("accept", "heliograph", "64 connections"), {})
    if "heliograph" in used:
        yield "accept_us", max(0.0, used["heliograph"] - _inbox_us(cpu))
    for program, name in (("nats-server", "broker_us"), ("valkey-server", "cache_us")):
        if program in used:
            yield name, used[program]


def _of_drain(cpu: Cpu) -> Iterable[tuple[str, float]]:
    inbox, mail = _inbox_us(cpu), cpu.get(("drain", "heliograph", "email"), {}).get("heliograph")
    if inbox:
        yield "route_us", inbox
    if inbox and mail:
        yield "mail_us", max(0.0, mail - inbox)


def _inbox_us(cpu: Cpu) -> float:
    return cpu.get(("drain", "heliograph", "inbox"), {}).get("heliograph", 0.0)
