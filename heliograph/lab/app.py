"""Lab: the ASGI application: the HTTP providers' paths and the control API, put together.

Reads nothing itself; every route belongs to a provider file or to control.py. A new HTTP provider is one file and
one route here.
"""

from __future__ import annotations

from random import Random
from typing import Any

from litestar import Litestar, Request, Response, post
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from heliograph.lab import apns, expo, fcm, oauth, sendgrid, smtp, webpush, webpush_control
from heliograph.lab.apns import Apns, ApnsApp
from heliograph.lab.apns_control import apns_routes
from heliograph.lab.apns_identity import Identity
from heliograph.lab.apns_server import ApnsServer
from heliograph.lab.control import event_routes, fault_routes, identity_routes, message_routes
from heliograph.lab.events import Signer
from heliograph.lab.exchange import SERVER_MAX_BODY, exchange
from heliograph.lab.expo_tickets import Tickets
from heliograph.lab.faults import Dialect
from heliograph.lab.gate import Gate
from heliograph.lab.inbox import Inbox
from heliograph.lab.oauth import AccessTokens, ServiceAccount, TokenEndpoint
from heliograph.lab.page import page_routes
from heliograph.lab.problems import ProblemError, on_bug, on_http_exception, on_problem
from heliograph.lab.webhook import EventWebhook
from heliograph.lab.webpush_subscriptions import Subscriptions

DIALECTS: dict[str, Dialect] = {
    "sendgrid": sendgrid.DIALECT,
    "smtp": smtp.DIALECT,
    "fcm": fcm.DIALECT,
    "oauth2": oauth.DIALECT,
    "webpush": webpush.DIALECT,
    "expo": expo.DIALECT,
    "expo_receipts": expo.RECEIPTS_DIALECT,
    "apns": apns.DIALECT,
}


class Parts:
    """Everything one lab consists of besides its sockets."""

    def __init__(
        self, project_id: str, sendgrid_key: str | None, journal_limit: int, seed: int | None,
        apns_app: ApnsApp | None = None,
    ) -> None:  # fmt: skip
        self.random = Random(seed)  # noqa: S311  # chooses which calls fail, nothing secret
        self.inbox = Inbox(journal_limit)
        self.gates = {name: Gate(name, dialect, self.random) for name, dialect in DIALECTS.items()}
        self.account = ServiceAccount(project_id)
        self.tokens = AccessTokens()
        self.webhook = EventWebhook(self.gates["sendgrid"], self.inbox, Signer(), self.random)
        self.sendgrid = sendgrid.SendGrid(self.gates["sendgrid"], sendgrid_key)
        self.fcm = fcm.Fcm(self.gates["fcm"], self.tokens, project_id)
        self.subscriptions = Subscriptions()
        self.webpush = webpush.WebPush(self.gates["webpush"], self.subscriptions)
        self.expo_tickets = Tickets()
        self.expo = expo.Expo(self.gates["expo"], self.expo_tickets)
        self.expo_receipts = expo.ExpoReceipts(self.gates["expo_receipts"], self.expo_tickets, self.expo)
        self.token_endpoint = TokenEndpoint(self.account, self.tokens)
        self.apns = ApnsServer(Apns(self.gates["apns"], self.inbox, Identity(), apns_app or ApnsApp()))


def build_app(parts: Parts) -> Litestar:
    """The application of one lab."""
    handlers = [
        *_provider_routes(parts),
        *webpush.routes(parts.webpush, parts.gates["webpush"], parts.inbox),
        *webpush_control.routes(parts.subscriptions),
        *expo.routes(parts.expo, parts.expo_receipts, parts.gates, parts.inbox),
        *message_routes(parts.inbox, parts.gates, parts.webhook),
        *fault_routes(parts.gates),
        *event_routes(parts.inbox, parts.webhook, parts.random),
        *identity_routes(parts.account, parts.tokens),
        *page_routes(parts.inbox, parts.gates, parts.webhook),
        *apns_routes(parts.apns),
    ]
    return Litestar(
        handlers,
        openapi_config=None,
        logging_config=None,
        request_max_body_size=SERVER_MAX_BODY,
        exception_handlers={ProblemError: on_problem, HTTPException: on_http_exception, Exception: on_bug},
    )


def _provider_routes(parts: Parts) -> list[HTTPRouteHandler]:
    inbox, gates = parts.inbox, parts.gates

    @post("/sendgrid/v3/mail/send")
    async def mail_send(request: Request[Any, Any, Any]) -> Response[bytes]:
        return await exchange(request, parts.sendgrid, gates["sendgrid"], inbox)

    @post("/fcm/v1/projects/{project:str}/messages:send")
    async def messages_send(request: Request[Any, Any, Any], project: FromPath[str]) -> Response[bytes]:
        return await exchange(request, parts.fcm, gates["fcm"], inbox, project)

    @post("/oauth2/token")
    async def token(request: Request[Any, Any, Any]) -> Response[bytes]:
        return await exchange(request, parts.token_endpoint, gates["oauth2"], inbox)

    return [mail_send, messages_send, token]
