"""What every process says of itself every few seconds, in one cell that all share: who runs, and how fast things move.

Reads this process's own counters; writes its report into the cache, which may lose it. `GET /v1/status` and `heliograph
status` add the reports up. Nothing depends on them.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
from prometheus_client import Counter

from heliograph import __version__, telemetry
from heliograph.core.errors import PresenceUnavailable
from heliograph.core.model import Millis
from heliograph.core.ports import Cells, Clock

EVERY_S: Final = 2.0
_CELL: Final = "processes"
_SILENT_MS: Final = 15_000
"""Who hasn't reported for so long is gone."""
_KEPT_MS: Final = 60_000

log = telemetry.logger("reporting")


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One process. `rates`: a second, over its last interval, by `accepted`, `<role>` and `<provider>:<outcome>`.

    `reconciled_at`: when its reconciler finished its last round; None = it runs none, or another one has the lease.
    """

    process: str
    version: str
    roles: tuple[str, ...]
    started_at: Millis
    at: Millis
    sockets: int = 0
    rates: dict[str, float] = {}
    reconciled_at: Millis | None = None


_reports: Final = msgspec.json.Decoder(dict[str, Report])


class Reporter:
    """The service that reports. Args:
    sockets: how many WebSockets are open here.
    reconciled_at: see `Report`.
    """

    name = "reports"

    def __init__(
        self, cells: Cells, clock: Clock, roles: Sequence[str], *,
        sockets: Callable[[], int] = lambda: 0, reconciled_at: Callable[[], Millis | None] = lambda: None,
        every_s: float = EVERY_S,
    ) -> None:  # fmt: skip
        self._cells = cells
        self._clock = clock
        self._id = secrets.token_hex(4)
        self._roles = tuple(roles)
        self._sockets = sockets
        self._reconciled_at = reconciled_at
        self._every_s = every_s
        self._started_at = clock()
        self._before = self._started_at, counted()

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self.report()
            try:
                await asyncio.wait_for(stop.wait(), self._every_s)
            except TimeoutError:
                continue
        await self._write(lambda others: {name: one for name, one in others.items() if name != self._id})

    async def report(self) -> None:
        made = self._report(self._clock())
        await self._write(lambda others: {**_alive(others, made.at), self._id: made})

    async def _write(self, step: Callable[[Mapping[str, Report]], Mapping[str, Report]]) -> None:
        def change(was: bytes) -> bytes:
            return msgspec.json.encode(step(_reports.decode(was) if was else {}))

        try:
            await self._cells.change(_CELL, change, _KEPT_MS)
        except PresenceUnavailable as error:
            log.debug("cache_away", action="report later", error=repr(error))

    def _report(self, now: Millis) -> Report:
        (then, before), after = self._before, counted()
        self._before = now, after
        seconds = max(0.001, (now - then) / 1000)
        rates = {name: round((count - before.get(name, 0.0)) / seconds, 2) for name, count in after.items()}
        return Report(
            process=f"{socket.gethostname()}:{os.getpid()}",
            version=__version__,
            roles=self._roles,
            started_at=self._started_at,
            at=now,
            sockets=self._sockets(),
            rates={name: rate for name, rate in rates.items() if rate > 0},
            reconciled_at=self._reconciled_at(),
        )


async def reports(cells: Cells, now: Millis) -> Sequence[Report]:
    """Of every process that is alive, the oldest first. Raises `PresenceUnavailable`."""
    found = await cells.change(_CELL, lambda was: was, _KEPT_MS)
    alive = _alive(_reports.decode(found), now).values() if found else ()
    return sorted(alive, key=lambda one: (one.started_at, one.process))


def _alive(found: Mapping[str, Report], now: Millis) -> dict[str, Report]:
    return {name: one for name, one in found.items() if now - one.at <= _SILENT_MS}


def counted() -> dict[str, float]:
    """This process's counters, by the names of `Report.rates`."""
    found: dict[str, float] = {"accepted": 0.0}
    for labels, count in _samples(telemetry.accepted_total):
        found["accepted"] += count if labels else 0.0
    for labels, count in _samples(telemetry.stage_items_total):
        found[labels["stage"]] = found.get(labels["stage"], 0.0) + count
    for labels, count in _samples(telemetry.provider_attempts_total):
        if labels["provider"]:
            found[f"{labels['provider']}:{labels['outcome']}"] = count
    return found


def _samples(counter: Counter) -> list[tuple[dict[str, Any], float]]:
    return [
        (sample.labels, sample.value)
        for metric in counter.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    ]
