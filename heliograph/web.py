"""The HTTP edge that every HTTP role shares: problem+json, limits, credentials, health, metrics, OpenAPI.

Roles bring route handlers; this makes the ASGI application of them. A bug becomes a bare 500 and a log line with a
traceback; a store that is away becomes 503 with Retry-After (CONTRACT section 1).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeVar, cast

import msgspec
from litestar import Litestar, Request, Response, get
from litestar.config.cors import CORSConfig
from litestar.openapi import OpenAPIConfig
from litestar.types import ControllerRouterHandler, Receive, Scope, Send
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from heliograph import __version__
from heliograph.access import ServerKeys, UserTokens, is_operator
from heliograph.core.errors import (
    Flaw,
    Problem,
)
from heliograph.core.flaws import find_flaws
from heliograph.core.keys import ApiKey, demand
from heliograph.core.model import Key
from heliograph.core.strict_json import parse_json, refuse_ambiguous
from heliograph.core.wire import encode
from heliograph.door import Door, entrance
from heliograph.openapi import with_bodies
from heliograph.refusing import HANDLERS, full

MAX_BODY: Final = 256 * 1024
_BODY: Final = "heliograph.body"
Body = TypeVar("Body", bound=msgspec.Struct)
AnyRequest = Request[Any, Any, Any]


async def read_body(request: AnyRequest, shape: type[Body]) -> Body:
    """The request's JSON body as a `shape`. Raises `Problem` naming every flaw."""
    body = await raw_body(request)
    try:
        found = msgspec.json.decode(body, type=shape)
    except msgspec.ValidationError as error:
        raise Problem("invalid", flaws=find_flaws(parse_json(body), shape, str(error))) from error
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Problem("invalid_json", "the body is not valid JSON in UTF-8") from error
    refuse_ambiguous(body)
    return found


async def raw_body(request: AnyRequest, limit: int = MAX_BODY) -> bytes:
    """The body as it came, `limit` bytes at the most. Compressed ones are refused: nobody may make us unpack a bomb.

    Read from ASGI itself: the framework's way builds an object of all headers and a generator for every request. ASGI
    gives a body only once, so it is kept beside the request for who asks again.
    """
    scope = cast("dict[str, Any]", request.scope)
    if _BODY not in scope:
        scope[_BODY] = await _receive_body(request, limit)
    return cast("bytes", scope[_BODY])


async def _receive_body(request: AnyRequest, limit: int) -> bytes:
    if (header(request, b"content-encoding") or "identity") != "identity":
        raise Problem("unsupported_media_type", "send the body without Content-Encoding")
    if int(header(request, b"content-length") or 0) > limit:
        raise Problem("too_large")
    body = b""
    while True:
        event = await request.receive()
        if event["type"] != "http.request":  # http.disconnect
            raise Problem("invalid_json", "the connection ended before the body did")
        body += event["body"]
        if len(body) > limit:
            raise Problem("too_large")
        if not event.get("more_body", False):
            return body


def header(request: AnyRequest, name: bytes) -> str | None:
    """The first header of this name, which is given in lower case; None = there is none."""
    for found, value in request.scope["headers"]:
        if found == name:
            return value.decode("latin-1")
    return None


def only_query(request: AnyRequest, allowed: Sequence[str]) -> dict[str, str]:
    """The query parameters. Raises `Problem("invalid")` for any that isn't allowed or comes twice."""
    pairs = list(request.query_params.multi_items())
    flaws = [Flaw(name, "unknown query parameter") for name, _ in pairs if name not in allowed]
    flaws += [
        Flaw(name, "given twice") for name in {name for name, _ in pairs} if len([1 for n, _ in pairs if n == name]) > 1
    ]
    if flaws:
        raise Problem("invalid", flaws=tuple(flaws))
    return {name: str(value) for name, value in pairs}


def bearer(request: AnyRequest) -> str:
    """The credential of the Authorization header. Raises `Problem("unauthorized")`."""
    scheme, _, credential = (header(request, b"authorization") or "").partition(" ")
    if scheme.lower() != "bearer" or not credential or len(credential) > 4096:
        raise Problem("unauthorized")
    return credential.strip()


