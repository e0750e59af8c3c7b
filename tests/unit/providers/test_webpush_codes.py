"""Web Push: what each answer of a push service means."""

from __future__ import annotations

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
from heliograph.providers.webpush_codes import ACTIONS, outcome_of

NOW = 1_700_000_000_000
ROWS: list[tuple[int, Any, ProviderOutcome]] = [
    (200, b"", Delivered()),
    (201, b"", Delivered()),
    (202, b"", Delivered()),
    (301, b"", Rejected("webpush 301")),
    (400, {"errno": 111, "code": 400, "error": "Bad Request"}, Rejected("webpush 400 errno 111")),
    (401, {"errno": 109}, Misconfigured("webpush 401 errno 109", alone=True)),
    (403, b"the public key doesn't match", Misconfigured("webpush 403", alone=True)),
    (404, {"errno": 102}, Unregistered("webpush 404 errno 102")),
    (405, b"", Rejected("webpush 405")),
    (408, b"", Unavailable("webpush 408", unknown=True, alone=True)),
    (410, {"errno": 106}, Unregistered("webpush 410 errno 106")),
    (413, {"errno": 104}, Rejected("webpush 413 errno 104")),
    (429, b"", Throttled("webpush 429", alone=True)),
    (500, b"<html>", Unavailable("webpush 500", alone=True)),
    (502, b"<html>", Unavailable("webpush 502", unknown=True, alone=True)),
    (503, {"errno": 201}, Unavailable("webpush 503 errno 201", alone=True)),
    (504, b"", Unavailable("webpush 504", unknown=True, alone=True)),
    (100, b"", Unavailable("webpush 100", alone=True)),
]


@pytest.mark.parametrize(("status", "body", "expected"), ROWS)
def test_every_row(answer: Any, status: int, body: Any, expected: ProviderOutcome) -> None:
    """Whatever the body is, or isn't."""
    assert outcome_of(answer(status, body), NOW) == expected


def test_the_table_is_tested_whole() -> None:
    """Each of its rows stands above."""
    assert set(ACTIONS) <= {status for status, _, _ in ROWS}


def test_the_messages_own_url_is_its_id(answer: Any) -> None:
    """RFC 8030 section 5: Location."""
    assert outcome_of(answer(201, Location="https://p.example/m/1"), NOW) == Delivered("https://p.example/m/1")


@pytest.mark.parametrize("status", [429, 503])
def test_what_the_service_asks_for(answer: Any, status: int) -> None:
    """Seconds or a date."""
    for value in ("120", "Tue, 14 Nov 2023 22:15:20 GMT"):
        outcome = outcome_of(answer(status, Retry_After=value), NOW)
        assert isinstance(outcome, Throttled | Unavailable)
        assert outcome.after_s == 120
