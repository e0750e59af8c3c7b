"""Lab: the part of the control API that is APNs' own.

GET  /lab/ca.pem, GET /lab/apns.p8     the certificate authority to trust, the key to sign with
GET  /lab/apns                         {"key_id", "team_id", "topic"}: ids that will do, unless the lab was told others;
                                       {"connections", "connections_made", "provider_tokens"}: how many there are
POST /lab/apns/goaway                  {"reason": "Shutdown", "drop": 0}: GOAWAY to every connection; the `drop`
                                       youngest unanswered pushes are not processed
PUT  /lab/apns/streams                 {"max": 1000}: the stream limit of every connection
GET  /lab/apns/devices/{token}         {"online", "shown": [...], "stored": {topic: ...}}: the device's screen
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import MediaType, Request, Response, get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from msgspec import Meta, Struct

from heliograph.lab.apns_identity import KEY_ID, TEAM_ID, TOPIC
from heliograph.lab.apns_server import ApnsServer
from heliograph.lab.problems import decode

PEM = "application/x-pem-file"

AnyRequest = Request[Any, Any, Any]


class Goodbye(Struct, forbid_unknown_fields=True):
    reason: str = "Shutdown"
    drop: Annotated[int, Meta(ge=0)] = 0


class Streams(Struct, forbid_unknown_fields=True):
    max: Annotated[int, Meta(ge=0, le=100_000)]


def apns_routes(server: ApnsServer) -> list[HTTPRouteHandler]:
    """All of them."""
    service = server.service

    @get("/lab/ca.pem", media_type=PEM)
    async def ca() -> Response[bytes]:
        return Response(service.identity.ca_pem, media_type=PEM)

    @get("/lab/apns.p8", media_type=PEM)
    async def key() -> Response[bytes]:
        return Response(service.identity.key_pem, media_type=PEM)

    @get("/lab/apns")
    async def state() -> Response[bytes]:
        return _json(
            {
                "key_id": KEY_ID,
                "team_id": TEAM_ID,
                "topic": TOPIC,
                "connections": len(server.connections),
                "connections_made": server.made,
                "provider_tokens": len(service.tokens.seen),
            }
        )

    @post("/lab/apns/goaway", status_code=204)
    async def goaway(request: AnyRequest) -> None:
        order = decode(await request.body(), Goodbye)
        server.say_goodbye(order.reason, order.drop)

    @put("/lab/apns/streams", status_code=204)
    async def streams(request: AnyRequest) -> None:
        server.allow(decode(await request.body(), Streams).max)

    @get("/lab/apns/devices/{token:str}")
    async def device(token: FromPath[str]) -> Response[bytes]:
        screen = service.devices.screen(token)
        return _json({"online": service.devices.online(token), "shown": screen.shown, "stored": screen.stored})

    return [ca, key, state, goaway, streams, device]


def _json(body: Any) -> Response[bytes]:
    return Response(msgspec.json.encode(body), status_code=200, media_type=MediaType.JSON)
