"""The inbox of one person, by user token (CONTRACT section 4). A change reaches the person's other tabs and phones."""

from __future__ import annotations

from typing import Final, get_args

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from heliograph.core import wire
from heliograph.core.errors import Flaw, Problem
from heliograph.core.ids import NOTIFICATION
from heliograph.core.model import Engagement, Key
from heliograph.core.ports import Clock, InboxQuery, Store
from heliograph.fanout import InboxFanout
from heliograph.web import AnyRequest, Callers, json, no_content, only_query

MARKS: Final[tuple[Engagement, ...]] = get_args(Engagement)
_FLAGS: Final = {"true": True, "false": False}
_QUERY: Final = ("limit", "cursor", "unread", "category", "archived")


def _query(user: Key, given: dict[str, str]) -> InboxQuery:
    """Raises `Problem("invalid")` naming every parameter that isn't valid."""
    flaws = [
        Flaw(name, "is not true or false") for name in ("unread", "archived") if given.get(name, "true") not in _FLAGS
    ]
    limit_text, cursor = given.get("limit", "20"), given.get("cursor")
    limit = int(limit_text) if limit_text.isascii() and limit_text.isdigit() and len(limit_text) < 4 else 0
    if not 1 <= limit <= 100:
        flaws.append(Flaw("limit", "is not a number from 1 to 100"))
    if cursor is not None and not (cursor.startswith(NOTIFICATION) and len(cursor) <= 64 and cursor.isascii()):
        flaws.append(Flaw("cursor", "is not a cursor"))
    if flaws:
        raise Problem("invalid", flaws=tuple(flaws))
    return InboxQuery(
        user=user,
        limit=limit + 1,
        before=cursor,
        unread=_FLAGS[given["unread"]] if "unread" in given else None,
        category=given.get("category"),
        archived=_FLAGS[given.get("archived", "false")],
    )


def routes(store: Store, fanout: InboxFanout, callers: Callers, clock: Clock) -> list[ControllerRouterHandler]:
    @get(
        "/v1/inbox",
        opt={"auth": "user", "parameters": [
            {"name": name, "in": "query", "required": False, "schema": {"type": "string"}} for name in _QUERY]},
        summary="The newest items",
    )  # fmt: skip
    async def inbox(request: AnyRequest) -> Response[bytes]:
        user = await callers.user(request)
        query = _query(user, only_query(request, _QUERY))
        found = await store.inbox(query)
        page = found[: query.limit - 1]
        return json({
            "items": [wire.inbox_item(item) for item in page],
            "next_cursor": page[-1].notification.id if len(found) > len(page) else None,
            "unread": (await store.unread([user]))[0],
        })  # fmt: skip

    @get("/v1/inbox/unread", opt={"auth": "user"}, summary="How many items are unread")
    async def unread(request: AnyRequest) -> Response[bytes]:
        return json({"unread": (await store.unread([await callers.user(request)]))[0]})

    @post("/v1/inbox/{item_id:str}/{mark:str}", status_code=204, opt={"auth": "user"}, summary="Mark an item")
    async def mark_item(request: AnyRequest, item_id: FromPath[str], mark: FromPath[str]) -> Response[None]:
        user = await callers.user(request)
        if mark not in MARKS:
            raise Problem("not_found")
        item = await store.engage(user, item_id, mark, clock())
        if item is None:
            raise Problem("not_found")
        await fanout.changed(user, [item])
        return no_content()

    @post("/v1/inbox/read-all", status_code=204, opt={"auth": "user"}, summary="Mark everything read")
    async def read_all(request: AnyRequest) -> Response[None]:
        user = await callers.user(request)
        if await store.read_all(user, clock()):
            await fanout.read_all(user)
        return no_content()

    return [inbox, unread, mark_item, read_all]
