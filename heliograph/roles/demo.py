"""Demo: the small shop of `heliograph up --demo`, its page and its back end. Never part of a real installation.

Reads the built page, the store and the mails that the lab received; writes sends, and users with them. It is the
customer's own server in small: it mints user tokens and sends, so that no server key is ever in the browser. It asks
for no credentials, so it answers this machine only, and only pages of its own origin.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

import msgspec
from litestar import Response, get, post
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.static_files import create_static_files_router
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from heliograph.access import UserTokens
from heliograph.core import sending, wire
from heliograph.core.errors import Problem
from heliograph.core.ids import batch_member_id
from heliograph.core.model import Key
from heliograph.core.ports import Accepted, Clock, Store, Submission
from heliograph.web import AnyRequest, header, json, only_query, read_body

TENANT: Final = "default"
"""The tenant of the key that `heliograph up` prints, so that the first curl can write to the demo's users too."""
PEOPLE: Final = {"demo-ada": "Ada", "demo-grace": "Grace"}
PAGE: Final = Path(__file__).parents[1] / "demo"
"""Where `make demo` puts the built page of `sdk/examples/web`."""
TOKEN_TTL_S: Final = 900
_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
_PAGE_HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}

Person = Literal["demo-ada", "demo-grace"]
Accept = Callable[[Submission], Awaitable[Accepted]]
Mails = Callable[[int], Sequence[dict[str, Any]]]
"""The mails that arrived after a serial, oldest first: `{id, at, to, title, body}`, the id `lab_<serial>`."""


class TokenInput(msgspec.Struct, forbid_unknown_fields=True):
    user: Person


class SendInput(msgspec.Struct, forbid_unknown_fields=True):
    """`to` is left out for a campaign: it goes to everybody."""

    kind: Literal["order", "alert", "campaign"]
    to: Person | None = None
    product: Annotated[str, Meta(min_length=1, max_length=80)] = "Signal mirror"


def address_of(person: str) -> str:
    return f"{PEOPLE[person].lower()}@shop.example"


def content_of(wanted: SendInput, origin: str) -> dict[str, Any]:
    """The body of the `POST /v1/send` that a shop would make for this."""
    what = wanted.product
    contents = {
        "order": {
            "type": "transactional", "category": "order.placed", "title": f"Order confirmed: {what}",
            "body": "Thank you. We are packing it now and tell you when it leaves the harbour.",
        },
        "alert": {
            "type": "alert", "category": "stock.low", "title": f"Only two left: {what}",
            "body": "You asked us to tell you. The next delivery is three weeks away.",
        },
        "campaign": {
            "type": "marketing", "category": "marketing.news", "title": "Midwinter sale: a fifth off all lamps",
            "body": "For the long nights, until Sunday. Letters like this one can be turned off in the preferences.",
        },
    }  # fmt: skip
    return {**contents[wanted.kind], "action_url": f"{origin}/demo#shop"}


def only_from_here(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Raises `Problem("forbidden")` for other machines, for other names of this one (DNS rebinding) and for pages of
    other origins (a browser names them in `Origin`): these routes need no credentials."""
    host = connection.headers.get("host", "")
    origin = connection.headers.get("origin")
    local = connection.client is not None and connection.client.host in _LOOPBACK
    if not local or urlsplit(f"//{host}").hostname not in _LOOPBACK or origin not in (None, f"http://{host}"):
        raise Problem("forbidden", "the demo answers pages of its own, on this machine only")


def page_is_built() -> bool:
    return (PAGE / "index.html").is_file()


def routes(
    tokens: UserTokens, accept: Accept, store: Store, mails: Mails, clock: Clock, page: Path = PAGE
) -> list[ControllerRouterHandler]:
    """The page at `/demo`, its back end under `/demo/api/`. The page names its assets by absolute paths."""
    return [*_page_routes(page), *_back_end(tokens, accept, clock), *_watching(store, mails)]


def _page_routes(page: Path) -> list[ControllerRouterHandler]:
    @get("/demo", guards=[only_from_here], include_in_schema=False)
    async def index() -> Response[bytes]:
        return Response((page / "index.html").read_bytes(), media_type="text/html", headers=_PAGE_HEADERS)

    def with_headers(response: Response[Any]) -> Response[Any]:
        response.headers.update(_PAGE_HEADERS)
        return response

    assets = create_static_files_router(
        "/demo/assets",
        [page / "assets"],
        guards=[only_from_here],
        include_in_schema=False,
        after_request=with_headers,
    )
    return [index, assets]


def _back_end(tokens: UserTokens, accept: Accept, clock: Clock) -> list[ControllerRouterHandler]:
    @post("/demo/api/token", status_code=200, guards=[only_from_here], include_in_schema=False)
    async def token(request: AnyRequest) -> Response[bytes]:
        wanted = await read_body(request, TokenInput)
        minted, expires_at = tokens.mint(Key(TENANT, wanted.user), TOKEN_TTL_S)
        return json({"token": minted, "expires_at": wire.rfc3339(expires_at)})

    @post("/demo/api/send", status_code=202, guards=[only_from_here], include_in_schema=False)
    async def send(request: AnyRequest) -> Response[bytes]:
        wanted = await read_body(request, SendInput)
        people = [wanted.to] if wanted.to else list(PEOPLE)
        to = [{"id": person, "email": address_of(person), "name": PEOPLE[person]} for person in people]
        content = content_of(wanted, f"http://{header(request, b'host')}")
        checked = sending.read(wire.encode({**content, "to": to if len(to) > 1 else to[0]}))
        accepted = await accept(sending.submission(checked, TENANT, clock(), ""))
        members = [batch_member_id(accepted.id, index) for index in range(len(to))]
        return json({"ids": members if len(to) > 1 else [accepted.id]}, 202)

    return [token, send]


def _watching(store: Store, mails: Mails) -> list[ControllerRouterHandler]:
    @get("/demo/api/explain", guards=[only_from_here], include_in_schema=False)
    async def explain(request: AnyRequest) -> Response[bytes]:
        asked = only_query(request, ("id",)).get("id", "")
        history = (await store.histories([Key(TENANT, asked)]))[0]
        if history is None or history.notification.user not in PEOPLE:
            raise Problem("not_found")
        return json(wire.explain(history))

    @get("/demo/api/mails", guards=[only_from_here], include_in_schema=False)
    async def received(request: AnyRequest) -> Response[bytes]:
        after = only_query(request, ("after",)).get("after", "").removeprefix("lab_")
        serial = int(after) if after.isascii() and after.isdigit() and len(after) < 16 else 0
        return json({"mails": mails(serial)})

    return [explain, received]
