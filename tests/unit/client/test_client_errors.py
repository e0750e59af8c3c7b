"""Every refusal becomes the error that a caller can act on."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph import client
from heliograph.client.errors import HeliographError, error_of
from heliograph.core.errors import ERRORS

KINDS = {
    400: client.ValidationError, 401: client.Unauthorized, 403: client.Forbidden, 404: client.NotFound,
    405: client.ServerError, 409: client.Conflict, 413: client.ValidationError, 415: client.ValidationError,
    422: client.ValidationError, 429: client.RateLimited, 500: client.ServerError, 503: client.Overloaded,
}  # fmt: skip
NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)


def body(code: str, status: int) -> bytes:
    errors = [{"path": "to[2].email", "message": "is empty"}]
    return json.dumps({"code": code, "status": status, "detail": "No.", "errors": errors, "more": 1}).encode()


@pytest.mark.parametrize("code", list(ERRORS))
def test_every_code_of_the_server_has_its_kind(code: str) -> None:
    """All rows of docs/errors.md, with everything a caller may want to know."""
    status = ERRORS[code].status
    error = error_of(status, {}, body(code, status))
    assert type(error) is (client.IdempotencyMismatch if code == "idempotency_mismatch" else KINDS[status])
    assert (error.code, error.status, error.detail, error.retry_after_s) == (code, status, "No.", None)
    assert error.errors == (client.Flaw("to[2].email", "is empty"),)
    assert str(error) == f"{code}: No.: to[2].email: is empty"


@pytest.mark.parametrize("content", [b"<html>Bad\n Gateway</html>", b"", b"[]", b'{"code": 1}', b"\xff\xfe", b"{" * 9])
def test_an_answer_of_somebody_else_is_an_error_too(content: bytes) -> None:
    """A proxy's page, cut off, or nothing at all: its status tells the kind."""
    error = error_of(502, {}, content)
    assert (type(error), error.code, error.status) == (client.Overloaded, "http_502", 502)
    assert "\n" not in error.detail
    assert type(error_of(302, {}, content)) is client.ServerError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("3", 3.0), ("0", 0.0), ("Tue, 24 Nov 2026 12:00:30 GMT", 30.0), ("Tue, 24 Nov 2026 11:00:00 GMT", 0.0),
     ("-1", None), ("1e9", None), ("soon", None), ("", None), ("9" * 30, None), ("²", None)],
)  # fmt: skip
def test_when_the_server_wants_to_be_asked_again(text: str, seconds: float | None) -> None:
    """Seconds or an HTTP date; nonsense is as if it weren't there."""
    assert error_of(503, {"Retry-After": text}, b"", NOW).retry_after_s == seconds


@settings(max_examples=200, deadline=None, database=None)
@given(st.integers(300, 599), st.binary(max_size=50), st.text(max_size=20))
def test_no_answer_is_too_strange(status: int, content: bytes, wait: str) -> None:
    """Whatever comes back, it is one of ours."""
    assert isinstance(error_of(status, {"Retry-After": wait}, content), HeliographError)
