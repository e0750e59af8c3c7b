"""For people on call: lanes, dead letters and their replay (CONTRACT section 7)."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any

import msgspec
from litestar import Response, get, post
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from heliograph.core import wire
from heliograph.core.errors import Flaw, Problem
from heliograph.core.lifecycle import Event
from heliograph.core.model import Key, Level, Millis
from heliograph.core.ports import Clock, DeadGroup, DeadLetter, LaneState, Queue, Store
from heliograph.web import MANAGE, READ, AnyRequest, Callers, json, only_query, read_body

CHANNELS = ("email", "push", "in_app", "routing")


class ReplayInput(msgspec.Struct, forbid_unknown_fields=True):
    """Either `cause` or `ids` (of dead letters or notifications)."""

    cause: Annotated[str, Meta(min_length=1)] | None = None
    ids: Annotated[list[str], Meta(min_length=1, max_length=10_000)] | None = None
    rate_per_s: Annotated[float, Meta(ge=0.01, le=1_000_000)] | None = None


def _letter(letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "notification_id": letter.notification_id,
        "channel": letter.channel,
        "level": letter.level.name.lower(),
        "cause": letter.cause,
        "detail": letter.detail,
        "attempts": letter.attempts,
        "at": wire.rfc3339(letter.at),
    }


def _group(group: DeadGroup) -> dict[str, Any]:
    return {
        "cause": group.cause,
        "count": group.count,
        "oldest_at": wire.rfc3339(group.oldest_at),
        "example": _letter(group.example),
    }


async def _with_history(store: Store, group: dict[str, Any], tenant: str) -> dict[str, Any]:
    """The example with what was tried, so that the cause can be judged without another call."""
    example = group["example"]
    history = (await store.histories([Key(tenant, example["notification_id"])]))[0]
    return {**group, "example": {**example, "history": wire.timeline(history) if history else []}}


async def replay(store: Store, letters: list[DeadLetter], rate_per_s: float | None, now: Millis) -> int:
    """Reopens each letter's delivery, spread over time by the rate; the reconciler publishes it when it is due."""
    histories = await store.histories([Key(letter.tenant, letter.notification_id) for letter in letters])
    alive = [(letter, history) for letter, history in zip(letters, histories, strict=True) if history]
    events: list[Event] = []
    check_at: dict[Key, Millis] = {}
    for index, (letter, history) in enumerate(alive):
        due_at = now + (round(index * 1000 / rate_per_s) if rate_per_s else 0)
        gen = 1 + Counter(e.kind for e in history.events if e.target == letter.target)["replayed"]
        key = Key(letter.tenant, letter.notification_id)
        events.append(Event(
            tenant=letter.tenant, notification_id=letter.notification_id, at=now, kind="replayed",
            target=letter.target, gen=gen, due_at=due_at, detail=f"dead letter: {letter.cause}",
        ))  # fmt: skip
        check_at[key] = min(due_at, check_at.get(key, due_at))
    await store.record(events, check_at)
    await store.unbury(letters)
    return len(alive)


def lanes_shown(states: dict[tuple[str, Level], LaneState], now: Millis) -> dict[str, dict[str, dict[str, Any]]]:
    shown: dict[str, dict[str, dict[str, Any]]] = {}
    for (lane, level), state in states.items():
        age_s = 0.0 if state.oldest_at is None else max(0.0, (now - state.oldest_at) / 1000)
        shown.setdefault(lane, {})[level.name.lower()] = {
            "depth": state.depth,
            "oldest_age_s": round(age_s, 3),
            "in_flight": state.in_flight,
        }
    return shown


def routes(store: Store, queue: Queue, callers: Callers, clock: Clock) -> list[ControllerRouterHandler]:
    @get("/v1/lanes", opt=READ, summary="How much waits where, in notifications")
    async def lanes(request: AnyRequest) -> Response[bytes]:
        await callers.tenant(request)
        return json(lanes_shown(dict(await queue.lanes()), clock()))

    @get("/v1/dlq", opt={**READ, "parameters": [
        {"name": "channel", "in": "query", "required": False, "schema": {"enum": list(CHANNELS)}}]},
        summary="Dead letters by cause")  # fmt: skip
    async def dlq(request: AnyRequest) -> Response[bytes]:
        tenant = await callers.tenant(request)
        channel = only_query(request, ("channel",)).get("channel")
        if channel is not None and channel not in CHANNELS:
            raise Problem("invalid", flaws=(Flaw("channel", f"is not one of {', '.join(CHANNELS)}"),))
        groups = await store.dead_groups(tenant, channel)
        return json({"groups": [await _with_history(store, _group(group), tenant) for group in groups]})

    @post("/v1/dlq/replay", status_code=200, opt={**MANAGE, "body": ReplayInput}, summary="Try dead letters again")
    async def replay_letters(request: AnyRequest) -> Response[bytes]:
        tenant = await callers.tenant(request)
        wanted = await read_body(request, ReplayInput)
        if (wanted.cause is None) == (wanted.ids is None):
            raise Problem("invalid", flaws=(Flaw("cause", "give either `cause` or `ids`"),))
        letters = await store.dead_letters(tenant, cause=wanted.cause, ids=wanted.ids)
        return json({"replayed": await replay(store, list(letters), wanted.rate_per_s, clock())})

    return [lanes, dlq, replay_letters]
