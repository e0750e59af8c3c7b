"""Dead letters over HTTP: by cause, one whole, edit, replay, discard (CONTRACT section 7)."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from heliograph import letters
from heliograph.core import wire
from heliograph.core.errors import Flaw, Problem
from heliograph.core.headers import header_flaw
from heliograph.core.mending import Mend
from heliograph.core.model import Key
from heliograph.core.ports import Clock, DeadLetter, Store
from heliograph.web import MANAGE, READ, AnyRequest, Callers, json, only_query, read_body

CHANNELS: Final = ("email", "push", "in_app", "routing")
MAX_REASON: Final = 200
Cause = Annotated[str, Meta(min_length=1)]
Ids = Annotated[list[str], Meta(min_length=1, max_length=letters.MOST)]


class Chosen(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Either `cause` or `ids` (of dead letters or notifications). `dry_run` = only say what would happen."""

    cause: Cause | None = None
    ids: Ids | None = None
    dry_run: bool = False


class ReplayInput(Chosen, kw_only=True):
    rate_per_s: Annotated[float, Meta(ge=0.01, le=1_000_000)] | None = None


class DiscardInput(Chosen, kw_only=True):
    reason: Annotated[str, Meta(min_length=1, max_length=MAX_REASON)]


class EditInput(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`id` = of the dead letter; `set` = what shall stand there instead."""

    id: Annotated[str, Meta(min_length=1)]
    set: Mend
    dry_run: bool = False


async def _with_history(store: Store, group: dict[str, Any], tenant: str) -> dict[str, Any]:
    """The example with what was tried, so that the cause can be judged without another call."""
    example = group["example"]
    history = (await store.histories([Key(tenant, example["notification_id"])]))[0]
    return {**group, "example": {**example, "history": wire.timeline(history) if history else []}}


async def _chosen(store: Store, tenant: str, wanted: Chosen) -> list[DeadLetter]:
    if (wanted.cause is None) == (wanted.ids is None):
        raise Problem("invalid", flaws=(Flaw("cause", "give either `cause` or `ids`"),))
    return list(await store.dead_letters(tenant, cause=wanted.cause, ids=wanted.ids, limit=letters.MOST))


def routes(store: Store, callers: Callers, clock: Clock) -> list[ControllerRouterHandler]:
    @get("/v1/dlq", opt={**READ, "parameters": [
        {"name": "channel", "in": "query", "required": False, "schema": {"enum": list(CHANNELS)}}]},
        summary="Dead letters by cause")  # fmt: skip
    async def dlq(request: AnyRequest) -> Response[bytes]:
        tenant = await callers.tenant(request)
        channel = only_query(request, ("channel",)).get("channel")
        if channel is not None and channel not in CHANNELS:
            raise Problem("invalid", flaws=(Flaw("channel", f"is not one of {', '.join(CHANNELS)}"),))
        groups = await store.dead_groups(tenant, channel)
        return json({"groups": [await _with_history(store, letters.group_shown(group), tenant) for group in groups]})

    @get("/v1/dlq/{letter_id:str}", opt=READ, summary="One dead letter, and what of it may be edited")
    async def show(request: AnyRequest, letter_id: FromPath[str]) -> Response[bytes]:
        letter = await letters.one(store, await callers.tenant(request), letter_id)
        return json(await letters.whole(store, letter))

    @post("/v1/dlq/replay", status_code=200, opt={**MANAGE, "body": ReplayInput}, summary="Try them again")
    async def replay(request: AnyRequest) -> Response[bytes]:
        tenant = await callers.tenant(request)
        wanted = await read_body(request, ReplayInput)
        chosen = await _chosen(store, tenant, wanted)
        if wanted.dry_run:
            return json({"replayed": 0, "plan": await letters.plan(store, chosen, wanted.rate_per_s)})
        return json({"replayed": await letters.replay(store, chosen, wanted.rate_per_s, clock())})

    @post("/v1/dlq/edit", status_code=200, opt={**MANAGE, "body": EditInput}, summary="Correct and replay one")
    async def edit(request: AnyRequest) -> Response[bytes]:
        tenant = await callers.tenant(request)
        wanted = await read_body(request, EditInput)
        letter = await letters.one(store, tenant, wanted.id)
        edited = await letters.edit(store, letter, wanted.set, clock(), dry=wanted.dry_run)
        return json({"edited": edited, "replayed": 0 if wanted.dry_run else 1})

    @post("/v1/dlq/discard", status_code=200, opt={**MANAGE, "body": DiscardInput}, summary="Give them up")
    async def discard(request: AnyRequest) -> Response[bytes]:
        tenant = await callers.tenant(request)
        wanted = await read_body(request, DiscardInput)
        if not wanted.reason.strip() or header_flaw(wanted.reason):
            raise Problem("invalid", flaws=(Flaw("reason", "is one line of text that says why"),))
        chosen = await _chosen(store, tenant, wanted)
        if wanted.dry_run:
            return json({"discarded": 0, "plan": await letters.plan(store, chosen)})
        return json({"discarded": await letters.discard(store, chosen, wanted.reason, clock())})

    return [dlq, show, replay, edit, discard]
