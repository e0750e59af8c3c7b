"""Expo: what each ticket, receipt and refusal means."""

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
from heliograph.providers.expo_codes import (
    ACTIONS,
    BY_STATUS,
    REQUEST_ACTIONS,
    Result,
    projects_in,
    receipt_outcome,
    receipts_of,
    refusal_outcome,
    ticket_outcome,
    tickets_of,
)

NOW = 1_700_000_000_000
ERRORS: list[tuple[str, type[ProviderOutcome]]] = [
    ("DeviceNotRegistered", Unregistered),
    ("MessageTooBig", Rejected),
    ("MessageRateExceeded", Throttled),
    ("MismatchSenderId", Misconfigured),
    ("InvalidCredentials", Misconfigured),
    ("DeveloperError", Rejected),
    ("ExpoError", Unavailable),
    ("ProviderError", Unavailable),
    ("SomethingNew", Rejected),
    ("", Rejected),
]
REFUSALS: list[tuple[int, str, ProviderOutcome]] = [
    (400, "VALIDATION_ERROR", Rejected("expo 400 VALIDATION_ERROR")),
    (400, "PUSH_TOO_MANY_EXPERIENCE_IDS", Rejected("expo 400 PUSH_TOO_MANY_EXPERIENCE_IDS")),
    (400, "PUSH_TOO_MANY_NOTIFICATIONS", Rejected("expo 400 PUSH_TOO_MANY_NOTIFICATIONS")),
    (400, "PUSH_TOO_MANY_RECEIPTS", Rejected("expo 400 PUSH_TOO_MANY_RECEIPTS")),
    (400, "UNAUTHORIZED", Misconfigured("expo 400 UNAUTHORIZED")),
    (401, "UNAUTHORIZED", Misconfigured("expo 401 UNAUTHORIZED")),
    (401, "", Misconfigured("expo 401")),
    (403, "FORBIDDEN", Misconfigured("expo 403 FORBIDDEN")),
    (404, "", Misconfigured("expo 404")),
    (408, "", Unavailable("expo 408", unknown=True)),
    (413, "", Rejected("expo 413")),
    (429, "TOO_MANY_REQUESTS", Throttled("expo 429 TOO_MANY_REQUESTS")),
    (429, "", Throttled("expo 429")),
    (302, "", Misconfigured("expo 302")),
    (500, "INTERNAL_SERVER_ERROR", Unavailable("expo 500 INTERNAL_SERVER_ERROR")),
    (502, "", Unavailable("expo 502", unknown=True)),
    (503, "", Unavailable("expo 503")),
    (504, "", Unavailable("expo 504", unknown=True)),
]


def result(error: str) -> Result:
    ticket: dict[str, Any] = {"status": "error", "message": "x"} | ({"details": {"error": error}} if error else {})
    return msgspec.convert(ticket, Result)


@pytest.mark.parametrize(("error", "kind"), ERRORS)
def test_every_error_of_a_ticket_and_a_receipt(error: str, kind: type[ProviderOutcome]) -> None:
    """The same words in both, told apart by the cause."""
    ticket, receipt = ticket_outcome(result(error)), receipt_outcome(result(error))
    assert type(ticket) is type(receipt) is kind
    assert not isinstance(ticket, Delivered)
    assert not isinstance(receipt, Delivered)
    assert (ticket.cause, receipt.cause) == (f"expo ticket {error}".strip(), f"expo receipt {error}".strip())
    assert not isinstance(ticket, Unavailable) or not ticket.unknown


@pytest.mark.parametrize(("status", "code", "expected"), REFUSALS)
def test_every_refusal_of_a_request(answer: Any, status: int, code: str, expected: ProviderOutcome) -> None:
    """By its code, else by its status."""
    body = {"errors": [{"code": code, "message": "x"}]} if code else b"<html>"
    assert refusal_outcome(answer(status, body), NOW) == expected


def test_the_tables_are_tested_whole() -> None:
    """Each of their rows stands above."""
    assert set(ACTIONS) <= {error for error, _ in ERRORS}
    assert set(REQUEST_ACTIONS) <= {code for _, code, _ in REFUSALS}
    assert set(BY_STATUS) <= {status for status, _, _ in REFUSALS}


def test_a_good_ticket_promises_a_receipt() -> None:
    """Expo took it, no more; a ticket without an id promises nothing."""
    assert ticket_outcome(Result("ok", "t1")) == Delivered("t1", receipt=True)
    assert isinstance(ticket_outcome(Result("ok")), Rejected)
    assert receipt_outcome(Result("ok")) == Delivered(final=True)


def test_what_is_asked_for(answer: Any) -> None:
    """Retry-After, where there is one."""
    assert refusal_outcome(answer(429, Retry_After="7"), NOW) == Throttled("expo 429", 7)
    assert refusal_outcome(answer(503, Retry_After="7"), NOW) == Unavailable("expo 503", 7, asked=True)


@pytest.mark.parametrize("body", [b"", b"<html>", [], {"data": 5}, {"data": [5]}, b"\xff"])
def test_a_body_that_isnt_theirs(answer: Any, body: Any) -> None:
    """A proxy may say 200 too."""
    assert tickets_of(answer(200, body)) == []
    assert receipts_of(answer(200, body)) == {}
    assert tickets_of(answer(500, body)) is None
    assert receipts_of(answer(500, body)) is None


def test_tokens_by_project(answer: Any) -> None:
    """Only where that is what was wrong."""
    details = {"@a/app": ["t1", 5], "@b/app": ["t2", "t3"], "odd": 5}
    mixed = {"errors": [{"code": "PUSH_TOO_MANY_EXPERIENCE_IDS", "details": details}]}
    assert projects_in(answer(400, mixed)) == [["t1"], ["t2", "t3"]]
    other = {"errors": [{"code": "VALIDATION_ERROR", "details": details}]}
    for body in (other, {"errors": []}, b"", {"errors": [{"code": "PUSH_TOO_MANY_EXPERIENCE_IDS", "details": [1]}]}):
        assert projects_in(answer(400, body)) == []
