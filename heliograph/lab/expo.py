"""Lab: Expo's push service: `POST /expo/--/api/v2/push/send` and `…/getReceipts`.

Reads the calls (gzip too), the providers' gates and the tickets; answers as Expo does. A device that is gone may show
in the ticket or only in the receipt. Delivers nothing.

Behaviours for `tokens` (by push token): the words of expo_tickets.ERRORS in the ticket (unregistered, too_big, rate,
sender_mismatch, credentials, developer_error, expo_error, provider_error), the same with `receipt_` in front in the
receipt only, receipt_none (never there), other_project (refused together with tokens of the usual one), lost_answer.
"""

from __future__ import annotations

import math
import time
import zlib
from typing import Any

import msgspec
from litestar import MediaType, Request, Response, post, put
from litestar.handlers import HTTPRouteHandler
from msgspec import Struct

from heliograph.lab.exchange import Call, Letter, Reply, exchange
from heliograph.lab.expo_rules import ExpoMessage, is_token, read_messages
from heliograph.lab.expo_tickets import ERRORS, Tickets, failed
from heliograph.lab.faults import Bucket, Dialect, Verdict
from heliograph.lab.gate import Gate
from heliograph.lab.inbox import Inbox, Nothing, View
from heliograph.lab.problems import decode

MAX_NOTIFICATIONS = 100
MAX_RECEIPTS = 1_000
RATE_PER_S = 600.0
"""Notifications of a project in a second (Expo, "Sending notifications")."""
MAX_UNZIPPED = 16 * 1024 * 1024
RECEIPT = "receipt_"
DIALECT = Dialect(
    500, frozenset(ERRORS) | {RECEIPT + word for word in (*ERRORS, "none")} | {"other_project", "lost_answer"}
)
RECEIPTS_DIALECT = Dialect(500, frozenset())
REFUSALS = {
    400: "VALIDATION_ERROR",
    401: "UNAUTHORIZED",
    429: "TOO_MANY_REQUESTS",
}


class ExpoSettings(Struct, forbid_unknown_fields=True):
    """The body of `PUT /lab/expo`: what an account may set, and how fast receipts come. `access_token` empty = none."""

    access_token: str = ""
    receipt_delay_s: float = 0.0
    rate_per_s: float = RATE_PER_S


class ExpoPush:
    """One notification for one token."""

    __slots__ = ("raw",)

    def __init__(self, raw: Any) -> None:
        self.raw = raw

    def view(self) -> View:
        fields = self.raw if isinstance(self.raw, dict) else {}
        data = fields.get("data")
        return View(
            title=str(fields.get("title") or ""),
            body=str(fields.get("body") or ""),
            data=data if isinstance(data, dict) else {},
            payload=self.raw,
        )


class Expo:
    """The send endpoint."""

    name = "expo"

    def __init__(self, gate: Gate, tickets: Tickets) -> None:
        self._gate = gate
        self._tickets = tickets
        self.put(ExpoSettings())

    def put(self, settings: ExpoSettings) -> None:
        self.settings = settings
        self._tickets.delay_s = settings.receipt_delay_s
        self._bucket = Bucket(settings.rate_per_s, time.monotonic())

    def read(self, call: Call) -> list[Letter]:
        document = _document(call)
        raw = document if isinstance(document, list) else [document]
        letters = [Letter(token, ExpoPush(one)) for one in raw for token in _tokens(one)]
        return letters or [Letter("", Nothing())]

    async def answer(self, call: Call, letters: list[Letter], verdict: Verdict) -> Reply:  # noqa: ARG002
        refused = injected(verdict, self._gate) or self.refusal(call)
        if refused:
            return refused
        document = _document(call)
        messages = read_messages(document)
        if isinstance(messages, str):
            return refuse(400, "VALIDATION_ERROR", messages)
        to = [(message, token) for message in messages for token in message.recipients]
        words = {token: self._gate.behaviour(token) or "" for _, token in to}
        return self._limits(words, len(to)) or self._take(to, words, single=not isinstance(document, list))

    def refusal(self, call: Call) -> Reply | None:
        """Of callers without the account's access token."""
        wanted = self.settings.access_token
        if wanted and call.headers.get("authorization") != f"Bearer {wanted}":
            return refuse(401, "UNAUTHORIZED", "The access token is missing or not valid")
        return None

    def _limits(self, words: dict[str, str], count: int) -> Reply | None:
        if count > MAX_NOTIFICATIONS:
            text = f"At most {MAX_NOTIFICATIONS} notifications in one request; got {count}"
            return refuse(400, "PUSH_TOO_MANY_NOTIFICATIONS", text)
        others = [token for token, word in words.items() if word == "other_project"]
        if others and len(others) < len(words):
            projects = {"@lab/app": [token for token in words if token not in others], "@lab/other": others}
            text = "All push notification messages in the same request must be for the same project"
            return refuse(400, "PUSH_TOO_MANY_EXPERIENCE_IDS", text, projects)
        if self._bucket.take(time.monotonic(), count).kind == "throttle":
            return refuse(429, "TOO_MANY_REQUESTS", "The project exceeds its notifications per second")
        return None

    def _take(self, to: list[tuple[ExpoMessage, str]], words: dict[str, str], *, single: bool) -> Reply:
        tickets = [self._ticket(message, token, words[token]) for message, token in to]
        parts = [(one["status"] == "ok", one.get("id", "")) for one in tickets]
        data = tickets[0] if single and len(tickets) == 1 else tickets
        body = msgspec.json.encode({"data": data})
        return Reply(200, body, accepted=True, parts=parts, lost="lost_answer" in words.values())

    def _ticket(self, message: ExpoMessage, token: str, word: str) -> dict[str, Any]:
        if not is_token(token):
            return failed("unregistered", token)
        if word in ERRORS:
            return failed(word, token)
        if message.too_big:
            return failed("too_big", token)
        said = word.removeprefix(RECEIPT) if word.startswith(RECEIPT) else ""
        return {"status": "ok", "id": self._tickets.ticket(token, said)}


