"""APNs: what a push looks like on the wire, and that it always fits."""

from __future__ import annotations

import uuid
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.core.model import PushMessage
from heliograph.providers.apns_message import MAX_PAYLOAD, headers_of, payload_of, push_id

SETTINGS = settings(max_examples=150, deadline=None, database=None)
NOW = 1_800_000_000_000
TOPIC = "com.example.shop"


def push(**fields: Any) -> PushMessage:
    return PushMessage(**{"kind": "apns", "token": "abc", "title": "Shipped", "body": "It left.", **fields})


def headers(**fields: Any) -> dict[str, str]:
    found = headers_of(push(**fields), TOPIC, NOW)
    assert len({name for name, _ in found}) == len(found)
    return {str(name): str(value) for name, value in found}


def payload(**fields: Any) -> Any:
    raw = payload_of(push(**fields))
    assert len(raw) <= MAX_PAYLOAD
    return msgspec.json.decode(raw)


def test_an_urgent_push() -> None:
    """It wakes the phone and makes a sound."""
    assert payload(urgent=True) == {
        "aps": {"alert": {"title": "Shipped", "body": "It left."}, "interruption-level": "active", "sound": "default"}
    }
    assert headers(urgent=True) == {"apns-topic": TOPIC, "apns-push-type": "alert", "apns-priority": "10"}


def test_a_push_that_can_wait() -> None:
    """Marketing neither lights the screen nor makes a sound, and spares the battery."""
    assert payload()["aps"] == {"alert": {"title": "Shipped", "body": "It left."}, "interruption-level": "passive"}
    assert headers()["apns-priority"] == "5"


def test_a_push_without_text_is_a_background_push() -> None:
    """Apple: content-available, push type background, priority 5, or it is an error."""
    silent = {"title": "", "body": "", "urgent": True, "data": {"notification_id": "ntf_1", "sync": "1"}}
    assert payload(**silent) == {"aps": {"content-available": 1}, "notification_id": "ntf_1", "sync": "1"}
    found = headers(**silent)
    assert (found["apns-push-type"], found["apns-priority"]) == ("background", "5")
    assert "apns-collapse-id" not in found


def test_all_that_a_push_may_carry() -> None:
    """Image (for the app's extension), badge, thread, link and data."""
    data = {"action_url": "https://shop.example/o/1", "order": "1"}
    found = payload(badge=0, image_url="https://shop.example/1.png", collapse_key="order-1", data=data)
    assert (found["aps"]["badge"], found["aps"]["mutable-content"], found["aps"]["thread-id"]) == (0, 1, "order-1")
    assert {name: value for name, value in found.items() if name != "aps"} == {
        **data, "image_url": "https://shop.example/1.png",
    }  # fmt: skip


def test_data_cannot_pose_as_apples() -> None:
    """`aps` is Apple's own."""
    assert payload(data={"aps": "mine", "": "nameless"}).keys() == {"aps", "_aps"}


@pytest.mark.parametrize(("ttl_s", "expected"), [(None, None), (0, "0"), (-5, "0"), (90, "1800000090")])
def test_the_moment_of_expiry(ttl_s: int | None, expected: str | None) -> None:
    """Unix seconds; 0 is now or never; none means that APNs keeps trying for 30 days."""
    assert headers(ttl_s=ttl_s).get("apns-expiration") == expected


@pytest.mark.parametrize("key", ["order-1", "x" * 64])
def test_a_collapse_key_is_the_collapse_id(key: str) -> None:
    """Up to 64 bytes."""
    assert headers(collapse_key=key)["apns-collapse-id"] == key


@pytest.mark.parametrize("key", ["x" * 65, "größer", "a\nb", " a", "\x7f"])
def test_a_collapse_key_that_cannot_stand_in_a_header_is_hashed(key: str) -> None:
    """Too long, not ASCII, or not printable: the same key is the same hash."""
    found = headers(collapse_key=key)["apns-collapse-id"]
    assert found == headers(collapse_key=key)["apns-collapse-id"]
    assert (len(found), found.isalnum()) == (64, True)


def test_a_push_sent_twice_shows_once() -> None:
    """After an answer that never came: the same ids, so that the second replaces the first on the screen."""
    first, again = headers(data={"notification_id": "ntf_1"}), headers(data={"notification_id": "ntf_1"})
    assert first == again
    assert first["apns-collapse-id"] == "ntf_1"
    assert str(uuid.UUID(first["apns-id"])) == first["apns-id"]
    assert push_id("ntf_1", "abc") != push_id("ntf_1", "abd") != push_id("ntf_2", "abd")


TEXT = st.text(max_size=6000)


@SETTINGS
@given(
    st.builds(
        PushMessage,
        kind=st.just("apns"), token=st.just("t"), title=TEXT, body=TEXT,
        data=st.dictionaries(TEXT, TEXT, max_size=6), collapse_key=st.none() | TEXT,
        image_url=st.none() | TEXT, badge=st.none() | st.integers(0, 2**31), urgent=st.booleans(),
    )
)  # fmt: skip
def test_everything_fits(message: PushMessage) -> None:
    """Whatever is sent, APNs' 4,096 bytes are kept and the payload is JSON with an `aps`."""
    raw = payload_of(message)
    assert len(raw) <= MAX_PAYLOAD
    assert isinstance(msgspec.json.decode(raw)["aps"], dict)


def test_the_body_gives_way_before_the_data() -> None:
    """Cut on a character; what the app needs to open the right page stays."""
    data = {"notification_id": "ntf_1", "action_url": "https://shop.example/" + "p" * 1000}
    found = payload(body="é" * 5000, data=data, urgent=True)
    assert set(found["aps"]["alert"]["body"]) == {"é", "…"}
    assert len(msgspec.json.encode(found)) > MAX_PAYLOAD - 4
    assert {name: found[name] for name in data} == data


def test_data_too_large_for_any_body_goes() -> None:
    """The largest first; the text is worth more."""
    found = payload(body="b" * 500, data={"large": "x" * 5000, "small": "y"}, image_url="https://x/" + "i" * 4000)
    assert found["aps"]["alert"]["body"] == "b" * 500
    assert (found.keys(), "mutable-content" in found["aps"]) == ({"aps", "small"}, False)
