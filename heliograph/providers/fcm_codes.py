"""FCM: what an answer of messages:send means. Pure: reads status, headers and body, answers with an outcome.

The error code is the FcmError's where there is one, else the google.rpc status. Bodies may be the front end's HTML
(502, 504) or nothing. Sources: Firebase's ErrorCode reference and its "Best practices when sending at scale" (never
sooner than 10 s, 60 s for 429); the rows of THIRD_PARTY_AUTH and NOT_FOUND as their messages tell.
"""

from __future__ import annotations

import re
from typing import Final, Literal

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

ACTIONS: Final[dict[tuple[int, str], Action]] = {
    (400, "INVALID_ARGUMENT"): "rejected",  # or the token is none: see `_TOKEN_FIELDS`
    (401, "UNAUTHENTICATED"): "misconfigured",  # a fresh access token was tried before
    (401, "THIRD_PARTY_AUTH_ERROR"): "misconfigured",  # the APNs or Web Push credentials held by Firebase
    (401, "APNS_AUTH_ERROR"): "misconfigured",  # its old name
    (403, "SENDER_ID_MISMATCH"): "unregistered",  # a device of another project
    (403, "PERMISSION_DENIED"): "misconfigured",
    (404, "UNREGISTERED"): "unregistered",
    (404, "NOT_FOUND"): "misconfigured",  # no FcmError: it is the project that wasn't found
    (429, "QUOTA_EXCEEDED"): "throttled",
    (429, "RESOURCE_EXHAUSTED"): "throttled",
    (500, "INTERNAL"): "unavailable",
    (503, "UNAVAILABLE"): "unavailable",
}
BY_STATUS: Final[dict[int, Action]] = {
    401: "misconfigured",
    403: "misconfigured",
    404: "misconfigured",
    408: "unknown",
    429: "throttled",
    502: "unknown",  # from the front end: what stands behind it may have taken the message
    504: "unknown",
}
"""For a status without a code that the table above knows."""
BY_CLASS: Final[dict[int, Action]] = {3: "misconfigured", 4: "rejected", 5: "unavailable"}

_HELD_FOR_OTHERS: Final = frozenset({"THIRD_PARTY_AUTH_ERROR", "APNS_AUTH_ERROR"})
"""Devices of other platforms than the one concerned still get their pushes."""

FLOOR_S: Final = 10.0
QUOTA_S: Final = 60.0
"""Where a 429 names no time."""

_FCM_ERROR: Final = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
_TOKEN_FIELDS: Final = frozenset({"message.token", "message.fid"})
_TOKEN_MESSAGE: Final = re.compile(r"registration token is not a valid|not a valid FCM registration", re.IGNORECASE)


class _Violation(msgspec.Struct):
    field: str = ""
    subject: str = ""


class _Detail(msgspec.Struct):
    type: str = msgspec.field(name="@type", default="")
    error_code: str = msgspec.field(name="errorCode", default="")
    violations: list[_Violation] = msgspec.field(name="fieldViolations", default_factory=list)
    exhausted: list[_Violation] = msgspec.field(name="violations", default_factory=list)
    """Of a QuotaFailure."""


class Refusal(msgspec.Struct):
    """The `error` object of a refusal."""

    message: str = ""
    status: str = ""
    details: list[_Detail] = []

    @property
    def code(self) -> str:
        """The FcmError's code, else the google.rpc status; empty when there is neither."""
        codes = [detail.error_code for detail in self.details if detail.type == _FCM_ERROR]
        return next((code for code in codes if code), self.status)

    @property
    def field(self) -> str:
        """The first violated field; empty when none is named."""
        return next((entry.field for detail in self.details for entry in detail.violations), "")

    @property
    def blames_device(self) -> bool:
        """The quota of one device is exhausted, not the project's."""
        subjects = [entry.subject for detail in self.details for entry in detail.exhausted]
        return bool(subjects) and all(subject.startswith("device:") for subject in subjects)

    @property
    def blames_token(self) -> bool:
        return self.field in _TOKEN_FIELDS or _TOKEN_MESSAGE.search(self.message) is not None


class _Body(msgspec.Struct):
    error: Refusal = msgspec.field(default_factory=Refusal)
    name: str | None = None


def refusal_of(answer: Answer) -> Refusal:
    return _read(answer.body).error


def outcome_of(answer: Answer, now: Millis) -> ProviderOutcome:
    """What an answer means, by the tables above."""
    body = _read(answer.body)
    if 200 <= answer.status < 300:
        return Delivered(body.name)
    error = body.error
    cause = " ".join(part for part in (f"fcm {answer.status}", error.code, error.field) if part)
    match _action(answer.status, error):
        case "rejected":
            return Rejected(cause)
        case "unregistered":
            return Unregistered(cause)
        case "misconfigured":
            return Misconfigured(cause, alone=error.code in _HELD_FOR_OTHERS)
        case "throttled":
            return Throttled(cause, _wait_s(answer, now, QUOTA_S), alone=error.blames_device)
        case action:
            asked = retry_after_s(answer.headers.get("Retry-After"), now) is not None
            return Unavailable(cause, _wait_s(answer, now, FLOOR_S), unknown=action == "unknown", asked=asked)


def _action(status: int, error: Refusal) -> Action:
    if status == 400 and error.blames_token:
        return "unregistered"
    named = ACTIONS.get((status, error.code))
    return named or BY_STATUS.get(status) or BY_CLASS.get(status // 100, "unavailable")


def _wait_s(answer: Answer, now: Millis, unasked_s: float) -> float:
    """Never sooner than `FLOOR_S`, whatever is asked for."""
    asked = retry_after_s(answer.headers.get("Retry-After"), now)
    return unasked_s if asked is None else max(FLOOR_S, asked)


def _read(body: bytes) -> _Body:
    try:
        return msgspec.json.decode(body, type=_Body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Body()
