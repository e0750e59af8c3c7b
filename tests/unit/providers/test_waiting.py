"""How long a provider's header tells us to wait."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.providers.waiting import retry_after_s, until_s

NOW = 1_700_000_000_500


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("0", 0),
        ("120", 120),
        ("1.5", 1.5),
        (" 7 ", 7),
        ("-3", 0),
        ("86400", 3600),
        ("nan", None),
        ("inf", None),
        ("soon", None),
        ("", None),
        ("Tue, 14 Nov 2023 22:13:50 GMT", 29.5),
        ("Tue, 14 Nov 2023 22:13:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600),
        ("Tue, 99 Nov 2023 22:13:50 GMT", None),
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    """Seconds or an HTTP date (RFC 9110), never negative, never over an hour; anything else says nothing."""
    assert retry_after_s(value, NOW) == (seconds if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(None, None), ("1700000010", 9.5), ("1600000000", 0), ("9999999999", 3600), ("x", None), ("nan", None)],
)
def test_until(value: str | None, seconds: float | None) -> None:
    """A moment in Unix seconds becomes a wait."""
    assert until_s(value, NOW) == (seconds if seconds is None else pytest.approx(seconds))


@settings(max_examples=300, deadline=None, database=None)
@given(st.text(max_size=40) | st.text(alphabet="0123456789:+- ,GMTueNov", max_size=40))
def test_no_header_breaks_it(value: str) -> None:
    """A header is whatever the other side wrote."""
    for read in (retry_after_s, until_s):
        seconds = read(value, NOW)
        assert seconds is None or 0 <= seconds <= 3600