SEND, MANAGE, READ = ({"auth": "server", "scope": scope} for scope in ("send", "manage", "read"))
"""Options of a route: who may call it. A server key gets nowhere where no scope is declared."""


class Callers:
    """Who makes a request: a client service by its server key, a person by their user token."""

    def __init__(self, keys: ServerKeys, tokens: UserTokens) -> None:
        self._keys = keys
        self.tokens = tokens

    async def key(self, request: AnyRequest) -> ApiKey:
        """The server key, which has the scope that the route declares. Raises `Problem`."""
        found = await self._keys.find(bearer(request))
        demand(found, request.route_handler.opt.get("scope"))
        return found

    async def tenant(self, request: AnyRequest) -> str:
        return (await self.key(request)).tenant

    async def user(self, request: AnyRequest) -> Key:
        token = bearer(request)
        await self.tokens.prepare(token)
        return self.tokens.verify(token)[0]

    async def either(self, request: AnyRequest) -> str:
        """The tenant of a client service or of a person."""
        try:
            return (await self.user(request)).tenant
        except Problem:
            return await self.tenant(request)


class _Json(Response[bytes]):
    """A finished answer. Skips what a general response does for cookies, media types and encodings it hasn't got."""

    __slots__ = ("_body", "_head")

    def __init__(self, body: bytes, status: int, headers: dict[str, str]) -> None:
        self._body = body
        self._head: list[tuple[bytes, bytes]] = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            *((name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()),
        ]
        self.status_code = status

    def to_asgi_response(self, *_: Any, **__: Any) -> Any:
        """An ASGI application: itself."""
        return self

    async def __call__(self, _: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code or 200, "headers": self._head})
        await send({"type": "http.response.body", "body": self._body, "more_body": False})


def json(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response[bytes]:
    return _Json(encode(content), status, headers or {})


def no_content() -> Response[None]:
    return Response(None, status_code=204)


def application(
    handlers: Sequence[ControllerRouterHandler],
    *,
    ready: Callable[[], Awaitable[dict[str, Any]]],
    before_metrics: Callable[[], Awaitable[None]],
    cors_origins: Sequence[str] = ("*",),
    door: Door | None = None,
    token: str = "",
) -> Litestar:
    """The ASGI application of some roles' handlers.

    Args:
        ready: what stands in `/readyz`; raises when the process should get no requests.
        before_metrics: refreshes the gauges that are read on demand.
        cors_origins: pages of other origins that may call. Credentials are bearer tokens, never cookies, so that a
            foreign page can't borrow anyone's.
        door: lets nobody in who would fill the memory; None = everybody is let in.
        token: the bearer token that `/metrics` and the details of `/readyz` ask for; empty = everybody sees them.
    """

    @get("/healthz", include_in_schema=False)
    async def healthz() -> Response[bytes]:
        return json({"status": "ok", "version": __version__})

    @get("/readyz", include_in_schema=False)
    async def readyz(request: AnyRequest) -> Response[bytes]:
        details = await ready()
        return json({"status": "ready", **(details if is_operator(header(request, b"authorization"), token) else {})})

    @get("/metrics", include_in_schema=False)
    async def metrics(request: AnyRequest) -> Response[bytes]:
        if not is_operator(header(request, b"authorization"), token):
            raise Problem("unauthorized")
        await before_metrics()
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    @get("/openapi.json", include_in_schema=False)
    async def openapi() -> Response[bytes]:
        return json(with_bodies(app))

    app = Litestar(
        [*handlers, healthz, readyz, metrics, openapi],
        exception_handlers=dict(HANDLERS),
        request_max_body_size=MAX_BODY,
        openapi_config=OpenAPIConfig("Heliograph", __version__, path="/_schema", render_plugins=[]),
        cors_config=CORSConfig(
            allow_origins=list(cors_origins),
            allow_methods=["GET", "POST", "PUT", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key"],
            expose_headers=["Idempotency-Replayed", "Retry-After"],
            max_age=7200,
        ),
        debug=False,
        logging_config=None,
    )
    app.asgi_handler = entrance(app.asgi_handler, door, full)
    return app
