"""Scenario `sockets`: what an open page costs the real-time service, and how much a processor second of it delivers.

The real-time role is a process of its own; API, router and in-app worker share another one. Pages are held by several
processes (`sides/sockets.py`). Measured is the whole way, one bulk send to everybody; the limit is the fan-out alone:
frames that stand in the users' streams already go to the node over the bus, and nobody acknowledges.
"""

from __future__ import annotations

import itertools
import resource
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec

from heliograph.backends.bus import NatsBus
from heliograph.backends.redis import RedisStreams
from heliograph.bench.body import send
from heliograph.bench.clock import now
from heliograph.bench.pages import Clients, open_pages
from heliograph.bench.scenario import Bench, Figure, Measurement, Result, figure, rates_of, ratio
from heliograph.bench.servers import Server, role
from heliograph.bench.sides.parts import Parts, parts
from heliograph.bench.sides.sockets import TENANT, user
from heliograph.core.frames import NotificationFrame, pack_notifications
from heliograph.core.ids import new_notification_id
from heliograph.core.model import Key, Notification
from heliograph.core.ports import StreamEntry
from heliograph.core.wire import fresh_inbox_item

_WARM: Final = 20
"""Pages that were open before memory is first read."""
_SPARE: Final = 200
"""Open files of the real-time process that are no pages."""
_BULK: Final = 10_000
_WAVE: Final = 10_000
"""Deliveries that are on their way at once, if there are so few pages."""
_EACH: Final = 50
"""Deliveries to one page at once: it acknowledges them, and may say no more than 200 things at once."""
_PER_SECOND: Final = {"bus": 100_000, "whole": 4_000}
"""Deliveries for every second of `--seconds`, at least one for each page."""
_CHUNK: Final = 500
_FANOUT, _WHOLE = "fan-out alone", "bulk send to page"
_NOTES: Final = (
    "memory: growth of the real-time process' resident memory; the kernel's buffers are not in it.",
    "A processor second is one of the real-time process with all its threads, so deliveries a second on one core.",
    "Bulk send to page: durable, routed, acknowledged by every page, one `delivered` event each.",
    "Fan-out alone: over the bus from frames that are there already; nothing is acknowledged.",
)


class Fanout(msgspec.Struct):
    """So many deliveries: how long they took, and the processor seconds of the real-time process meanwhile."""

    deliveries: int
    seconds: float
    cpu_s: float

    @property
    def rate(self) -> float:
        return self.deliveries / self.seconds

    @property
    def a_core(self) -> float:
        """Deliveries a processor second."""
        return self.deliveries / max(self.cpu_s, 0.01)  # what /proc can tell apart


class Opened(msgspec.Struct):
    """Pages, how long they took to connect, and what the process grew by."""

    pages: int
    seconds: float
    grown_mb: float

    @property
    def kb(self) -> float:
        return 1024 * self.grown_mb / self.pages


async def run(bench: Bench) -> Result:
    pages = _allowed(bench.options.sockets)
    secret = secrets.token_hex(32)
    async with parts() as found:
        urls = {"store_url": found.store_url, "nats_url": found.nats_url, "redis_url": found.redis_url}
        settings = {**urls, "user_token_secret": secret}
        async with role("realtime", **settings) as realtime, role("api", "router", "inapp-worker", **settings) as api:
            bench.say(f"sockets: {pages:,} pages connect")
            async with _opened(realtime, secret, pages) as (opened, clients):
                fanouts, wholes = await _fanouts(bench, found, realtime, api, clients, pages)
    return Result(
        name="sockets", title=f"{pages:,} open pages on one real-time process",
        measurements=_measurements(opened, fanouts, wholes), figures=figures(opened, fanouts, wholes),
        notes=[*_NOTES],
    )  # fmt: skip


