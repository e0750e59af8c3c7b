"""Lab: a Web Push service: `POST /webpush/push/{id}`, and any other path under /webpush/.

Reads the call, the provider's gate and the subscriptions; answers as RFC 8030 and RFC 8292 have it, with error bodies
in Mozilla's words. An endpoint that the lab didn't hand out is taken too, but what comes for it can't be decrypted.

Behaviours for `tokens` (by endpoint, or by the id at its end): unregistered (410), not_found (404), bad_request (400),
vapid_mismatch (403), too_large (413), bridged (413 beyond 2,744 bytes), throttled (429), internal (500),
unavailable (503), lost_answer (taken, but the connection ends before the 201).
"""

from __future__ import annotations

import math
import re
import secrets
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request, Response, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from heliograph.lab.exchange import Call, Letter, Reply, exchange
from heliograph.lab.faults import Dialect, Verdict
from heliograph.lab.gate import Gate
from heliograph.lab.inbox import Inbox, View
from heliograph.lab.webpush_subscriptions import Browser, Subscriptions, Waiting
from heliograph.lab.webpush_vapid import refusal

MAX_BODY = 4_096
BRIDGED_BODY = 2_744
MAX_TTL_S = 2_592_000
TOPIC = re.compile(r"[A-Za-z0-9_-]{1,32}")
URGENCIES = frozenset({"very-low", "low", "normal", "high"})
RETRY_AFTER_S = 1
"""Short, so that tests needn't wait. `retry_after_s` of the fault overrides it."""

FAILURES = {
    "unregistered": (410, 106, "The subscription has expired"),
    "not_found": (404, 102, "No such subscription"),
    "bad_request": (400, 110, "Invalid crypto headers"),
    "vapid_mismatch": (403, 109, "The VAPID key is not the one used to subscribe"),
    "too_large": (413, 104, "Data payload too large"),
    "throttled": (429, 201, "Too many messages"),
    "internal": (500, 999, "Unknown error"),
    "unavailable": (503, 201, "Try again later"),
}
"""Status, Mozilla's errno, message."""
DIALECT = Dialect(500, frozenset(FAILURES) | {"bridged", "lost_answer"})
HIDDEN_HEADERS = frozenset({"authorization"})


class SealedPush:
    """What arrived; decrypted when somebody looks."""

    __slots__ = ("body", "browser", "headers")

    def __init__(self, headers: dict[str, str], body: bytes, browser: Browser | None) -> None:
        self.headers = headers
        self.body = body
        self.browser = browser

    def view(self) -> View:
        plain = self.browser.decrypt(self.body) if self.browser else None
        fields = plain if isinstance(plain, dict) else {"body": plain} if isinstance(plain, str) else {}
        data = fields.get("data")
        return View(
            title=str(fields.get("title", "")),
            body=str(fields.get("body", "")),
            data=data if isinstance(data, dict) else {},
            headers={name: value for name, value in self.headers.items() if name not in HIDDEN_HEADERS},
            payload=plain,
        )


class WebPush:
    """The push service."""

    name = "webpush"

    def __init__(self, gate: Gate, subscriptions: Subscriptions) -> None:
        self._gate = gate
        self._subscriptions = subscriptions

    def read(self, call: Call) -> list[Letter]:
        browser = self._subscriptions.get(_id_of(call))
        return [Letter(_endpoint(call), SealedPush(call.headers, call.body, browser))]

    async def answer(self, call: Call, letters: list[Letter], verdict: Verdict) -> Reply:  # noqa: ARG002
        if verdict.kind == "throttle":
            return self._fail("throttled", math.ceil(verdict.wait_s))
        if verdict.kind == "fail":
            return self._with_status(verdict.status)
        word = self._gate.behaviour(_endpoint(call)) or self._gate.behaviour(_id_of(call))
        if word in FAILURES:
            return self._fail(word)
        return self._refusal(call, bridged=word == "bridged") or self._take(call, lost=word == "lost_answer")

    def _refusal(self, call: Call, *, bridged: bool) -> Reply | None:
        browser = self._subscriptions.get(_id_of(call))
        if browser and browser.expired:
            return self._fail("unregistered")
        wrong = refusal(call.headers.get("authorization", ""), _origin(call), browser.server_key if browser else "")
        if wrong:
            return _error(wrong.status, 109, wrong.message)
        if len(call.body) > (BRIDGED_BODY if bridged else MAX_BODY):
            return self._fail("too_large")
        return _header_refusal(call)

    def _take(self, call: Call, *, lost: bool) -> Reply:
        message_id, now = secrets.token_urlsafe(12), self._subscriptions.clock()
        ttl_s = min(int(call.headers["ttl"]), MAX_TTL_S)
        browser = self._subscriptions.get(_id_of(call))
        if browser:
            topic, urgency = call.headers.get("topic", ""), call.headers.get("urgency", "normal")
            browser.keep(Waiting(message_id, topic, urgency, now + ttl_s, call.body), now)
        location = f"{_origin(call)}/webpush/message/{message_id}"
        headers = {"Location": location, "TTL": str(ttl_s)}
        return Reply(201, headers=headers, accepted=True, provider_id=location, lost=lost)

    def _with_status(self, status: int) -> Reply:
        word = next((name for name, row in FAILURES.items() if row[0] == status), "")
        return self._fail(word) if word else _error(status, 0, "The service refused the request")

    def _fail(self, word: str, usual_s: float = RETRY_AFTER_S) -> Reply:
        status, errno, message = FAILURES[word]
        reply = _error(status, errno, message)
        if status in (429, 503):
            chosen = self._gate.fault.retry_after_s
            reply.headers = {"Retry-After": str(math.ceil(usual_s if chosen is None else chosen))}
        return reply


def routes(webpush: WebPush, gate: Gate, inbox: Inbox) -> list[HTTPRouteHandler]:
    @post("/webpush/{rest:path}")
    async def push(request: Request[Any, Any, Any], rest: FromPath[str]) -> Response[bytes]:
        return await exchange(request, webpush, gate, inbox, str(rest))

    return [push]


def _header_refusal(call: Call) -> Reply | None:
    """The headers that RFC 8030 and RFC 8291 want, in Mozilla's numbers."""
    ttl, topic = call.headers.get("ttl", ""), call.headers.get("topic")
    if not (ttl.isascii() and ttl.isdigit() and len(ttl) < 12):
        return _error(400, 111, "Missing or invalid TTL header")
    if int(ttl) > MAX_TTL_S:
        return _error(400, 112, "Invalid TTL header value")
    if topic is not None and not TOPIC.fullmatch(topic):
        return _error(400, 113, "Invalid Topic header value")
    if call.headers.get("urgency", "normal") not in URGENCIES:
        return _error(400, 111, "Invalid Urgency header value")
    if call.body and call.headers.get("content-encoding") != "aes128gcm":
        return _error(400, 110, "Content-Encoding must be aes128gcm")
    return None


def _error(status: int, errno: int, message: str) -> Reply:
    body = {"code": status, "errno": errno, "error": HTTPStatus(status).phrase, "message": message}
    return Reply(status, msgspec.json.encode(body))


def _origin(call: Call) -> str:
    return f"http://{call.headers.get('host', '')}"


def _endpoint(call: Call) -> str:
    return f"{_origin(call)}/webpush/{call.parameter.lstrip('/')}"


def _id_of(call: Call) -> str:
    return call.parameter.rpartition("/")[2]
