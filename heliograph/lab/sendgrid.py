"""Lab: SendGrid's `POST /v3/mail/send`.

Reads the call and the provider's gate, answers as SendGrid v3 does: 202 with X-Message-Id, 200 in sandbox mode,
`errors[]` otherwise, X-RateLimit-* always. Sends no events; events.py does, from the journal.

Behaviours for `tokens` (by recipient; `unverified` by sender). Refused at once: invalid (400), unauthorized and
credits (401), forbidden and unverified (403), throttled (429), error (500), unavailable (503). `lost_answer`: taken,
but the connection ends before the 202. Taken, with that fate told by events: bounce, blocked, dropped, deferred,
async_bounce, spamreport, unsubscribe, open, click, silent (no event at all).
"""

from __future__ import annotations

import math
import secrets
import time
from typing import Any

import msgspec

from heliograph.lab.exchange import JSON, Call, Letter, Reply
from heliograph.lab.faults import Dialect, Verdict
from heliograph.lab.gate import Gate
from heliograph.lab.inbox import View
from heliograph.lab.sendgrid_errors import BAD_REQUEST, ApiError
from heliograph.lab.sendgrid_recipients import recipients
from heliograph.lab.sendgrid_rules import check_mail

MAX_BODY = 30 * 1024 * 1024
UNTHROTTLED_LIMIT = 10_000

AUTH_MISSING = ApiError("authorization required")
AUTH_WRONG = ApiError("The provided authorization grant is invalid, expired, or revoked")
CREDITS = ApiError("Maximum credits exceeded")
UNVERIFIED = ApiError(
    "The from address does not match a verified Sender Identity. Mail cannot be sent until this error is resolved. "
    "Visit https://sendgrid.com/docs/for-developers/sending-email/sender-identity/ to see the Sender Identity "
    "requirements",
    "from",
)
STATUS_ERRORS = {
    400: BAD_REQUEST,
    401: AUTH_WRONG,
    403: ApiError("access forbidden"),
    404: ApiError("not found"),
    405: ApiError("method not allowed"),
    413: ApiError("content too large"),
    415: ApiError("Content-Type should be application/json."),
    429: ApiError("too many requests"),
    503: ApiError("service unavailable"),
}
INTERNAL = ApiError("internal server error")
REFUSALS = {
    "unauthorized": (401, AUTH_WRONG),
    "credits": (401, CREDITS),
    "forbidden": (403, STATUS_ERRORS[403]),
    "unverified": (403, UNVERIFIED),
    "throttled": (429, STATUS_ERRORS[429]),
    "error": (500, INTERNAL),
    "unavailable": (503, STATUS_ERRORS[503]),
}
FATES = frozenset(
    {"bounce", "blocked", "dropped", "deferred", "async_bounce", "spamreport", "unsubscribe", "open", "click", "silent"}
)
DIALECT = Dialect(500, FATES | frozenset(REFUSALS) | {"invalid", "lost_answer"})


class SendGridMail:
    """One recipient's mail of a request: the whole JSON document and the number of the personalization."""

    __slots__ = ("address", "document", "number")

    def __init__(self, document: dict[str, Any], number: int, address: str) -> None:
        self.document = document
        self.number = number
        self.address = address

    @property
    def block(self) -> dict[str, Any]:
        block: dict[str, Any] = self.document["personalizations"][self.number]
        return block

    def custom_args(self) -> dict[str, str]:
        """The custom args of this recipient; the personalization's win over the root's."""
        args: dict[str, str] = {**_object(self.document, "custom_args"), **_object(self.block, "custom_args")}
        return args

    def bypasses_bounces(self) -> bool:
        """Whether the request asks to deliver even to addresses that bounced before."""
        settings = _object(self.document, "mail_settings")
        ways = ("bypass_list_management", "bypass_bounce_management")
        return any(_object(settings, way).get("enable") for way in ways)

    def view(self) -> View:
        texts = _texts(self.document)
        return View(
            title=self._title(),
            body=self._substituted(texts.get("text/plain", "")),
            html=self._substituted(texts.get("text/html", "")),
            data=self.custom_args(),
            headers=self._headers(),
            payload={**self.document, "personalizations": [self.block]},
        )

    def _title(self) -> str:
        title = self.block.get("subject") or self.document.get("subject")
        return self._substituted(title) if isinstance(title, str) else ""

    def _substituted(self, text: str) -> str:
        for tag, value in _object(self.block, "substitutions").items():
            text = text.replace(tag, str(value))
        return text

    def _headers(self) -> dict[str, str]:
        """The headers the person's mail would have."""
        written = {
            "From": _written(self.block.get("from") or self.document.get("from")),
            "To": _written_all(self.block.get("to")),
            "Cc": _written_all(self.block.get("cc")),
            "Subject": self._title(),
            "Reply-To": _written(self.document.get("reply_to")) or _written_all(self.document.get("reply_to_list")),
        }
        own = {**_object(self.document, "headers"), **_object(self.block, "headers")}
        return {name: value for name, value in written.items() if value} | own


