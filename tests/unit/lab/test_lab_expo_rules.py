"""The lab's Expo: what it takes, and when its receipts are there."""

from __future__ import annotations

from typing import Any

import pytest

from heliograph.lab.expo_rules import MAX_PAYLOAD, is_token, read_messages
from heliograph.lab.expo_tickets import ERRORS, KEPT_S, Tickets
from heliograph.lab.faults import Bucket

TOKEN = "ExponentPushToken[x]"


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        (TOKEN, True),
        ("ExpoPushToken[abc-_]", True),
        ("F5741A13-BCDA-434B-A316-5DC0E6FFA94F", True),
        ("ExponentPushToken[]", False),
        ("ExponentPushToken[x", False),
        ("x" + TOKEN, False),
        ("token", False),
        ("", False),
    ],
)
def test_tokens(text: str, valid: bool) -> None:
    """As Expo's own SDKs tell them apart."""
    assert is_token(text) is valid


@pytest.mark.parametrize(
    "message",
    [
        {"to": TOKEN},
        {"to": [TOKEN, TOKEN], "title": "t", "subtitle": "s", "body": "b", "data": {"a": {"b": 1}}},
        {"to": TOKEN, "ttl": 0, "priority": "high", "badge": 0, "collapseId": "c", "tag": "t", "mutableContent": True},
        {"to": TOKEN, "sound": {"critical": True, "name": None, "volume": 0.5}, "richContent": {"image": "https://x"}},
        {"to": TOKEN, "somethingNew": 5},
    ],
)
def test_messages(message: Any) -> None:
    """One or a list; fields that Expo doesn't know are ignored."""
    (one,) = read_messages(message)
    (other,) = read_messages([message])
    assert one == other
    assert not isinstance(one, str)
    assert set(one.recipients) == {TOKEN}


@pytest.mark.parametrize(
    "message",
    [
        None,
        5,
        {},
        {"to": 5},
        {"to": TOKEN, "title": 5},
        {"to": TOKEN, "data": "text"},
        {"to": TOKEN, "ttl": -1},
        {"to": TOKEN, "ttl": "60"},
        {"to": TOKEN, "priority": "urgent"},
        {"to": TOKEN, "badge": 1.5},
        [{"to": TOKEN}, {}],
    ],
)
def test_what_is_no_message(message: Any) -> None:
    """The whole request is refused, with a reason."""
    assert isinstance(read_messages(message), str)


def test_sizes() -> None:
    """4,096 bytes of content; where it goes doesn't count."""
    fits, over = (read_messages({"to": TOKEN, "body": "x" * size})[0] for size in (MAX_PAYLOAD - 20, MAX_PAYLOAD))
    assert not isinstance(fits, str)
    assert not isinstance(over, str)
    assert (fits.too_big, over.too_big) == (False, True)


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_receipts_come_after_a_while_and_go_after_a_day() -> None:
    """Unknown ids are left out, as those that aren't ready are."""
    clock = Clock()
    tickets = Tickets(60, clock)
    ok, gone, never = (tickets.ticket(TOKEN, word) for word in ("", "unregistered", "none"))
    asked = [ok, gone, never, "unknown"]
    clock.now += 59
    assert tickets.receipts(asked) == {}
    clock.now += 1
    found = tickets.receipts(asked)
    assert found[ok] == {"status": "ok"}
    assert found[gone]["details"] == {"error": "DeviceNotRegistered", "expoPushToken": TOKEN}
    assert set(found) == {ok, gone}
    clock.now += KEPT_S
    assert tickets.receipts(asked) == {}


@pytest.mark.parametrize("word", ERRORS)
def test_every_error(word: str) -> None:
    """In Expo's words; the token only where Expo says it."""
    tickets = Tickets()
    found = tickets.receipts([one := tickets.ticket(TOKEN, word)])[one]
    assert (found["status"], found["details"]["error"]) == ("error", ERRORS[word][0])
    assert ("expoPushToken" in found["details"]) == (word == "unregistered")
    assert "{" not in found["message"]


def test_a_bucket_gives_all_or_nothing() -> None:
    """600 notifications a second, however they are packed."""
    bucket = Bucket(600, 0)
    kinds = [bucket.take(0, count).kind for count in (100, 450, 100, 50, 1)]
    assert kinds == ["pass", "pass", "throttle", "pass", "throttle"]
    assert bucket.take(0.1, 60).kind == "pass"
    assert bucket.take(0.1, 60).wait_s == pytest.approx(0.1)
