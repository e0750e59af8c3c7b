"""APNs: what each answer means."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from heliograph.core.outcomes import (
    Delivered,
    Misconfigured,
    ProviderOutcome,
    Rejected,
    Throttled,
    Unavailable,
    Unregistered,
)
from heliograph.providers.apns_codes import (
    ACTIONS,
    BY_CLASS,
    BY_STATUS,
    PAUSE_S,
    Action,
    Reply,
    action_of,
    outcome_of,
    reason_of,
)

HTML = b"<!DOCTYPE html>\n<title>Error 502</title>"
SINCE = 1_700_000_000_000


def rejected(status: int, reason: str) -> tuple[int, str, Action, ProviderOutcome]:
    return status, reason, "rejected", Rejected(f"apns {status} {reason}")


def misconfigured(status: int, reason: str) -> tuple[int, str, Action, ProviderOutcome]:
    return status, reason, "misconfigured", Misconfigured(f"apns {status} {reason}")


def doubtful(reason: str) -> tuple[int, str, Action, ProviderOutcome]:
    return 400, reason, "doubtful", Unregistered(f"apns 400 {reason}", doubtful=True)


ROWS: list[tuple[int, str, Action, ProviderOutcome]] = [
    rejected(400, "BadCollapseId"),
    doubtful("BadDeviceToken"),
    rejected(400, "BadExpirationDate"),
    rejected(400, "BadMessageId"),
    rejected(400, "BadPriority"),
    misconfigured(400, "BadTopic"),
    doubtful("DeviceTokenNotForTopic"),
    rejected(400, "DuplicateHeaders"),
    (400, "IdleTimeout", "reconnect", Unavailable("apns 400 IdleTimeout")),
    rejected(400, "InvalidPushType"),
    rejected(400, "MissingDeviceToken"),
    misconfigured(400, "MissingTopic"),
    rejected(400, "PayloadEmpty"),
    misconfigured(400, "TopicDisallowed"),
    misconfigured(403, "BadCertificate"),
    misconfigured(403, "BadCertificateEnvironment"),
    misconfigured(403, "BadEnvironmentKeyIdInToken"),
    misconfigured(403, "BadEnvironmentKeyInToken"),
    (403, "ExpiredProviderToken", "renew", Misconfigured("apns 403 ExpiredProviderToken")),
    misconfigured(403, "Forbidden"),
    misconfigured(403, "InvalidProviderToken"),
    misconfigured(403, "MissingProviderToken"),
    (403, "UnrelatedKeyIdInToken", "reconnect", Unavailable("apns 403 UnrelatedKeyIdInToken")),
    misconfigured(404, "BadPath"),
    misconfigured(405, "MethodNotAllowed"),
    (410, "ExpiredToken", "unregistered", Unregistered("apns 410 ExpiredToken", since=SINCE)),
    (410, "Unregistered", "unregistered", Unregistered("apns 410 Unregistered", since=SINCE)),
    rejected(413, "PayloadTooLarge"),
    (429, "TooManyProviderTokenUpdates", "reconnect", Unavailable("apns 429 TooManyProviderTokenUpdates", PAUSE_S)),
    (429, "TooManyRequests", "throttled", Throttled("apns 429 TooManyRequests", PAUSE_S, alone=True)),
    (500, "InternalServerError", "unavailable", Unavailable("apns 500 InternalServerError")),
    (503, "ServiceUnavailable", "unavailable", Unavailable("apns 503 ServiceUnavailable")),
    (503, "Shutdown", "reconnect", Unavailable("apns 503 Shutdown")),
    # a status alone, and what nobody documented
    (403, "", "misconfigured", Misconfigured("apns 403")),
    (404, "", "misconfigured", Misconfigured("apns 404")),
    (429, "", "throttled", Throttled("apns 429", PAUSE_S, alone=True)),
    (302, "", "misconfigured", Misconfigured("apns 302")),
    (400, "Novel", "rejected", Rejected("apns 400 Novel")),
    (410, "", "rejected", Rejected("apns 410")),
    (403, "Novel", "misconfigured", Misconfigured("apns 403 Novel")),
    (502, "", "unavailable", Unavailable("apns 502")),
]


@pytest.mark.parametrize(("status", "reason", "action", "expected"), ROWS)
def test_what_an_answer_means(status: int, reason: str, action: Action, expected: ProviderOutcome) -> None:
    """Row by row: what is done with the connection, and what becomes of the push."""
    told: dict[str, Any] = {"reason": reason} | ({"timestamp": SINCE} if status == 410 else {})
    reply = Reply(status, msgspec.json.encode(told) if reason else b"")
    assert (action_of(reply), outcome_of(reply)) == (action, expected)


def test_every_row_of_the_tables_is_tested() -> None:
    """A reason or status added to a table needs its row above."""
    assert set(ACTIONS) <= {(status, reason) for status, reason, *_ in ROWS}
    assert set(BY_STATUS) <= {status for status, reason, *_ in ROWS if not reason}
    assert set(BY_CLASS) <= {status // 100 for status, reason, *_ in ROWS if (status, reason) not in ACTIONS}


def test_taken() -> None:
    """200 has no body; the push's id comes back in a header."""
    assert action_of(Reply(200)) is None
    assert outcome_of(Reply(200, b"", "an-id")) == Delivered("an-id")
    assert outcome_of(Reply(200)) == Delivered(None)


def test_gone_without_a_time() -> None:
    """The reason says it all the same."""
    assert outcome_of(Reply(410, b'{"reason": "Unregistered"}')) == Unregistered("apns 410 Unregistered")


@pytest.mark.parametrize(
    "body", [b"", HTML, b"[]", b"null", b"{}", b'{"reason": 5}', b'{"timestamp": "x"}', b"\xff", b"[" * 9999]
)
def test_bodies_that_are_not_apns(body: bytes) -> None:
    """Whatever stands in a body, nothing raises and the status decides."""
    assert reason_of(body) == ""
    assert outcome_of(Reply(500, body)) == Unavailable("apns 500")
    assert outcome_of(Reply(410, body)) == Rejected("apns 410")
    assert outcome_of(Reply(200, body)) == Delivered(None)
