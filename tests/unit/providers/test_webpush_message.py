"""Web Push: what the service worker reads, the headers, and that it always fits."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.core.model import PushMessage
from heliograph.providers.webpush_message import LEAST_PLAINTEXT, MAX_PLAINTEXT, headers_of, payload_of

PUSH = PushMessage(kind="webpush", token="{}", title="Shipped", body="It left.", id="ntf_1", type="alert")


def payload(limit: int = MAX_PLAINTEXT, **changes: Any) -> Any:
    raw = payload_of(msgspec.structs.replace(PUSH, **changes), limit)
    assert len(raw) <= limit
    return msgspec.json.decode(raw)


def headers(**changes: Any) -> dict[str, str]:
    return headers_of(msgspec.structs.replace(PUSH, **changes))


def test_a_plain_push() -> None:
    """Title, body and data are always there."""
    assert payload() == {"id": "ntf_1", "type": "alert", "title": "Shipped", "body": "It left.", "data": {}}


def test_everything_a_push_can_say() -> None:
    """What stands at the top stands nowhere else."""
    copies = {"notification_id": "ntf_1", "action_url": "https://x.io/a"}
    assert payload(
        data={"order": "1"} | copies, action_url="https://x.io/a", image_url="https://x.io/i", badge=0, collapse_key="k"
    ) == {
        "id": "ntf_1", "type": "alert", "title": "Shipped", "body": "It left.", "data": {"order": "1"},
        "action_url": "https://x.io/a", "image_url": "https://x.io/i", "badge": 0, "collapse_key": "k",
    }  # fmt: skip


def test_the_headers() -> None:
    """Four weeks unless it expires before; urgent unless it is marketing."""
    assert headers() == {"TTL": "2419200", "Urgency": "normal"}
    assert headers(ttl_s=60, urgent=True) == {"TTL": "60", "Urgency": "high"}
    assert [headers(ttl_s=ttl)["TTL"] for ttl in (-1, 0, 9_999_999)] == ["0", "0", "2419200"]


@pytest.mark.parametrize("key", ["order-1", "é" * 64, "x" * 64])
def test_a_topic_is_made_of_any_collapse_key(key: str) -> None:
    """32 characters of base64url; equal keys stay equal, others don't meet, and none can be read from it."""
    topic = headers(collapse_key=key)["Topic"]
    assert re.fullmatch(r"[A-Za-z0-9_-]{32}", topic)
    assert topic == headers(collapse_key=key)["Topic"] != headers(collapse_key=key + "2")["Topic"]
    assert key not in topic


def test_a_long_body_is_cut() -> None:
    """To the last byte that there is room for."""
    found = payload(body="é" * 5_000, data={"order": "1"})
    assert found["body"].endswith("é…")
    assert len(payload_of(msgspec.structs.replace(PUSH, body="é" * 5_000))) >= MAX_PLAINTEXT - 1
    assert found["data"] == {"order": "1"}


def test_a_picture_goes_before_the_link() -> None:
    """And both before the text."""
    long = "https://x.io/" + "u" * 2_000
    found = payload(action_url=long, image_url=long)
    assert (found["action_url"], "image_url" in found, found["body"]) == (long, False, "It left.")
    assert "action_url" not in payload(LEAST_PLAINTEXT, action_url=long)


@settings(max_examples=200, deadline=None, database=None)
@given(
    title=st.text(max_size=200),
    body=st.text(max_size=300).map(lambda text: text * 20),
    data=st.dictionaries(st.text(max_size=40), st.text(max_size=200).map(lambda text: text * 10), max_size=6),
    url=st.none() | st.text(min_size=1, max_size=2_048),
    collapse_key=st.none() | st.text(min_size=1, max_size=64),
    limit=st.sampled_from([MAX_PLAINTEXT, LEAST_PLAINTEXT]),
)
def test_no_content_is_too_much(
    title: str, body: str, data: dict[str, str], url: str | None, collapse_key: str | None, limit: int
) -> None:
    """Whatever is sent, it fits, and says which notification it is."""
    found = payload(limit, title=title, body=body, data=data, action_url=url, image_url=url, collapse_key=collapse_key)
    assert found["id"] == "ntf_1"
