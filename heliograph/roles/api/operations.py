"""For people on call: what waits where, what is paused, how everything is doing (CONTRACT section 7)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Annotated, Any, Final

import msgspec
from litestar import Response, delete, get, put
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from heliograph.core import wire
from heliograph.core.errors import Flaw, PresenceUnavailable, Problem, QueueUnavailable
from heliograph.core.headers import header_flaw
from heliograph.core.model import Level, Millis
from heliograph.core.pausing import PAUSABLE, Pause
from heliograph.core.ports import Cells, Clock, LaneState, Queue, Store
from heliograph.pausing import pause, paused, resume
from heliograph.reporting import Report, reports
from heliograph.web import MANAGE, READ, AnyRequest, Callers, json, no_content, read_body

OPERATOR: Final = "default"
"""The tenant whose keys may pause: a pause stops everybody's notifications."""
MAX_REASON: Final = 200
Providers = Callable[[], Awaitable[Mapping[str, str]]]
"""How each provider's account is, in words, as `/readyz` tells it."""


class PauseInput(msgspec.Struct, forbid_unknown_fields=True):
    reason: Annotated[str, Meta(max_length=MAX_REASON)] = ""


def lanes_shown(
    states: Mapping[tuple[str, Level], LaneState], pauses: Mapping[str, Pause], now: Millis
) -> dict[str, dict[str, dict[str, Any]]]:
    """Per lane and level; `paused` stands there only where it is so."""
    shown: dict[str, dict[str, dict[str, Any]]] = {}
    for (lane, level), state in states.items():
        age_s = 0.0 if state.oldest_at is None else max(0.0, (now - state.oldest_at) / 1000)
        shown.setdefault(lane, {})[level.name.lower()] = {
            "depth": state.depth,
            "oldest_age_s": round(age_s, 3),
            "in_flight": state.in_flight,
            **({"paused": True} if lane in pauses else {}),
        }
    return shown


def pause_shown(found: Pause) -> dict[str, str]:
    return {"name": found.name, "at": wire.rfc3339(found.at), "reason": found.reason}


def processes_shown(found: tuple[Report, ...], now: Millis) -> dict[str, Any]:
    """Who runs, and their sums: sockets, rates a second, the reconciler's last round."""
    rates: dict[str, float] = {}
    for report in found:
        for name, rate in report.rates.items():
            rates[name] = round(rates.get(name, 0.0) + rate, 2)
    rounds = [report.reconciled_at for report in found if report.reconciled_at is not None]
    return {
        "processes": [_process(report, now) for report in found],
        "sockets": sum(report.sockets for report in found),
        "rates": rates,
        "reconciler": {"last_round_age_s": round(max(0, now - max(rounds)) / 1000, 3) if rounds else None},
    }


def _process(report: Report, now: Millis) -> dict[str, Any]:
    return {
        "process": report.process,
        "version": report.version,
        "roles": report.roles,
        "up_s": (now - report.started_at) // 1000,
        "sockets": report.sockets,
    }


def _pausable(name: str) -> str:
    """Raises `Problem("not_found")`."""
    if name not in PAUSABLE:
        raise Problem("not_found", f"there is no lane or provider {name!r}; there are {', '.join(PAUSABLE)}")
    return name


def routes(
    store: Store, queue: Queue, cells: Cells, callers: Callers, clock: Clock, providers: Providers
) -> list[ControllerRouterHandler]:
    async def operator(request: AnyRequest) -> None:
        if await callers.tenant(request) != OPERATOR:
            raise Problem("forbidden", f"only keys of the tenant `{OPERATOR}` may pause: it stops everybody's")

    @get("/v1/lanes", opt=READ, summary="How much waits where, in notifications")
    async def lanes(request: AnyRequest) -> Response[bytes]:
        await callers.tenant(request)
        states, pauses = await asyncio.gather(queue.lanes(), paused(store))
        return json(lanes_shown(states, pauses, clock()))

    @get("/v1/status", opt=READ, summary="Lanes, providers, processes, sockets, rates, pauses")
    async def status(request: AnyRequest) -> Response[bytes]:
        await callers.tenant(request)
        pauses, dead, words = await asyncio.gather(paused(store), store.dead_count(), providers())
        shown: dict[str, Any] = {"queue": "down", "cache": "down", "lanes": {}}
        with suppress(QueueUnavailable):
            shown |= {"lanes": lanes_shown(await queue.lanes(), pauses, clock()), "queue": "up"}
        found: tuple[Report, ...] = ()
        with suppress(PresenceUnavailable):
            found = tuple(await reports(cells, clock()))
            shown["cache"] = "up"
        shown |= {"providers": words, "paused": [pause_shown(one) for one in pauses.values()], "dead_letters": dead}
        return json({"at": wire.rfc3339(clock()), "store": "up", **shown, **processes_shown(found, clock())})

    @get("/v1/pauses", opt=READ, summary="What is paused by hand")
    async def pauses(request: AnyRequest) -> Response[bytes]:
        await callers.tenant(request)
        return json({"paused": [pause_shown(one) for one in (await paused(store)).values()]})

    @put("/v1/pauses/{name:str}", status_code=200, opt={**MANAGE, "body": PauseInput}, summary="Pause one")
    async def pause_one(request: AnyRequest, name: FromPath[str]) -> Response[bytes]:
        await operator(request)
        wanted = await read_body(request, PauseInput)
        if header_flaw(wanted.reason):
            raise Problem("invalid", flaws=(Flaw("reason", "is one line of text"),))
        return json(pause_shown(await pause(store, _pausable(name), wanted.reason, clock())))

    @delete("/v1/pauses/{name:str}", opt=MANAGE, summary="Resume one")
    async def resume_one(request: AnyRequest, name: FromPath[str]) -> Response[None]:
        await operator(request)
        if not await resume(store, _pausable(name)):
            raise Problem("not_found", f"{name} is not paused")
        return no_content()

    return [lanes, status, pauses, pause_one, resume_one]
