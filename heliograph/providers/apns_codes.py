"""APNs: what an answer means. Pure: reads status and body, answers with an outcome and what to do with the connection.

Every (status, reason) of Apple's "Handling notification responses from APNs" is a row. Account-wide errors are
`misconfigured`, so that a wrong topic or key parks the pushes instead of dead-lettering every one of them.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from heliograph.core.outcomes import (
    Delivered,
    Misconfigured,
    ProviderOutcome,
    Rejected,
    Throttled,
    Unavailable,
    Unregistered,
)

Action = Literal[
    "rejected", "doubtful", "unregistered", "misconfigured", "throttled", "unavailable", "renew", "reconnect"
]
"""`doubtful` = the token is no good, or we ask in the wrong place (core/pruning.py). `renew` = once more with a fresh
provider token, `reconnect` = once more on a fresh connection; APNs has processed neither."""

ACTIONS: Final[dict[tuple[int, str], Action]] = {
    (400, "BadCollapseId"): "rejected",
    (400, "BadDeviceToken"): "doubtful",
    (400, "BadExpirationDate"): "rejected",
    (400, "BadMessageId"): "rejected",
    (400, "BadPriority"): "rejected",
    (400, "BadTopic"): "misconfigured",
    (400, "DeviceTokenNotForTopic"): "doubtful",
    (400, "DuplicateHeaders"): "rejected",
    (400, "IdleTimeout"): "reconnect",
    (400, "InvalidPushType"): "rejected",
    (400, "MissingDeviceToken"): "rejected",
    (400, "MissingTopic"): "misconfigured",
    (400, "PayloadEmpty"): "rejected",
    (400, "TopicDisallowed"): "misconfigured",
    (403, "BadCertificate"): "misconfigured",
    (403, "BadCertificateEnvironment"): "misconfigured",
    (403, "BadEnvironmentKeyIdInToken"): "misconfigured",
    (403, "BadEnvironmentKeyInToken"): "misconfigured",  # as some servers spell it
    (403, "ExpiredProviderToken"): "renew",
    (403, "Forbidden"): "misconfigured",
    (403, "InvalidProviderToken"): "misconfigured",
    (403, "MissingProviderToken"): "misconfigured",
    (403, "UnrelatedKeyIdInToken"): "reconnect",  # the connection belongs to another key
    (404, "BadPath"): "misconfigured",
    (405, "MethodNotAllowed"): "misconfigured",
    (410, "ExpiredToken"): "unregistered",
    (410, "Unregistered"): "unregistered",
    (413, "PayloadTooLarge"): "rejected",
    (429, "TooManyProviderTokenUpdates"): "reconnect",  # with the same token: a new one would make it worse
    (429, "TooManyRequests"): "throttled",
    (500, "InternalServerError"): "unavailable",
    (503, "ServiceUnavailable"): "unavailable",
    (503, "Shutdown"): "reconnect",
}
BY_STATUS: Final[dict[int, Action]] = {403: "misconfigured", 404: "misconfigured", 429: "throttled"}
"""For a status without a reason that the table above knows. A bare 410 forgets nobody."""
BY_CLASS: Final[dict[int, Action]] = {3: "misconfigured", 4: "rejected", 5: "unavailable"}

PAUSE_S: Final = 60.0
"""How long a device that got too many pushes is left alone, and an account that changes its token too often."""


class Reply(msgspec.Struct, frozen=True):
    """An answer of APNs: status, body, and the push's id as APNs gives it back."""

    status: int
    body: bytes = b""
    apns_id: str | None = None


class _Body(msgspec.Struct):
    reason: str = ""
    timestamp: int | None = None


def action_of(reply: Reply) -> Action | None:
    """By the tables above; None for a success."""
    if 200 <= reply.status < 300:
        return None
    named = ACTIONS.get((reply.status, reason_of(reply.body)))
    return named or BY_STATUS.get(reply.status) or BY_CLASS.get(reply.status // 100, "unavailable")


def outcome_of(reply: Reply) -> ProviderOutcome:
    """What an answer means when nothing else is tried."""
    body = _read(reply.body)
    cause = f"apns {reply.status} {body.reason}".rstrip()
    match action_of(reply):
        case None:
            return Delivered(reply.apns_id)
        case "rejected":
            return Rejected(cause)
        case "doubtful":
            return Unregistered(cause, doubtful=True)
        case "unregistered":
            return Unregistered(cause, since=body.timestamp)
        case "misconfigured" | "renew":
            return Misconfigured(cause)
        case "throttled":
            return Throttled(cause, PAUSE_S, alone=True)
        case "reconnect":
            return Unavailable(cause, PAUSE_S if reply.status == 429 else None)
        case "unavailable":
            # Apple advises fifteen minutes. Ours is the exponential backoff from seconds on: a lone 500 must not hold
            # an urgent push back that long, and an outage soon grows the waits to it.
            return Unavailable(cause)


def reason_of(body: bytes) -> str:
    """The `reason` of an error's body or of a GOAWAY; empty when there is none."""
    return _read(body).reason


def _read(body: bytes) -> _Body:
    try:
        return msgspec.json.decode(body, type=_Body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Body()
