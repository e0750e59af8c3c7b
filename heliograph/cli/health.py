"""How this process and the installation are, for `/readyz` and `/metrics`: asked on demand, never on a timer.

Reads store, queue, cache and guards; sets gauges. What concerns the installation (lanes, dead letters) only the API and
the reconciler read: were every worker to ask, a large cluster would spend its time answering itself.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, Final

from heliograph import __version__, telemetry
from heliograph.cli.backends import Backends, now
from heliograph.cli.roles import Roles
from heliograph.core.errors import PresenceUnavailable, Problem, QueueUnavailable, StoreUnavailable
from heliograph.core.model import Key

_OVERSEERS: Final = frozenset({"api", "reconciler"})
_NOBODY: Final = Key("", "")


class Health:
    """Args:
    names: this process's roles.
    stop: set as soon as this process drains.
    """

    def __init__(self, names: Sequence[str], roles: Roles, backends: Backends, stop: asyncio.Event) -> None:
        self._roles = roles
        self._backends = backends
        self._stop = stop
        self._oversees = not _OVERSEERS.isdisjoint(names)
        self._told = (0, 0, 0, 0)
        telemetry.build.info({"version": __version__, "roles": " ".join(names)})

    async def ready(self) -> dict[str, Any]:
        """What stands in `/readyz`. Raises `Problem` or `StoreUnavailable` when this process should get no requests."""
        if self._stop.is_set():
            raise Problem("overloaded", "this process is draining", retry_after_s=1)
        await self._backends.store.ping()
        queue = "up" if self._backends.queue.link.is_up else "down"
        paused = {name: pause.words for name, pause in self._roles.pauses.known.items()}
        return {"store": "up", "queue": queue, "providers": await self._roles.providers_in_words(), "paused": paused}

    async def refresh(self) -> None:
        """Sets the gauges that are read on demand. What can't be read has no value, rather than an old one."""
        self._count_live_connections()
        telemetry.db_in_use.set(self._backends.store.in_use())
        await asyncio.gather(self._roles.providers_in_words(), self._store(), self._cache(), self._queue())

    async def _store(self) -> None:
        with _backend("store", StoreUnavailable):
            await self._backends.store.ping()
            if self._oversees:
                telemetry.dead_letters.set(await self._backends.store.dead_count())

    async def _cache(self) -> None:
        with _backend("cache", PresenceUnavailable):
            await self._backends.presence.look([_NOBODY], now())

    async def _queue(self) -> None:
        for gauge in (telemetry.lane_depth, telemetry.lane_in_flight, telemetry.lane_oldest):
            gauge.clear()
        if not self._oversees:
            telemetry.backend_up.labels("queue").set(self._backends.queue.link.is_up)
            return
        with _backend("queue", QueueUnavailable):
            for (lane, level), state in (await self._backends.queue.lanes()).items():
                labels = (lane, level.name.lower())
                telemetry.lane_depth.labels(*labels).set(state.depth)
                telemetry.lane_in_flight.labels(*labels).set(state.in_flight)
                age_s = 0.0 if state.oldest_at is None else max(0.0, (now() - state.oldest_at) / 1000)
                telemetry.lane_oldest.labels(*labels).set(age_s)

    def _count_live_connections(self) -> None:
        if self._roles.node is None:
            return
        counters = self._roles.node.counters
        telemetry.connections.set(counters.connections)
        counted = (counters.accepted, counters.frames_sent, counters.frames_received, counters.slow_closed)
        series = (
            telemetry.ws_accepted_total, telemetry.ws_frames_total.labels("sent"),
            telemetry.ws_frames_total.labels("received"), telemetry.ws_slow_closed_total,
        )  # fmt: skip
        for total, value, before in zip(series, counted, self._told, strict=True):
            total.inc(value - before)
        self._told = counted


@contextlib.contextmanager
def _backend(name: str, away: type[Exception]) -> Iterator[None]:
    """Says whether it answered."""
    try:
        yield
    except away:
        telemetry.backend_up.labels(name).set(0)
    else:
        telemetry.backend_up.labels(name).set(1)
