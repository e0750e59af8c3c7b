"""FCM: a push in FCM's words and within its limits."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.core.model import PushMessage
from heliograph.providers.fcm_message import MAX_PAYLOAD, request_of

NOW = 1_700_000_000_000
PUSH = PushMessage(kind="fcm_token", token="tok", title="Shipped", body="It left.")


def message_of(**changes: Any) -> dict[str, Any]:
    message: dict[str, Any] = request_of(msgspec.structs.replace(PUSH, **changes), NOW)["message"]
    return message


def counted(message: dict[str, Any]) -> int:
    """Bytes as FCM counts them: keys and values of data, the notification's texts."""
    texts = [text for pair in message.get("data", {}).items() for text in pair]
    texts += [*message.get("notification", {}).values(), message["android"].get("notification", {}).get("tag", "")]
    return sum(len(text.encode()) for text in texts)


def test_a_plain_push() -> None:
    """One target, the notification, the quiet priority of each platform."""
    assert message_of() == {
        "token": "tok",
        "notification": {"title": "Shipped", "body": "It left."},
        "android": {"priority": "NORMAL"},
        "apns": {"headers": {"apns-priority": "5"}},
        "webpush": {"headers": {"Urgency": "normal"}},
    }


def test_everything_a_push_can_say() -> None:
    """Urgency, lifetime and collapsing in the words of Android, APNs and Web Push."""
    message = message_of(kind="fcm_fid", data={"order": "1"}, collapse_key="order-1", ttl_s=3600, urgent=True)
    assert message == {
        "fid": "tok",
        "notification": {"title": "Shipped", "body": "It left."},
        "data": {"order": "1"},
        "android": {
            "priority": "HIGH",
            "ttl": "3600s",
            "collapse_key": "order-1",
            "notification": {"tag": "order-1"},
        },
        "apns": {
            "headers": {
                "apns-priority": "10",
                "apns-expiration": "1700003600",
                "apns-collapse-id": "order-1",
            }
        },
        "webpush": {"headers": {"Urgency": "high", "TTL": "3600"}},
    }


@pytest.mark.parametrize(
    ("ttl_s", "android", "apns"),
    [(0, "0s", "0"), (-5, "0s", "0"), (9_999_999, "2419200s", "1702419200")],
)
def test_lifetimes_stay_within_fcms(ttl_s: int, android: str, apns: str) -> None:
    """Four weeks at most; 0 = now or never."""
    message = message_of(ttl_s=ttl_s)
    assert message["android"]["ttl"] == android
    assert message["apns"]["headers"]["apns-expiration"] == apns


@pytest.mark.parametrize("key", ["k" * 65, "é", "x" * 200])
def test_long_collapse_keys_fit_apns(key: str) -> None:
    """APNs takes 64 bytes; equal keys stay equal."""
    ids = {message_of(collapse_key=key)["apns"]["headers"]["apns-collapse-id"] for _ in range(2)}
    assert len(ids) == 1
    assert len(ids.pop().encode()) <= 64


def test_reserved_data_keys_are_renamed() -> None:
    """FCM refuses `from`, `message_type`, `google.…` and `gcm.…`."""
    message = message_of(data={"from": "a", "message_type": "b", "google.x": "c", "gcm.y": "d", "order": "e", "": "f"})
    assert message["data"] == {"_from": "a", "_message_type": "b", "_google.x": "c", "_gcm.y": "d", "order": "e"}


def test_a_long_body_is_cut_and_data_kept() -> None:
    """The person reads the beginning; the app gets all of its data."""
    message = message_of(body="é" * 5000, data={"order": "1" * 500})
    assert message["data"] == {"order": "1" * 500}
    assert message["notification"]["body"].endswith("é…")
    assert 3900 < counted(message) <= MAX_PAYLOAD


def test_data_that_leaves_no_room_goes_largest_first() -> None:
    """The app can look the notification up; a push without text is no notification."""
    message = message_of(body="b" * 300, data={"small": "s", "big": "x" * 5000, "mid": "m" * 900})
    assert set(message["data"]) == {"small", "mid"}
    assert message["notification"]["body"] == "b" * 300


def test_content_that_just_fits_is_untouched() -> None:
    """Nothing is cut without need."""
    message = message_of(body="b" * 3900, data={})
    assert message["notification"]["body"] == "b" * 3900


def test_a_picture_and_a_badge() -> None:
    """In the words of every platform; iOS needs to be told that the app may fetch the picture."""
    message = message_of(image_url="https://x.io/p.png", badge=0, collapse_key="k")
    assert message["notification"]["image"] == "https://x.io/p.png"
    assert message["android"]["notification"] == {"tag": "k", "notification_count": 0}
    assert message["apns"]["payload"] == {"aps": {"badge": 0, "mutable-content": 1}}
    assert message["apns"]["fcm_options"] == {"image": "https://x.io/p.png"}
    assert "androidV2" not in message


@pytest.mark.parametrize(
    ("url", "options"),
    [("https://x.io/1", {"link": "https://x.io/1"}), ("HTTPS://x.io", {"link": "HTTPS://x.io"}), ("http://x.io", None)],
)
def test_where_a_click_leads(url: str, options: Any) -> None:
    """FCM takes only https as a link; the app finds any URL in the data."""
    message = message_of(action_url=url, data={"action_url": url})
    assert message["webpush"].get("fcm_options") == options
    assert message["data"]["action_url"] == url


def test_a_picture_that_leaves_no_room_is_left_out() -> None:
    """The text is the notification."""
    message = message_of(image_url="https://x.io/" + "é" * 2000, badge=1)
    assert message["notification"] == {"title": "Shipped", "body": "It left."}
    assert message["apns"]["payload"] == {"aps": {"badge": 1}}
    assert "fcm_options" not in message["apns"]


@settings(max_examples=300, deadline=None, database=None)
@given(
    title=st.text(max_size=200),
    body=st.text(max_size=300).map(lambda text: text * 20) | st.text(max_size=50),
    data=st.dictionaries(st.text(max_size=40), st.text(max_size=200).map(lambda text: text * 10), max_size=8),
    collapse_key=st.none() | st.text(min_size=1, max_size=64),
    image_url=st.none() | st.text(min_size=1, max_size=2048),
)
def test_no_content_is_too_much(
    title: str, body: str, data: dict[str, str], collapse_key: str | None, image_url: str | None
) -> None:
    """Every push fits into FCM's 4096 bytes and keeps its title."""
    message = message_of(title=title, body=body, data=data, collapse_key=collapse_key, image_url=image_url)
    assert counted(message) <= MAX_PAYLOAD
    assert message.get("notification", {}).get("title", "") == title
    msgspec.json.encode(message)
