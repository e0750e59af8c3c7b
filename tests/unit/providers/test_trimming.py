"""Content within a provider's limit: what is cut, in which order, and that it always fits."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.providers.trimming import LEAST_TEXT, collapse_id, cut, fitted, fitted_extras


def size(texts: dict[str, str], data: dict[str, str]) -> int:
    return len(msgspec.json.encode((texts, data)))


def texts(title: str, body: str = "") -> dict[str, str]:
    return {"title": title, "body": body}


@pytest.mark.parametrize(
    ("text", "room", "expected"),
    [
        ("abc", 3, "abc"),
        ("abcdef", 5, "ab…"),
        ("ééé", 5, "é…"),
        ("😀😀", 8, "😀😀"),
        ("😀😀", 7, "😀…"),
        ("ab cdefg", 6, "ab…"),
        ("abcdef", 3, ""),
        ("abcdef", 0, ""),
        ("", 0, ""),
    ],
)
def test_cuts_on_a_character(text: str, room: int, expected: str) -> None:
    """Never inside a character, never over the size."""
    assert cut(text, room) == expected


def test_what_fits_is_untouched() -> None:
    """To the byte; empty texts are none."""
    exact = size(texts("t", "b"), {"k": "v"})
    assert fitted(texts("t", "b"), {"k": "v"}, exact, size) == (texts("t", "b"), {"k": "v"})
    assert fitted(texts("t", "b"), {"k": "v"}, exact - 1, size) != (texts("t", "b"), {"k": "v"})
    assert fitted(texts("t"), {}, 99, size) == ({"title": "t"}, {})


def test_the_order_of_cutting() -> None:
    """The body as long as enough of it is left; then data, the largest first; the title last."""
    data = {"big": "x" * 300, "small": "y"}
    long, kept = fitted(texts("Title", "b" * 900), data, 700, size)
    assert (long["title"], set(kept)) == ("Title", {"big", "small"})
    assert long["body"].endswith("b…")
    short, kept = fitted(texts("Title", "b" * 900), data, 400, size)
    assert (short["title"], set(kept)) == ("Title", {"small"})
    assert set(data) == {"big", "small"}
    assert fitted(texts("T" * 90), {}, 60, size)[0]["title"].endswith("T…")


@pytest.mark.parametrize("key", ["order-1", "k" * 64])
def test_a_collapse_id_is_the_key_itself(key: str) -> None:
    """Where it may stand in a header."""
    assert collapse_id(key) == key


@pytest.mark.parametrize("key", ["k" * 65, "é", " x", "a\tb"])
def test_other_keys_are_hashed(key: str) -> None:
    """Equal keys stay equal, others don't meet."""
    assert collapse_id(key) == collapse_id(key) != collapse_id(key + "2")
    assert len(collapse_id(key)) == 64


def test_extras_go_from_the_last_on() -> None:
    """Those that leave no room for the text."""
    extras = {"id": "1", "link": "l" * 900, "image": "i" * 2_500}
    assert list(fitted_extras(extras, 4_000)) == ["id", "link"]
    assert fitted_extras(extras, 5_000) == extras
    assert fitted_extras({"id": "1"}, LEAST_TEXT) == {}


@settings(max_examples=200, deadline=None, database=None)
@given(
    title=st.text(max_size=60),
    body=st.text(max_size=200).map(lambda text: text * 10),
    data=st.dictionaries(st.text(max_size=10), st.text(max_size=300), max_size=6),
    limit=st.integers(600, 3_000),
)
def test_everything_fits(title: str, body: str, data: dict[str, str], limit: int) -> None:
    """And nothing is made up."""
    shown, kept = fitted(texts(title, body), data, limit, size)
    assert size(shown, kept) <= limit
    assert kept.items() <= data.items()
    cut_body = shown.get("body", "")
    assert body.startswith(cut_body.removesuffix("…").rstrip()) or cut_body == body
