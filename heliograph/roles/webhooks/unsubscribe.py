"""Webhook handler: the unsubscribe links of marketing mails (RFC 8058).

Reads the token in the path and nothing else: no cookie, no login. GET shows a page with a button and changes nothing,
because mail scanners follow links; POST, by that button or by a mailbox's one click, puts the address on the
suppression list and a line into the timeline. It never redirects.
"""

from __future__ import annotations

from typing import Final

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from heliograph.core.lifecycle import Event
from heliograph.core.ports import Clock, Store
from heliograph.core.suppressing import Suppression
from heliograph.roles.webhooks.unsubscribe_page import CSP, page
from heliograph.unsubscribing import UnsubscribeLinks, Unsubscription
from heliograph.web import AnyRequest, raw_body

HEADERS: Final = {
    "Content-Security-Policy": CSP,
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}
_MAX_FORM: Final = 4_096


def _answer(state: str, address: str = "", status: int = 200) -> Response[bytes]:
    return Response(page(state, address), status_code=status, media_type="text/html; charset=utf-8", headers=HEADERS)


def _unknown() -> Response[bytes]:
    return _answer("unknown", status=404)


def routes(store: Store, clock: Clock, links: UnsubscribeLinks) -> list[ControllerRouterHandler]:
    @get("/v1/unsubscribe/{token:str}", summary="A page that asks whether to unsubscribe")
    async def ask(token: FromPath[str]) -> Response[bytes]:
        found = links.read(token)
        return _answer("ask", found.address) if found else _unknown()

    @post("/v1/unsubscribe/{token:str}", status_code=200, summary="Unsubscribe, by one click (RFC 8058)")
    async def end(request: AnyRequest, token: FromPath[str]) -> Response[bytes]:
        await raw_body(request, _MAX_FORM)  # whatever a mailbox puts into it, the token alone says what to do
        found = links.read(token)
        if found is None:
            return _unknown()
        now = clock()
        await store.suppress([Suppression(found.tenant, found.address, "unsubscribe", now)])
        await store.record([_event(found, now)])
        return _answer("done", found.address)

    return [ask, end]


def _event(found: Unsubscription, now: int) -> Event:
    """The same for every repeat, so that it stands in the timeline once."""
    return Event(
        tenant=found.tenant, notification_id=found.notification_id, at=now, kind="unsubscribed", target="email",
        unique="link", detail="by the link in the mail",
    )  # fmt: skip
