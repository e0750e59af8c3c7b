"""Scenario `cost`: what a notification costs in commands, rows and messages while the system is under load.

Counted, not timed: by the store's drivers, by Valkey (`INFO commandstats`), by NATS (`/varz`) and by the lab. The same
on any machine but for how many notifications share a commit, which grows with the load. The idle work of the system in
the measured time (leases, the reconciler's looks) is in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
import msgspec
from redis.asyncio import Redis

from heliograph.backends.servers import NatsServer, ValkeyServer
from heliograph.backends.servers.accounts import OPERATOR
from heliograph.bench import way
from heliograph.bench.mailbox import Mailbox
from heliograph.bench.scenario import Bench, Figure, Measurement, Result, Sample, figure, measured
from heliograph.bench.servers import Server, heliograph, lab, sendgrid_of
from heliograph.bench.sides.counted import FILE

_CONNECTIONS: Final = 64
_PACE: Final = 20_000.0
_OURS: Final = {"info", "auth", "hello", "client|setinfo", "client", "ping", "select"}
"""Commands that connecting and looking need."""
_GOALS: Final = {"store commands": 0.1, "rows": 5.0, "cache commands": 0.5, "NATS messages": 0.1}
_NOTES: Final = (
    f"Single sends over {_CONNECTIONS} connections, closed loop; counted until the last one is settled.",
    "Store commands: of SQLite, transactions and reads outside of them (a trip each); of MongoDB, commands.",
    "NATS messages: both directions as the server counts them, acknowledgements and pull requests included.",
    "Cache commands: as the cache counts them, those inside of its scripts too. Cache trips: reads from its sockets.",
    "inbox: recipient offline, no address. e-mail: offline, mail to the lab. page: online, acknowledged.",
)


class Seen(msgspec.Struct):
    """All counters at one moment, by name."""

    counters: dict[str, float]
    cache: dict[str, int]

    def __sub__(self, before: Seen) -> Seen:
        return Seen(
            {name: value - before.counters[name] for name, value in self.counters.items()},
            {name: calls - before.cache.get(name, 0) for name, calls in self.cache.items()},
        )


class Counted:
    """A running system with everything that counts beside it."""

    def __init__(self, system: Server, folder: Path, redis: Any, nats: NatsServer, mailbox: Mailbox) -> None:
        self.system = system
        self._folder = folder
        self._redis = redis
        self._nats = nats
        self._mailbox = mailbox

    async def look(self) -> Seen:
        """When nothing is under way."""
        await self.system.drained()
        await asyncio.sleep(0.2)  # the file is written 20 times a second
        store = msgspec.json.decode(await asyncio.to_thread((self._folder / FILE).read_bytes), type=dict[str, int])
        stats = await self._redis.info("commandstats")
        cache = {name.removeprefix("cmdstat_"): int(stat["calls"]) for name, stat in stats.items()}
        cache = {name: calls for name, calls in cache.items() if name not in _OURS}
        return Seen(
            {
                "store commands": store["commands"], "rows": store["rows"], "commits": store["commits"],
                "SQL statements": store["statements"], "cache commands": sum(cache.values()),
                "cache trips": await self._cache_reads(),
                "NATS messages": await self._nats_messages(), "provider calls": await self._mailbox.count(),
            },
            cache,
        )  # fmt: skip

    async def _cache_reads(self) -> int:
        """How often the cache read from a socket: what was sent together counts once."""
        return int((await self._redis.info("stats"))["total_reads_processed"])

    async def _nats_messages(self) -> int:
        url = self._nats.health_url.replace("/healthz", "/varz")
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            found = await answer.json()
            return int(found["in_msgs"]) + int(found["out_msgs"])


async def run(bench: Bench) -> Result:
    measurements: list[Measurement] = []
    figures: list[Figure] = []
    notes = [*_NOTES]
    async with _counted(bench) as counted:
        tokens = await _everyone(counted.system)
        for variant, wanted in _variants(tokens).items():
            bench.say(f"cost: {variant}")
            before = await counted.look()
            sample = await bench.load(counted.system, **wanted)
            spent = await counted.look() - before
            measurements.append(measured("send to 202", variant, [sample]))
            figures += _figures(variant, sample, spent)
            notes.append(_cache_note(variant, sample, spent))
    return Result(
        name="cost", title="What a notification costs", measurements=measurements, figures=figures, notes=notes
    )


def _variants(tokens: list[str]) -> dict[str, dict[str, Any]]:
    common = {"connections": _CONNECTIONS, "users": way.USERS}
    return {
        "inbox": {**common, "body": way.TO_NOBODY},
        "e-mail": {**common, "body": way.TO_NOBODY.replace("nobody-", "mail-")},
        "page": {**common, "tokens": tokens},
    }


@asynccontextmanager
async def _counted(bench: Bench) -> AsyncIterator[Counted]:
    folder = bench.folder / "cost"
    nats, valkey = NatsServer(folder / "servers"), ValkeyServer(folder / "servers")
    try:
        nats_url, redis_url = await asyncio.gather(nats.start(), valkey.start())
        urls = {"nats_url": nats_url, "redis_url": redis_url, "store_url": bench.options.store_url}
        module = "heliograph.bench.sides.counted"
        async with lab() as provider:
            settings = {**urls, **sendgrid_of(provider.port, _PACE)}
            counters = valkey.url_of(OPERATOR)  # the system's own account may not read them
            async with heliograph(folder, module=module, **settings) as system, Redis.from_url(counters) as redis:
                yield Counted(system, folder, redis, nats, Mailbox(provider))
    finally:
        await asyncio.gather(nats.stop(), valkey.stop())


async def _everyone(system: Server) -> list[str]:
    """Those who have an address, and the tokens of those who are online."""
    for number in range(way.USERS):
        await system.call("PUT", f"/v1/users/mail-{number:09d}", {"email": f"mail-{number}@example.com"})
    return [await way.token(system, way.user(number)) for number in range(way.USERS)]


def _figures(variant: str, sample: Sample, spent: Seen) -> list[Figure]:
    count = sample.outcome.answered
    goals = {**_GOALS, "provider calls": float(variant == "e-mail")}
    return [
        figure(f"{variant}, {name} a notification", [value / count], goal=goals.get(name), at_least=False)
        for name, value in spent.counters.items()
        if value or name in goals
    ]


def _cache_note(variant: str, sample: Sample, spent: Seen) -> str:
    used = sorted(spent.cache.items(), key=lambda one: -one[1])
    text = ", ".join(f"{name} {calls / sample.outcome.answered:.3f}" for name, calls in used if calls)
    return f"{variant}, cache commands a notification: {text}. {sample.outcome.answered:,} notifications."