class ExpoReceipts:
    """The getReceipts endpoint."""

    name = "expo_receipts"

    def __init__(self, gate: Gate, tickets: Tickets, expo: Expo) -> None:
        self._gate = gate
        self._tickets = tickets
        self._expo = expo

    def read(self, call: Call) -> list[Letter]:
        return [Letter("", ExpoPush(_document(call)))]

    async def answer(self, call: Call, letters: list[Letter], verdict: Verdict) -> Reply:  # noqa: ARG002
        refused = injected(verdict, self._gate) or self._expo.refusal(call)
        if refused:
            return refused
        document = _document(call)
        ids = document.get("ids") if isinstance(document, dict) else None
        if not isinstance(ids, list) or not all(isinstance(one, str) for one in ids):
            return refuse(400, "VALIDATION_ERROR", '"ids" must be an array of strings')
        if len(ids) > MAX_RECEIPTS:
            return refuse(400, "PUSH_TOO_MANY_RECEIPTS", f"At most {MAX_RECEIPTS} receipts; got {len(ids)}")
        return Reply(200, msgspec.json.encode({"data": self._tickets.receipts(ids)}), accepted=True)


def routes(expo: Expo, receipts: ExpoReceipts, gates: dict[str, Gate], inbox: Inbox) -> list[HTTPRouteHandler]:
    """Expo's two endpoints, and `PUT /lab/expo` (fields: ExpoSettings; it replaces them all)."""

    @post("/expo/--/api/v2/push/send")
    async def send(request: Request[Any, Any, Any]) -> Response[bytes]:
        return await exchange(request, expo, gates["expo"], inbox)

    @post("/expo/--/api/v2/push/getReceipts")
    async def get_receipts(request: Request[Any, Any, Any]) -> Response[bytes]:
        return await exchange(request, receipts, gates["expo_receipts"], inbox)

    @put("/lab/expo")
    async def put_settings(request: Request[Any, Any, Any]) -> Response[bytes]:
        expo.put(decode(await request.body(), ExpoSettings))
        return Response(msgspec.json.encode(expo.settings), media_type=MediaType.JSON)

    return [send, get_receipts, put_settings]


def injected(verdict: Verdict, gate: Gate) -> Reply | None:
    """The answer to a call that a fault refuses."""
    status = 429 if verdict.kind == "throttle" else verdict.status if verdict.kind == "fail" else 0
    if not status:
        return None
    reply = refuse(status, REFUSALS.get(status, "INTERNAL_SERVER_ERROR"), "The service refused the request")
    if gate.fault.retry_after_s is not None and status in (429, 503):
        reply.headers = {"Retry-After": str(math.ceil(gate.fault.retry_after_s))}
    return reply


def refuse(status: int, code: str, message: str, details: Any = None) -> Reply:
    """The refusal of a whole request."""
    error = {"code": code, "message": message, "isTransient": status >= 500} | ({"details": details} if details else {})
    return Reply(status, msgspec.json.encode({"errors": [error]}))


def _document(call: Call) -> Any:
    """The body as JSON, unzipped if it says so; None for anything else."""
    if call.headers.get("content-encoding") != "gzip":
        return None if call.document is msgspec.UNSET else call.document
    try:
        return msgspec.json.decode(zlib.decompressobj(wbits=31).decompress(call.body, MAX_UNZIPPED))
    except (zlib.error, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _tokens(raw: Any) -> list[str]:
    to = raw.get("to") if isinstance(raw, dict) else None
    return [one for one in (to if isinstance(to, list) else [to]) if isinstance(one, str)]
