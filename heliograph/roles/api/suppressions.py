"""The suppression list of a tenant: to look at, to add to (an old system's list, say) and to take from."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from litestar import Response, delete, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from heliograph.core import wire
from heliograph.core.errors import Flaw, Problem
from heliograph.core.headers import address_flaw
from heliograph.core.model import Key
from heliograph.core.ports import Clock, Store
from heliograph.core.suppressing import REASONS, Reason, Suppression, SuppressionQuery
from heliograph.web import MANAGE, READ, AnyRequest, Callers, json, no_content, only_query, read_body

MOST: Final = 1_000
_QUERY: Final = ("reason", "limit", "cursor")


class SuppressionInput(msgspec.Struct, forbid_unknown_fields=True):
    """One address or up to 1,000, for one reason."""

    address: str | Annotated[list[str], Meta(min_length=1, max_length=MOST)]
    reason: Reason = "manual"

    @property
    def addresses(self) -> list[str]:
        return [self.address] if isinstance(self.address, str) else self.address

    def flaws(self) -> tuple[Flaw, ...]:
        path = "address" if isinstance(self.address, str) else "address[{}]"
        named = ((path.format(index), address_flaw(address)) for index, address in enumerate(self.addresses))
        return tuple(Flaw(where, flaw) for where, flaw in named if flaw)


def shown(one: Suppression) -> dict[str, Any]:
    return {"address": one.address, "reason": one.reason, "at": wire.rfc3339(one.at)}


def _reason(given: str | None) -> Reason | None:
    if given is not None and given not in REASONS:
        raise Problem("invalid", flaws=(Flaw("reason", f"is not one of {', '.join(REASONS)}"),))
    return given


def _query(tenant: str, given: dict[str, str]) -> SuppressionQuery:
    """Raises `Problem("invalid")`. A cursor is the reason and the address of the last entry seen."""
    limit_text, cursor = given.get("limit", "100"), given.get("cursor")
    limit = int(limit_text) if limit_text.isascii() and limit_text.isdigit() and len(limit_text) < 5 else 0
    if not 1 <= limit <= MOST:
        raise Problem("invalid", flaws=(Flaw("limit", f"is not a number from 1 to {MOST}"),))
    reason, colon, address = (cursor or ":").partition(":")
    if not colon or (cursor is not None and (reason not in REASONS or address_flaw(address))):
        raise Problem("invalid", flaws=(Flaw("cursor", "is not a cursor"),))
    return SuppressionQuery(
        tenant=tenant, limit=limit + 1, reason=_reason(given.get("reason")), after=(address, reason)
    )  # fmt: skip


def routes(store: Store, callers: Callers, clock: Clock) -> list[ControllerRouterHandler]:
    @get("/v1/suppressions", opt={**READ, "parameters": [
        {"name": "reason", "in": "query", "required": False, "schema": {"enum": list(REASONS)}},
        {"name": "limit", "in": "query", "required": False, "schema": {"type": "integer", "maximum": MOST}},
        {"name": "cursor", "in": "query", "required": False, "schema": {"type": "string"}}]},
        summary="Addresses that are not written to")  # fmt: skip
    async def listed(request: AnyRequest) -> Response[bytes]:
        query = _query(await callers.tenant(request), only_query(request, _QUERY))
        found = await store.suppressions(query)
        page = found[: query.limit - 1]
        more = len(found) > len(page)
        return json({
            "suppressions": [shown(one) for one in page],
            "next_cursor": f"{page[-1].reason}:{page[-1].address}" if more else None,
        })  # fmt: skip

    @post("/v1/suppressions", status_code=204, opt={**MANAGE, "body": SuppressionInput}, summary="Add addresses")
    async def add(request: AnyRequest) -> Response[None]:
        tenant = await callers.tenant(request)
        wanted = await read_body(request, SuppressionInput)
        if flaws := wanted.flaws():
            raise Problem("invalid", flaws=flaws)
        await store.suppress([Suppression(tenant, one, wanted.reason, clock()) for one in wanted.addresses])
        return no_content()

    @delete("/v1/suppressions/{address:str}", opt={**MANAGE, "parameters": [
        {"name": "reason", "in": "query", "required": False, "schema": {"enum": list(REASONS)}}]},
        summary="Take an address off the list")  # fmt: skip
    async def remove(request: AnyRequest, address: FromPath[str]) -> Response[None]:
        key = Key(await callers.tenant(request), address)
        if not await store.unsuppress(key, _reason(only_query(request, ("reason",)).get("reason"))):
            raise Problem("not_found")
        return no_content()

    return [listed, add, remove]
