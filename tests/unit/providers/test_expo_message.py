"""Expo: a push in Expo's words and within its limits."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.core.model import PushMessage
from heliograph.providers.expo_message import MAX_PAYLOAD, entry_of

TOKEN = "ExponentPushToken[x]"
PUSH = PushMessage(kind="expo", token=TOKEN, title="Shipped", body="It left.")


def entry(**changes: Any) -> dict[str, Any]:
    return entry_of(msgspec.structs.replace(PUSH, **changes))


def test_a_plain_push() -> None:
    """Nothing is said that there is none of."""
    assert entry() == {"to": TOKEN, "title": "Shipped", "body": "It left.", "priority": "normal"}
    assert "title" not in entry(title="")


def test_everything_a_push_can_say() -> None:
    """Urgency, lifetime, badge, collapsing and a picture, which iOS needs leave to fetch."""
    assert entry(
        data={"order": "1"}, collapse_key="order-1", ttl_s=60, urgent=True, badge=0, image_url="https://x.io/i"
    ) == {
        "to": TOKEN, "title": "Shipped", "body": "It left.", "data": {"order": "1"}, "priority": "high", "ttl": 60,
        "badge": 0, "collapseId": "order-1", "tag": "order-1", "mutableContent": True,
        "richContent": {"image": "https://x.io/i"},
    }  # fmt: skip


@pytest.mark.parametrize(("ttl_s", "expected"), [(-1, 0), (0, 0), (9_999_999, 2_419_200)])
def test_lifetimes(ttl_s: int, expected: int) -> None:
    """Four weeks at most."""
    assert entry(ttl_s=ttl_s)["ttl"] == expected


@pytest.mark.parametrize("key", ["é", "é" * 64])
def test_collapse_ids_fit_apns(key: str) -> None:
    """64 bytes; equal keys stay equal."""
    assert entry(collapse_key=key)["collapseId"] == entry(collapse_key=key)["collapseId"]
    assert len(entry(collapse_key=key)["collapseId"]) <= 64


def test_a_long_body_is_cut() -> None:
    """And data kept."""
    found = entry(body="é" * 5_000, data={"order": "1"})
    assert found["body"].endswith("é…")
    assert found["data"] == {"order": "1"}


@settings(max_examples=200, deadline=None, database=None)
@given(
    title=st.text(max_size=200),
    body=st.text(max_size=300).map(lambda text: text * 20),
    data=st.dictionaries(st.text(max_size=40), st.text(max_size=200).map(lambda text: text * 10), max_size=6),
    collapse_key=st.none() | st.text(min_size=1, max_size=64),
    image_url=st.none() | st.text(min_size=1, max_size=2_048),
)
def test_no_content_is_too_much(
    title: str, body: str, data: dict[str, str], collapse_key: str | None, image_url: str | None
) -> None:
    """Every push fits into 4,096 bytes, names and all."""
    found = entry(title=title, body=body, data=data, collapse_key=collapse_key, image_url=image_url)
    assert found.pop("to") == TOKEN
    assert len(msgspec.json.encode(found)) <= MAX_PAYLOAD
    assert found.get("title", "") == title
