"""Lab: the control API under `/lab`: read the journal, set faults, make events happen.

Reads and clears the inbox, writes faults into the gates, drives the event webhook. It never answers for a provider.

GET    /lab/messages?provider=&to=&all=&after=&limit=   {"messages": [...], "total": N}, oldest first; only accepted
       ones unless all=true; after = an id: younger ones; total counts before `limit`. Fields: inbox.Received.as_json
DELETE /lab/messages              forgets them, and which addresses bounced
GET    /lab/faults                all of them, by provider
GET    /lab/faults/{provider}, PUT /lab/faults/{provider}    fields: faults.Fault; PUT replaces the whole fault
POST   /lab/events/sendgrid       fields: event_orders.EventOrder; answers the events sent and the last status
PUT    /lab/events/sendgrid       fields: event_orders.WebhookSetting: events that follow every accepted mail
POST   /lab/oauth2/expire         every access token given out so far becomes unknown
GET    /lab/service-account.json, GET /lab/sendgrid-webhook-key
APNs' own: apns_control.py
"""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import msgspec
from litestar import MediaType, Request, Response, delete, get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from heliograph.lab.event_orders import EventOrder, WebhookSetting, events_for, portions, url_for
from heliograph.lab.faults import Fault, InvalidFaultError, parse_fault
from heliograph.lab.gate import Gate
from heliograph.lab.inbox import Inbox, Received
from heliograph.lab.oauth import AccessTokens, ServiceAccount
from heliograph.lab.problems import ProblemError, decode
from heliograph.lab.webhook import EventWebhook, is_local

QUERY = frozenset({"provider", "to", "all", "after", "limit"})
RENDER_INLINE = 20
"""Up to so many records are turned into JSON at once; more go to a thread, so that providers keep answering."""

AnyRequest = Request[Any, Any, Any]


def message_routes(inbox: Inbox, gates: dict[str, Gate], webhook: EventWebhook) -> list[HTTPRouteHandler]:
    """The journal."""

    @get("/lab/messages")
    async def list_messages(request: AnyRequest) -> Response[bytes]:
        query = dict(request.query_params)
        found = _select(inbox, query, frozenset(gates))
        shown = found[: int(query["limit"])] if query.get("limit") else found
        if len(shown) <= RENDER_INLINE:
            return Response(_render(shown, len(found)), media_type=MediaType.JSON)
        return Response(await asyncio.to_thread(_render, shown, len(found)), media_type=MediaType.JSON)

    @delete("/lab/messages", status_code=204)
    async def clear_messages() -> None:
        inbox.clear()
        webhook.forget_bounces()

    return [list_messages, clear_messages]


def fault_routes(gates: dict[str, Gate]) -> list[HTTPRouteHandler]:
    """The faults."""

    def gate(provider: str) -> Gate:
        if provider not in gates:
            known = ", ".join(sorted(gates))
            raise ProblemError(404, "unknown_provider", f"No provider {provider!r} here; known: {known}")
        return gates[provider]

    @get("/lab/faults")
    async def list_faults() -> Response[bytes]:
        return _json({name: one.fault for name, one in gates.items()})

    @get("/lab/faults/{provider:str}")
    async def show_fault(provider: FromPath[str]) -> Response[bytes]:
        return _json(gate(provider).fault)

    @put("/lab/faults/{provider:str}")
    async def put_fault(provider: FromPath[str], request: AnyRequest) -> Response[bytes]:
        target = gate(provider)
        return _json(target.put(_fault(await request.body(), target)))

    return [list_faults, show_fault, put_fault]


def event_routes(inbox: Inbox, webhook: EventWebhook, random: Random) -> list[HTTPRouteHandler]:
    """SendGrid's event webhook."""

    @post("/lab/events/sendgrid")
    async def send_events(request: AnyRequest) -> Response[bytes]:
        order = decode(await request.body(), EventOrder)
        url = url_for(order, webhook.url)
        events = events_for(order, inbox, random)
        status, error = 0, None
        try:
            for portion in portions(events, order.posts):
                status = await webhook.post(url, portion)
        except OSError as unreachable:
            status, error = 0, str(unreachable)
        return _json({"events": events, "status": status, "error": error})

    @put("/lab/events/sendgrid")
    async def set_webhook(request: AnyRequest) -> Response[bytes]:
        setting = decode(await request.body(), WebhookSetting)
        if setting.webhook_url is not None and not is_local(setting.webhook_url):
            wrong = [("webhook_url", "An http URL of this machine is needed")]
            raise ProblemError(422, "invalid_body", "The body is not understood", wrong)
        webhook.url, webhook.duplicates, webhook.shuffle = setting.webhook_url, setting.duplicates, setting.shuffle
        return _json(setting)

    @get("/lab/sendgrid-webhook-key", media_type=MediaType.TEXT)
    async def webhook_key() -> str:
        return webhook.signer.public_key

    return [send_events, set_webhook, webhook_key]


def identity_routes(account: ServiceAccount, tokens: AccessTokens) -> list[HTTPRouteHandler]:
    """The Google service account."""

    @get("/lab/service-account.json")
    async def service_account() -> Response[bytes]:
        return _json(await account.document())

    @post("/lab/oauth2/expire", status_code=204)
    async def expire_tokens() -> None:
        tokens.revoke_all()

    return [service_account, expire_tokens]


def _select(inbox: Inbox, query: dict[str, str], providers: frozenset[str]) -> list[Received]:
    """The records a query asks for, its limit aside. Raises ProblemError 422."""
    wrong = [(name, "Unknown parameter") for name in query if name not in QUERY]
    if query.get("provider") and query["provider"] not in providers:
        wrong.append(("provider", f"Known providers: {', '.join(sorted(providers))}"))
    if query.get("all", "") not in ("", "true", "false"):
        wrong.append(("all", "true or false"))
    after = query.get("after", "").removeprefix("lab_")
    wrong += [
        (name, "A whole number")
        for name, text in (("after", after), ("limit", query.get("limit", "")))
        if text and not (text.isascii() and text.isdigit())
    ]
    if wrong:
        raise ProblemError(422, "invalid_query", "The query is not understood", wrong)
    return inbox.select(
        provider=query.get("provider", ""),
        to=query.get("to", ""),
        refused_too=query.get("all") == "true",
        after=int(after or 0),
    )


def _fault(raw: bytes, gate: Gate) -> Fault:
    try:
        return parse_fault(raw, gate.dialect)
    except InvalidFaultError as error:
        if error.malformed:
            raise ProblemError(400, "malformed_json", error.message) from error
        wrong = [(error.path, error.message)]
        raise ProblemError(422, "invalid_fault", "The fault is not understood; nothing changed", wrong) from error


def _render(records: list[Received], total: int) -> bytes:
    return msgspec.json.encode({"messages": [record.as_json() for record in records], "total": total})


def _json(body: Any) -> Response[bytes]:
    return Response(msgspec.json.encode(body), status_code=200, media_type=MediaType.JSON)
