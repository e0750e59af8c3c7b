"""Lab: the control API of the lab's browsers.

POST   /lab/webpush/subscriptions    {"application_server_key": "..."} or nothing; 201 with a new subscription, as a
       device registration takes it. With a key, only pushes signed by that key are taken, as in a browser
DELETE /lab/webpush/subscriptions/{id}            the person takes it back: pushes are answered 410 from now on
POST   /lab/webpush/subscriptions/{id}/collect    the browser comes online: {"messages": [...]} that still waited for
       it, decrypted, oldest first
"""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import MediaType, Request, Response, delete, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from heliograph.lab.problems import ProblemError, decode
from heliograph.lab.webpush_subscriptions import Browser, Subscriptions

AnyRequest = Request[Any, Any, Any]


class SubscriptionOrder(msgspec.Struct, forbid_unknown_fields=True):
    application_server_key: str = ""


def routes(subscriptions: Subscriptions) -> list[HTTPRouteHandler]:
    def browser(name: str) -> Browser:
        found = subscriptions.get(name)
        if found is None:
            raise ProblemError(404, "unknown_subscription", f"No subscription {name!r} was handed out here")
        return found

    @post("/lab/webpush/subscriptions")
    async def subscribe(request: AnyRequest) -> Response[bytes]:
        order = decode(await request.body() or b"{}", SubscriptionOrder)
        origin = f"http://{request.headers['host']}"
        made = subscriptions.make(origin, order.application_server_key)
        return Response(msgspec.json.encode(made), status_code=201, media_type=MediaType.JSON)

    @delete("/lab/webpush/subscriptions/{name:str}", status_code=204)
    async def unsubscribe(name: FromPath[str]) -> None:
        browser(name).expired = True

    @post("/lab/webpush/subscriptions/{name:str}/collect", status_code=200)
    async def collect(name: FromPath[str]) -> Response[bytes]:
        found = browser(name)
        messages = [
            {"id": one.id, "topic": one.topic, "urgency": one.urgency, "payload": found.decrypt(one.body)}
            for one in found.collect(subscriptions.clock())
        ]
        return Response(msgspec.json.encode({"messages": messages}), status_code=200, media_type=MediaType.JSON)

    return [subscribe, unsubscribe, collect]
