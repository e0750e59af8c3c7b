"""Provider: SendGrid v3, `POST {base}/v3/mail/send`, one mail a request.

Reads a `Mail`, writes one request; the answer becomes an outcome by the table of statuses below. `Mail.args` travel as
the personalization's custom_args and come back with every event. It never retries and keeps no state but its key.

Sources: SendGrid's OpenAPI document (statuses, fields), its Errors and Rate limits pages (messages, X-RateLimit-Reset).
"""

from __future__ import annotations

import re
from typing import Any, Final, Literal

import msgspec

from heliograph.core.headers import address_flaw, mail_flaw, parse_mailbox
from heliograph.core.model import Mail, Millis
from heliograph.core.outcomes import (
    Delivered,
    Misconfigured,
    ProviderOutcome,
    Rejected,
    Throttled,
    Unavailable,
)
from heliograph.core.ports import Clock
from heliograph.providers.http import Answer, Failed, Http
from heliograph.providers.waiting import retry_after_s, until_s, wall_clock

Action = Literal["delivered", "rejected", "misconfigured", "throttled", "unavailable"]

ACTIONS: Final[dict[int, Action]] = {
    200: "delivered",  # sandbox mode
    202: "delivered",
    400: "rejected",
    401: "misconfigured",  # a wrong key, and also "Maximum credits exceeded": the account waits, not the mail
    403: "misconfigured",  # sender identity or the key's scopes
    404: "misconfigured",  # not SendGrid's address
    405: "misconfigured",
    408: "unavailable",
    413: "rejected",
    415: "misconfigured",
    429: "throttled",
    500: "unavailable",
    502: "unavailable",
    503: "unavailable",
    504: "unavailable",
}
BY_CLASS: Final[dict[int, Action]] = {
    2: "delivered",
    3: "misconfigured",
    4: "rejected",
    5: "unavailable",
}
"""For statuses that nobody documented. A redirect is no SendGrid answer; it is not followed."""

_RECIPIENT_FIELD: Final = re.compile(r"personalizations\.\d+\.to\.\d+\.email")
_PARTICULARS: Final = re.compile(r"\[[^\]]*\]|\S+@\S+")
_CAUSE_LENGTH: Final = 120


class ApiError(msgspec.Struct):
    """One of `errors` in a refusal."""

    message: str | None = None
    field: str | None = None


class _Refusal(msgspec.Struct):
    errors: list[ApiError] = []


class SendGrid:
    """One SendGrid account.

    Args:
        base_url: `https://api.sendgrid.com` or `https://api.eu.sendgrid.com`.
        api_key: `SG.…`.
        sender: `Name <addr>` or `addr`; a verified sender identity.

    Raises:
        ValueError: the sender is no mailbox.
    """

    name = "sendgrid"

    def __init__(self, base_url: str, api_key: str, sender: str, http: Http, clock: Clock = wall_clock) -> None:
        self._url = f"{base_url.rstrip('/')}/v3/mail/send"
        self._headers = {"Authorization": f"Bearer {api_key.strip()}", "Content-Type": "application/json"}
        mailbox = parse_mailbox(sender)
        self._sender = _mailbox(mailbox.display_name, mailbox.addr_spec)
        self._http = http
        self._clock = clock
        self._encode = msgspec.json.Encoder().encode

    async def send(self, mail: Mail) -> ProviderOutcome:
        if address_flaw(mail.to) is not None:
            return Rejected("sendgrid: not an e-mail address", bad_address=True)
        flaw = mail_flaw(mail)
        if flaw is not None:
            return Rejected(f"sendgrid: {flaw}")
        answer = await self._http.post(self._url, self._headers, self._encode(request_of(mail, self._sender)))
        if isinstance(answer, Failed):
            return Unavailable(f"sendgrid: {answer.cause}", unknown=answer.unknown)
        return outcome_of(answer, self._clock())

    async def close(self) -> None:
        await self._http.close()


def request_of(mail: Mail, sender: dict[str, str]) -> dict[str, Any]:
    """The request's body. `sender` as `{"email", "name"}`."""
    request: dict[str, Any] = {
        "personalizations": [{"to": [_mailbox(mail.to_name, mail.to)], "custom_args": mail.args}],
        "from": sender,
        "subject": mail.subject,
        "content": [
            {"type": "text/plain", "value": mail.text},
            {"type": "text/html", "value": mail.html},
        ],
    }
    if mail.headers:
        request["headers"] = mail.headers
    return request


def outcome_of(answer: Answer, now: Millis) -> ProviderOutcome:
    """What an answer means, by `ACTIONS`. `now`: for the headers that name a time."""
    action = ACTIONS.get(answer.status) or BY_CLASS.get(answer.status // 100, "unavailable")
    if action == "delivered":
        return Delivered(answer.headers.get("X-Message-Id"))
    error = _first_error(answer.body)
    cause = _cause(answer.status, error)
    match action:
        case "rejected":
            return Rejected(cause, bad_address=_RECIPIENT_FIELD.fullmatch(error.field or "") is not None)
        case "misconfigured":
            return Misconfigured(cause)
        case "throttled":
            return Throttled(cause, _wait_s(answer, now))
        case _:
            # There is no idempotency key: whatever broke inside may have broken after the mail was taken.
            asked_s = retry_after_s(answer.headers.get("Retry-After"), now)
            return Unavailable(cause, asked_s, unknown=True, asked=asked_s is not None)


def _wait_s(answer: Answer, now: Millis) -> float | None:
    asked = retry_after_s(answer.headers.get("Retry-After"), now)
    return until_s(answer.headers.get("X-RateLimit-Reset"), now) if asked is None else asked


def _first_error(body: bytes) -> ApiError:
    try:
        errors = msgspec.json.decode(body, type=_Refusal).errors
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        errors = []  # a proxy's HTML page, or nothing
    return errors[0] if errors else ApiError()


def _cause(status: int, error: ApiError) -> str:
    """Dead letters are grouped by cause, so addresses and other particulars stay out of it."""
    told = " ".join(_PARTICULARS.sub("…", error.message or "").split())[:_CAUSE_LENGTH]
    return f"sendgrid {status}: {told}" if told else f"sendgrid {status}"


def _mailbox(name: str | None, address: str) -> dict[str, str]:
    if not name:
        return {"email": address}
    if "," in name or ";" in name:  # taken in quotes only, as SendGrid's own libraries write them
        name = '"' + name.replace("\\", "").replace('"', "") + '"'
    return {"email": address, "name": name}