def _allowed(wanted: int) -> int:
    """As many as one process may open files, after raising what it may (setrlimit(2)): servers and clients inherit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard - _SPARE)


# --- pages ------------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _opened(realtime: Server, secret: str, pages: int) -> AsyncIterator[tuple[Opened, Clients]]:
    async with open_pages(realtime.port, secret, pages, _WARM) as _:
        pass
    before = realtime.memory_mb()
    async with open_pages(realtime.port, secret, 0, pages) as (clients, seconds):
        yield Opened(pages, seconds, realtime.memory_mb() - before), clients


# --- fan-out ----------------------------------------------------------------------------------------------------------


async def _fanouts(
    bench: Bench, found: Parts, realtime: Server, api: Server, clients: Clients, pages: int
) -> tuple[list[Fanout], list[Fanout]]:
    """Both sides in turn."""
    fanouts: list[Fanout] = []
    wholes: list[Fanout] = []
    streams = RedisStreams(found.redis_url)
    try:
        for turn in range(bench.rounds):
            where = f"sockets, round {turn + 1} of {bench.rounds}"
            bench.say(f"{where}: {_FANOUT}")
            waves = max(1, round(_PER_SECOND["bus"] * bench.seconds / max(pages, _WAVE)))
            each = max(1, _WAVE // pages)
            fanouts.append(total([await _wave(found, streams, realtime, clients, pages, each) for _ in range(waves)]))
            bench.say(f"{where}: {_WHOLE}")
            each = min(_EACH, max(1, round(_PER_SECOND["whole"] * bench.seconds / pages)))
            wholes.append(await _whole(realtime, api, clients, pages, each))
            await api.drained()
    finally:
        await streams.close()
    return fanouts, wholes


async def _wave(
    found: Parts, streams: RedisStreams, realtime: Server, clients: Clients, pages: int, each: int
) -> Fanout:
    users = [Key(TENANT, user(number)) for number in range(pages)]
    await clients.begin(each, acks=False)  # first: the node looks into streams by itself now and then
    before = _cpu_s(realtime)
    node, payloads = await _packed(streams, users * each)
    bus, started = NatsBus(found.queue.link), time.time()
    for payload in payloads:
        await bus.send(node, payload)
    at = await clients.over(pages * each)
    return Fanout(pages * each, at - started, _cpu_s(realtime) - before)


async def _packed(streams: RedisStreams, users: Sequence[Key]) -> tuple[str, list[bytes]]:
    """The node that holds the users, and one message for each user, in their streams and ready for the bus."""
    frames: list[NotificationFrame] = []
    nodes: set[str] = set()
    for start in range(0, len(users), _CHUNK):
        made = [_entry(one) for one in users[start : start + _CHUNK]]
        for (key, notification_id, planned, payload), place in zip(
            made, await streams.append(made, now()), strict=True
        ):
            assert place
            nodes.update(place.nodes)
            entry = StreamEntry(place.position.offset, notification_id, planned, payload)
            frames.append(NotificationFrame(key, place.position.epoch, entry))
    (node,) = nodes
    return node, pack_notifications(frames)


_numbers: Final = itertools.count()


def _entry(key: Key) -> tuple[Key, str, bool, bytes]:
    at = now()
    content: dict[str, Any] = send(key.id, str(next(_numbers)), "alert")
    content.pop("to")
    made = Notification(id=new_notification_id(at), tenant=key.tenant, user=key.id, created_at=at, **content)
    return key, made.id, False, fresh_inbox_item(made)


async def _whole(realtime: Server, api: Server, clients: Clients, pages: int, each: int) -> Fanout:
    sends = [
        send(user(number), str(next(_numbers)), "alert") | {"channels": ["in_app"]} for number in range(pages)
    ] * each
    await clients.begin(each, acks=True)
    before, started = _cpu_s(realtime), time.time()
    for start in range(0, len(sends), _BULK):
        await api.call("POST", "/v1/send/bulk", sends[start : start + _BULK])
    at = await clients.over(len(sends))
    return Fanout(len(sends), at - started, _cpu_s(realtime) - before)


def _cpu_s(server: Server) -> float:
    return server.cpu_s()[server.name]


def total(parts: Sequence[Fanout]) -> Fanout:
    """Several, one after the other, as one."""
    return Fanout(
        sum(one.deliveries for one in parts), sum(one.seconds for one in parts), sum(one.cpu_s for one in parts)
    )


# --- result -----------------------------------------------------------------------------------------------------------


def _measurements(opened: Opened, fanouts: list[Fanout], wholes: list[Fanout]) -> list[Measurement]:
    setting = f"{opened.pages:,} pages"
    return [
        rates_of("connect, until `connected`", setting, [opened.pages / opened.seconds]),
        *(
            rates_of(
                side, setting, [one.rate for one in ran],
                cpu_us={"realtime": round(1e6 * sum(one.cpu_s for one in ran) / sum(one.deliveries for one in ran), 1)},
            )
            for side, ran in ((_WHOLE, wholes), (_FANOUT, fanouts))
        ),
    ]  # fmt: skip


def figures(opened: Opened, fanouts: list[Fanout], wholes: list[Fanout]) -> list[Figure]:
    alone, whole = [one.a_core for one in fanouts], [one.a_core for one in wholes]
    return [
        figure("memory a socket", [opened.kb], unit="KB", goal=15.0, at_least=False),
        figure("sockets connected a second", [opened.pages / opened.seconds]),
        figure(f"{_FANOUT}, deliveries a processor second", alone, goal=100_000.0),
        figure(f"{_WHOLE}, deliveries a processor second of realtime", whole),
        figure(f"{_WHOLE}, deliveries a second", [one.rate for one in wholes]),
        ratio(f"{_WHOLE} / {_FANOUT}, a processor second", whole, alone),
    ]
