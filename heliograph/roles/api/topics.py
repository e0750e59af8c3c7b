"""Topics: who is subscribed to what. `POST /v1/send` with `{"to": {"topic": …}}` reaches everybody who is."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from litestar import Response, delete, get, post, put
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from heliograph.core.errors import Flaw, Problem
from heliograph.core.model import Key
from heliograph.core.names import TOPIC_RULE, topic_is_valid, user_id_is_valid
from heliograph.core.ports import Store
from heliograph.core.sending import USER_ID_RULE
from heliograph.web import MANAGE, READ, AnyRequest, Callers, json, no_content, only_query, read_body

MAX_USERS: Final = 10_000
_PAGE: Final = 1_000


class SubscribersInput(msgspec.Struct, forbid_unknown_fields=True):
    """User ids; nothing else needs to be known of them."""

    users: Annotated[list[str], Meta(min_length=1, max_length=MAX_USERS)]


def _topic_key(tenant: str, topic: str) -> Key:
    if not topic_is_valid(topic):
        raise Problem("invalid", flaws=(Flaw("topic", TOPIC_RULE),))
    return Key(tenant, topic)


def _users(users: list[str]) -> list[str]:
    flaws = [Flaw(f"users[{place}]", USER_ID_RULE) for place, user in enumerate(users) if not user_id_is_valid(user)]
    if flaws:
        raise Problem("invalid", flaws=tuple(flaws[:100]))
    return users


def _limit(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= _PAGE:
        raise Problem("invalid", flaws=(Flaw("limit", f"is a number from 1 to {_PAGE}"),))
    return int(text)


def routes(store: Store, callers: Callers) -> list[ControllerRouterHandler]:
    return [*_single(store, callers), *_many(store, callers)]


def _single(store: Store, callers: Callers) -> list[ControllerRouterHandler]:
    @put("/v1/topics/{topic:str}/subscribers/{user_id:str}", status_code=204, opt=MANAGE,
         summary="Subscribe a user")  # fmt: skip
    async def subscribe(request: AnyRequest, topic: FromPath[str], user_id: FromPath[str]) -> Response[None]:
        key = _topic_key(await callers.tenant(request), topic)
        await store.subscribe(key, _users([user_id]))
        return no_content()

    @delete("/v1/topics/{topic:str}/subscribers/{user_id:str}", opt=MANAGE, summary="Unsubscribe a user")
    async def unsubscribe(request: AnyRequest, topic: FromPath[str], user_id: FromPath[str]) -> Response[None]:
        key = _topic_key(await callers.tenant(request), topic)
        await store.unsubscribe(key, _users([user_id]))
        return no_content()

    @get("/v1/users/{user_id:str}/topics", opt=READ, summary="What a user is subscribed to")
    async def topics_of(request: AnyRequest, user_id: FromPath[str]) -> Response[bytes]:
        key = Key(await callers.tenant(request), user_id)
        return json({"topics": await store.topics_of(key)})

    return [subscribe, unsubscribe, topics_of]


def _many(store: Store, callers: Callers) -> list[ControllerRouterHandler]:
    body = {**MANAGE, "body": SubscribersInput}

    @post("/v1/topics/{topic:str}/subscribers", status_code=200, opt=body, summary="Subscribe up to 10,000 users")
    async def subscribe_many(request: AnyRequest, topic: FromPath[str]) -> Response[bytes]:
        key = _topic_key(await callers.tenant(request), topic)
        wanted = await read_body(request, SubscribersInput)
        return json({"subscribed": await store.subscribe(key, _users(wanted.users))})

    @post("/v1/topics/{topic:str}/unsubscribe", status_code=200, opt=body, summary="Unsubscribe up to 10,000 users")
    async def unsubscribe_many(request: AnyRequest, topic: FromPath[str]) -> Response[bytes]:
        key = _topic_key(await callers.tenant(request), topic)
        wanted = await read_body(request, SubscribersInput)
        return json({"unsubscribed": await store.unsubscribe(key, _users(wanted.users))})

    @get("/v1/topics/{topic:str}", opt=READ, summary="How many are subscribed")
    async def show(request: AnyRequest, topic: FromPath[str]) -> Response[bytes]:
        key = _topic_key(await callers.tenant(request), topic)
        return json({"topic": key.id, "subscribers": await store.subscriber_count(key)})

    @get("/v1/topics/{topic:str}/subscribers", opt=READ, summary="Who is subscribed")
    async def subscribers(request: AnyRequest, topic: FromPath[str]) -> Response[bytes]:
        key = _topic_key(await callers.tenant(request), topic)
        query = only_query(request, ("limit", "cursor"))
        limit = _limit(query.get("limit", "100"))
        users = await store.subscribers(key, query.get("cursor", ""), limit)
        return json({"users": users, "next_cursor": users[-1] if len(users) == limit else None})

    return [subscribe_many, unsubscribe_many, show, subscribers]
