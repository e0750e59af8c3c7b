"""FCM: what each answer of messages:send means."""

from __future__ import annotations

import json
from typing import Any

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
from heliograph.providers.fcm_codes import ACTIONS, BY_STATUS, outcome_of

NOW = 1_700_000_000_000
HTML = b"<!DOCTYPE html>\n<title>Error 502 (Server Error)!!1</title>"
FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"
NO_TOKEN = "The registration token is not a valid FCM registration token"


def error(status: int, word: str, code: str = "", field: str = "", message: str = "x") -> dict[str, Any]:
    details: list[dict[str, Any]] = []
    if field:
        details.append({"@type": BAD_REQUEST, "fieldViolations": [{"field": field, "description": message}]})
    if code:
        details.append({"@type": FCM_ERROR, "errorCode": code})
    return {"error": {"code": status, "message": message, "status": word, "details": details}}


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, {"name": "projects/p/messages/1"}, Delivered("projects/p/messages/1")),
        (200, b"", Delivered(None)),
        (400, error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT"), Rejected("fcm 400 INVALID_ARGUMENT")),
        (400, error(400, "INVALID_ARGUMENT"), Rejected("fcm 400 INVALID_ARGUMENT")),
        (
            400,
            error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", "message.data"),
            Rejected("fcm 400 INVALID_ARGUMENT message.data"),
        ),
        (
            400,
            error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", "message.token"),
            Unregistered("fcm 400 INVALID_ARGUMENT message.token"),
        ),
        (
            400,
            error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", "message.fid"),
            Unregistered("fcm 400 INVALID_ARGUMENT message.fid"),
        ),
        (
            400,
            error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", message=NO_TOKEN),
            Unregistered("fcm 400 INVALID_ARGUMENT"),
        ),
        (401, error(401, "UNAUTHENTICATED"), Misconfigured("fcm 401 UNAUTHENTICATED")),
        (
            401,
            error(401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR"),
            Misconfigured("fcm 401 THIRD_PARTY_AUTH_ERROR", alone=True),
        ),
        (401, error(401, "UNAUTHENTICATED", "APNS_AUTH_ERROR"), Misconfigured("fcm 401 APNS_AUTH_ERROR", alone=True)),
        (401, HTML, Misconfigured("fcm 401")),
        (
            403,
            error(403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH"),
            Unregistered("fcm 403 SENDER_ID_MISMATCH"),
        ),
        (403, error(403, "PERMISSION_DENIED"), Misconfigured("fcm 403 PERMISSION_DENIED")),
        (403, b"", Misconfigured("fcm 403")),
        (404, error(404, "NOT_FOUND", "UNREGISTERED"), Unregistered("fcm 404 UNREGISTERED")),
        (404, error(404, "NOT_FOUND"), Misconfigured("fcm 404 NOT_FOUND")),
        (404, HTML, Misconfigured("fcm 404")),
        (408, b"", Unavailable("fcm 408", 10, unknown=True)),
        (429, error(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"), Throttled("fcm 429 QUOTA_EXCEEDED", 60)),
        (429, error(429, "RESOURCE_EXHAUSTED"), Throttled("fcm 429 RESOURCE_EXHAUSTED", 60)),
        (429, HTML, Throttled("fcm 429", 60)),
        (500, error(500, "INTERNAL", "INTERNAL"), Unavailable("fcm 500 INTERNAL", 10)),
        (502, HTML, Unavailable("fcm 502", 10, unknown=True)),
        (503, error(503, "UNAVAILABLE", "UNAVAILABLE"), Unavailable("fcm 503 UNAVAILABLE", 10)),
        (504, HTML, Unavailable("fcm 504", 10, unknown=True)),
        # nobody documented these
        (302, HTML, Misconfigured("fcm 302")),
        (413, HTML, Rejected("fcm 413")),
        (599, b"", Unavailable("fcm 599", 10)),
    ],
)
def test_what_an_answer_means(status: int, body: Any, expected: ProviderOutcome, answer: Any) -> None:
    """Row by row. A device is only forgotten when FCM says that it, and not we, is wrong."""
    assert outcome_of(answer(status, body), NOW) == expected


def test_every_row_of_the_tables_is_tested() -> None:
    """A code or status added to a table needs its row above."""
    rows = test_what_an_answer_means.pytestmark[0].args[1]  # type: ignore[attr-defined]
    told = {(row[0], *getattr(row[2], "cause", "").split(" ")[2:3]) for row in rows}
    assert set(ACTIONS) <= told
    assert {(status,) for status in BY_STATUS} <= told


@pytest.mark.parametrize("status", [429, 500, 503])
@pytest.mark.parametrize(
    ("value", "after_s"), [("30", 30), ("1", 10), ("Tue, 14 Nov 2023 22:13:45 GMT", 25), ("x", None)]
)
def test_waits_as_long_as_told(status: int, value: str, after_s: float | None, answer: Any) -> None:
    """Retry-After is obeyed; without a readable one never sooner than 10 s, 60 s for quotas (Firebase's guidance)."""
    outcome = outcome_of(answer(status, b"", Retry_After=value), NOW)
    assert isinstance(outcome, Throttled | Unavailable)
    assert outcome.after_s == (after_s if after_s is not None else 60 if status == 429 else 10)
    assert isinstance(outcome, Throttled) or outcome.asked == (after_s is not None)


@pytest.mark.parametrize(
    ("subjects", "alone"), [(["device:tok"], True), (["project:p"], False), (["device:tok", "project:p"], False)]
)
def test_a_quota_of_one_device_concerns_no_other(subjects: list[str], alone: bool, answer: Any) -> None:
    """QuotaFailure names what is exhausted: a chatty device must not pause the whole project."""
    body = json.dumps({"error": {"status": "RESOURCE_EXHAUSTED", "details": [
        {"@type": "type.googleapis.com/google.rpc.QuotaFailure",
         "violations": [{"subject": subject, "description": "rate exceeded"} for subject in subjects]},
    ]}}).encode()  # fmt: skip
    assert outcome_of(answer(429, body), NOW) == Throttled("fcm 429 RESOURCE_EXHAUSTED", 60, alone=alone)


@pytest.mark.parametrize(
    "body",
    [
        *(b"", HTML, b"[]", b"null", b"{}", b'{"error": "x"}', b'{"error": null}', b'{"error": {"details": 1}}'),
        *(b'{"error": {"details": [{"errorCode": 5}]}}', b"\xff", b"[" * 9999),
    ],
)
def test_bodies_that_are_not_fcms(body: bytes, answer: Any) -> None:
    """Whatever stands in a body, nothing raises and the status decides."""
    assert outcome_of(answer(500, body), NOW) == Unavailable("fcm 500", 10)
    assert outcome_of(answer(404, body), NOW) == Misconfigured("fcm 404")
    assert outcome_of(answer(200, body), NOW) == Delivered(None)