class SendGrid:
    """The mail/send endpoint. `api_key` None accepts any key that starts with `SG.`."""

    name = "sendgrid"

    def __init__(self, gate: Gate, api_key: str | None = None) -> None:
        self._gate = gate
        self._api_key = api_key

    def read(self, call: Call) -> list[Letter]:
        found = [
            Letter(address, SendGridMail(call.document, number, address))
            for number, _, _, address in recipients(call.document)
        ]
        return found or [Letter("", Unreadable(call.body))]

    async def answer(self, call: Call, letters: list[Letter], verdict: Verdict) -> Reply:  # noqa: ARG002
        limits = self._limits(verdict)
        if verdict.kind != "pass":
            return refuse(verdict.status, STATUS_ERRORS.get(verdict.status, INTERNAL), headers=limits)
        reply = self._refusal(call) or self._decision(call.document)
        reply.headers = limits | reply.headers
        return reply

    def _limits(self, verdict: Verdict) -> dict[str, str]:
        """X-RateLimit-*; Reset is the unix second from which a call is taken again."""
        limit = verdict.limit or UNTHROTTLED_LIMIT
        wait = verdict.wait_s or 1
        if verdict.status == 429 and self._gate.fault.retry_after_s is not None:
            wait = self._gate.fault.retry_after_s
        return {
            "X-RateLimit-Limit": str(limit),
            "X-RateLimit-Remaining": str(verdict.remaining if verdict.limit else limit - 1),
            "X-RateLimit-Reset": str(math.ceil(time.time() + wait)),
        }

    def _refusal(self, call: Call) -> Reply | None:
        """What is refused before the mail itself is looked at."""
        scheme, _, key = call.headers.get("authorization", "").partition(" ")
        if not key:
            return refuse(401, AUTH_MISSING)
        if scheme.lower() != "bearer" or not (key == self._api_key if self._api_key else key.startswith("SG.")):
            return refuse(401, AUTH_WRONG)
        if len(call.body) > MAX_BODY:
            return refuse(413, STATUS_ERRORS[413])
        if call.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            return refuse(415, STATUS_ERRORS[415])
        if call.headers.get("content-encoding", "identity") != "identity":
            return refuse(415, ApiError("Content-Encoding is not supported for this account."))
        return None

    def _decision(self, mail: Any) -> Reply:
        errors = check_mail(mail, time.time())
        if errors:
            return refuse(400, *errors)
        sandbox = _object(_object(mail, "mail_settings"), "sandbox_mode")
        if sandbox.get("enable"):
            return Reply(200)
        lost = False
        for number, field, position, address in recipients(mail):
            word = self._gate.behaviour(address)
            if word == "invalid":
                path = f"personalizations.{number}.{field}.{position}.email"
                return refuse(400, ApiError("Does not contain a valid address.", path))
            if word in REFUSALS:
                return refuse(REFUSALS[word][0], REFUSALS[word][1])
            lost = lost or word == "lost_answer"
        if self._gate.behaviour(mail["from"]["email"]) in ("unverified", "forbidden"):
            return refuse(403, UNVERIFIED)
        message_id = secrets.token_urlsafe(16)  # 22 characters, as SendGrid's are
        return Reply(202, headers={"X-Message-Id": message_id}, accepted=True, provider_id=message_id, lost=lost)


class Unreadable:
    """The content of a call that names no recipient."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def view(self) -> View:
        return View(payload=self._body[:65536].decode("utf-8", "replace"))


def refuse(status: int, *errors: ApiError, headers: dict[str, str] | None = None) -> Reply:
    """An error answer in SendGrid's shape: `{"errors": [{message, field, help}]}`."""
    return Reply(status, msgspec.json.encode({"errors": errors}), headers or {}, JSON)


def _object(holder: Any, field: str) -> dict[str, Any]:
    value = holder.get(field) if isinstance(holder, dict) else None
    return value if isinstance(value, dict) else {}


def _texts(document: dict[str, Any]) -> dict[str, str]:
    blocks = document.get("content")
    return {
        block["type"]: block["value"]
        for block in (blocks if isinstance(blocks, list) else ())
        if isinstance(block, dict) and isinstance(block.get("type"), str) and isinstance(block.get("value"), str)
    }


def _written(entry: Any) -> str:
    """`Name <address>`; empty when there is none."""
    if not isinstance(entry, dict) or not entry.get("email"):
        return ""
    return f"{entry['name']} <{entry['email']}>" if entry.get("name") else str(entry["email"])


def _written_all(entries: Any) -> str:
    return ", ".join(_written(entry) for entry in entries) if isinstance(entries, list) else ""
