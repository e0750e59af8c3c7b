"""Expo: what its answers mean: tickets and receipts of single pushes, and refusals of whole requests. Pure.

A ticket says that Expo took a push, a receipt what FCM or APNs said to it. Source: Expo's "Sending notifications"
(push ticket, push receipt and request errors), and the types of expo-server-sdk.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from heliograph.core.model import Millis
from heliograph.core.outcomes import (
    Delivered,
    Misconfigured,
    ProviderOutcome,
    Rejected,
    Throttled,
    Unavailable,
    Unregistered,
)
from heliograph.providers.http import Answer
from heliograph.providers.waiting import retry_after_s

Action = Literal["rejected", "unregistered", "misconfigured", "throttled", "unavailable", "unknown"]

ACTIONS: Final[dict[str, Action]] = {
    "DeviceNotRegistered": "unregistered",
    "MessageTooBig": "rejected",
    "MessageRateExceeded": "throttled",  # this one device gets too many
    "MismatchSenderId": "misconfigured",  # the FCM credentials held by Expo
    "InvalidCredentials": "misconfigured",  # the APNs or FCM credentials held by Expo
    "DeveloperError": "rejected",
    "ExpoError": "unavailable",
    "ProviderError": "unavailable",
}
"""By `details.error` of a ticket or receipt; any other is "rejected"."""

REQUEST_ACTIONS: Final[dict[str, Action]] = {
    "TOO_MANY_REQUESTS": "throttled",
    "UNAUTHORIZED": "misconfigured",
    "PUSH_TOO_MANY_NOTIFICATIONS": "rejected",  # more than 100: a bug of ours
    "PUSH_TOO_MANY_RECEIPTS": "rejected",  # more than 1,000: a bug of ours
}
"""By the `code` of a refused request's first error."""
BY_STATUS: Final[dict[int, Action]] = {
    401: "misconfigured",
    403: "misconfigured",
    404: "misconfigured",
    408: "unknown",
    429: "throttled",
    502: "unknown",  # from the front end: what stands behind it may have taken the messages
    504: "unknown",
}
BY_CLASS: Final[dict[int, Action]] = {3: "misconfigured", 4: "rejected", 5: "unavailable"}

MIXED: Final = "PUSH_TOO_MANY_EXPERIENCE_IDS"
"""Tokens of several projects in one request; `details` has them by project."""


class _Details(msgspec.Struct):
    error: str = ""


class Result(msgspec.Struct):
    """A ticket or a receipt."""

    status: str = ""
    id: str | None = None
    details: _Details | None = None

    @property
    def error(self) -> str:
        return self.details.error if self.details else ""


class _Error(msgspec.Struct):
    code: str = ""
    details: Any = None


class _Refusal(msgspec.Struct):
    errors: list[_Error] = []


class _Tickets(msgspec.Struct):
    data: list[Result]


class _Receipts(msgspec.Struct):
    data: dict[str, Result]


def tickets_of(answer: Answer) -> list[Result] | None:
    """The tickets of a request that was taken, in the order of its messages; None for any other answer."""
    return _read(answer.body, _Tickets([])).data if answer.status == 200 else None


def receipts_of(answer: Answer) -> dict[str, Result] | None:
    return _read(answer.body, _Receipts({})).data if answer.status == 200 else None


def ticket_outcome(ticket: Result) -> ProviderOutcome:
    if ticket.status == "ok" and ticket.id:
        return Delivered(ticket.id, receipt=True)
    return _outcome(ACTIONS.get(ticket.error, "rejected"), _cause("expo ticket", ticket.error), alone=True)


def receipt_outcome(receipt: Result) -> ProviderOutcome:
    """`final`: FCM or APNs took it, which is the last that Expo can know."""
    if receipt.status == "ok":
        return Delivered(final=True)
    return _outcome(ACTIONS.get(receipt.error, "rejected"), _cause("expo receipt", receipt.error), alone=True)


def refusal_outcome(answer: Answer, now: Millis) -> ProviderOutcome:
    """What the refusal of a whole request means for each of its messages."""
    code = _first_error(answer).code
    named = REQUEST_ACTIONS.get(code) or BY_STATUS.get(answer.status)
    action = named or BY_CLASS.get(answer.status // 100, "unavailable")
    wait_s = retry_after_s(answer.headers.get("Retry-After"), now)
    return _outcome(action, _cause(f"expo {answer.status}", code), wait_s)


def projects_in(answer: Answer) -> list[list[str]]:
    """The tokens by project, if that they were of several is why a request was refused; else none."""
    error = _first_error(answer)
    groups = list(error.details.values()) if error.code == MIXED and isinstance(error.details, dict) else []
    return [[token for token in group if isinstance(token, str)] for group in groups if isinstance(group, list)]


def _first_error(answer: Answer) -> _Error:
    return next(iter(_read(answer.body, _Refusal()).errors), _Error())


def _cause(what: str, code: str) -> str:
    return f"{what} {code}".strip()


def _outcome(action: Action, cause: str, wait_s: float | None = None, *, alone: bool = False) -> ProviderOutcome:
    """`alone`: it is about one device or one app, and not about Expo or our account there."""
    match action:
        case "rejected":
            return Rejected(cause)
        case "unregistered":
            return Unregistered(cause)
        case "misconfigured":
            return Misconfigured(cause, alone=alone)
        case "throttled":
            return Throttled(cause, wait_s, alone=alone)
        case _:
            return Unavailable(cause, wait_s, unknown=action == "unknown", alone=alone, asked=wait_s is not None)


def _read(body: bytes, otherwise: Any) -> Any:
    """The body as the type of `otherwise`; `otherwise` itself if it is something else (a proxy's HTML)."""
    try:
        return msgspec.json.decode(body, type=type(otherwise))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return otherwise
