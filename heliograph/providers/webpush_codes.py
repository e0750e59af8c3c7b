"""Web Push: what a push service's answer means. Pure: reads status, headers and body, answers with an outcome.

The status decides, as RFC 8030 and RFC 8292 have it; Mozilla's services also give a number (`errno`), which goes into
the cause for whoever reads it. Sources: web.dev "The web push protocol", autopush-rs docs/src/errors.md.
"""

from __future__ import annotations

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

Action = Literal["delivered", "rejected", "unregistered", "misconfigured", "throttled", "unavailable", "unknown"]

ACTIONS: Final[dict[int, Action]] = {
    201: "delivered",
    202: "delivered",  # of older services, and where a receipt was asked for
    400: "rejected",  # a header it doesn't like
    401: "misconfigured",  # no VAPID token, or none that it can read
    403: "misconfigured",  # another key than the browser subscribed with, or a wrong audience
    404: "unregistered",  # expired, or never there
    408: "unknown",
    410: "unregistered",  # the person or the browser took it back
    413: "rejected",  # a smaller one was tried before
    429: "throttled",
    502: "unknown",  # from the front end: what stands behind it may have taken the message
    504: "unknown",
}
BY_CLASS: Final[dict[int, Action]] = {2: "delivered", 3: "rejected", 4: "rejected", 5: "unavailable"}
"""For a status that the table above doesn't know. An endpoint that redirects (3xx) is none: RFC 8030 knows no such."""


class _Mozilla(msgspec.Struct):
    errno: int = 0


def outcome_of(answer: Answer, now: Millis) -> ProviderOutcome:
    """What an answer means, by the tables above. `provider_id` is the message's own URL.

    Everything is about this one endpoint alone: endpoints come from anybody, and none may speak for all the others.
    """
    action = ACTIONS.get(answer.status) or BY_CLASS.get(answer.status // 100, "unavailable")
    errno = _errno(answer.body)
    cause = f"webpush {answer.status}" + (f" errno {errno}" if errno else "")
    asked_s = retry_after_s(answer.headers.get("Retry-After"), now)
    match action:
        case "delivered":
            return Delivered(answer.headers.get("Location"))
        case "rejected":
            return Rejected(cause)
        case "unregistered":
            return Unregistered(cause)
        case "misconfigured":
            return Misconfigured(cause, alone=True)
        case "throttled":
            return Throttled(cause, asked_s, alone=True)
        case _:
            return Unavailable(cause, asked_s, unknown=action == "unknown", alone=True, asked=asked_s is not None)


def _errno(body: bytes) -> int:
    try:
        return msgspec.json.decode(body, type=_Mozilla).errno
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return 0
