"""The lab's APNs: what it refuses, how it treats a connection, what it keeps for a device."""

from __future__ import annotations

from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from heliograph.lab.apns_conduct import LEAVE_AFTER, LOWER_AFTER, STREAMS, Conduct
from heliograph.lab.apns_devices import Devices, Note
from heliograph.lab.apns_rules import ApnsRequest, check_request
from heliograph.lab.apns_tokens import Acquaintance, ProviderTokens

TOPIC = "com.example.shop"
GOOD = {":method": "POST", ":path": "/3/device/abc", "apns-topic": TOPIC}
BODY = b'{"aps":{"alert":"Hi"}}'
NOW = 1_800_000_000.0
KEY = ec.generate_private_key(ec.SECP256R1())


@pytest.mark.parametrize(
    ("headers", "body", "reason"),
    [
        ({}, BODY, ""),
        ({":method": "GET"}, BODY, "MethodNotAllowed"),
        ({":path": "/"}, BODY, "BadPath"),
        ({":path": "/3/device/"}, BODY, "MissingDeviceToken"),
        ({":path": "/3/device/a%2Fb"}, BODY, ""),
        ({"apns-id": "123E4567-e89b-12d3-a456-4266554400a0"}, BODY, ""),
        ({"apns-id": "1"}, BODY, "BadMessageId"),
        ({"apns-topic": ""}, BODY, "MissingTopic"),
        ({"apns-topic": "no topic"}, BODY, "BadTopic"),
        ({"apns-topic": "com.example.other"}, BODY, "TopicDisallowed"),
        ({"apns-collapse-id": "é" * 32}, BODY, ""),
        ({"apns-collapse-id": "é" * 33}, BODY, "BadCollapseId"),
        ({"apns-push-type": "loud"}, BODY, "InvalidPushType"),
        ({"apns-push-type": "background", "apns-priority": "5"}, BODY, ""),
        ({"apns-push-type": "background"}, BODY, ""),
        ({"apns-push-type": "background", "apns-priority": "10"}, BODY, "BadPriority"),
        ({"apns-priority": "7"}, BODY, "BadPriority"),
        ({"apns-expiration": "0"}, BODY, ""),
        ({"apns-expiration": "-1"}, BODY, "BadExpirationDate"),
        ({"apns-expiration": "soon"}, BODY, "BadExpirationDate"),
        ({}, b"", "PayloadEmpty"),
        ({}, b"no json", "PayloadEmpty"),
        ({}, b"{}" + b" " * 4094, "PayloadEmpty"),
        ({}, BODY + b" " * (4097 - len(BODY)), "PayloadTooLarge"),
        ({"apns-push-type": "voip"}, BODY + b" " * (5120 - len(BODY)), ""),
        ({"apns-push-type": "voip"}, BODY + b" " * (5121 - len(BODY)), "PayloadTooLarge"),
    ],
)
def test_what_is_refused(headers: dict[str, str], body: bytes, reason: str) -> None:
    """Every header of Apple's page, at its limit and beyond."""
    assert check_request(ApnsRequest(GOOD | headers, body), TOPIC) == reason


def test_a_header_given_twice() -> None:
    """Only APNs' own may not be."""
    assert check_request(ApnsRequest(GOOD, BODY, twice="apns-topic"), TOPIC) == "DuplicateHeaders"
    assert check_request(ApnsRequest(GOOD, BODY, twice="user-agent"), TOPIC) == ""


class Door:
    """Provider tokens, one connection, and a clock."""

    def __init__(self, ids: tuple[str, str] | None = None) -> None:
        self.now = NOW
        self.met = Acquaintance()
        self.tokens = ProviderTokens(KEY.public_key(), ids, lambda: self.now)

    def shows(self, *, age_s: float = 0, key: Any = KEY, kid: str = "KEY4567890", team: str = "TEAM567890") -> str:
        claims = {"iss": team, "iat": int(self.now - age_s)}
        token = jwt.encode(claims, key, algorithm="ES256", headers={"kid": kid})
        return self.tokens.check(f"bearer {token}", self.met)


@pytest.mark.parametrize(
    ("shown", "reason"),
    [
        ({}, ""),
        ({"age_s": 3600}, ""),
        ({"age_s": 3601}, "ExpiredProviderToken"),
        ({"age_s": -61}, "InvalidProviderToken"),
        ({"key": ec.generate_private_key(ec.SECP256R1())}, "InvalidProviderToken"),
        ({"kid": "SHORT"}, "InvalidProviderToken"),
        ({"team": ""}, "InvalidProviderToken"),
    ],
)
def test_what_a_provider_token_must_be(shown: dict[str, Any], reason: str) -> None:
    """Signed by the key, with ids of ten characters, issued within the hour."""
    assert Door().shows(**shown) == reason


@pytest.mark.parametrize("authorization", ["", "bearer", "bearer ", "basic abc"])
def test_no_token_at_all(authorization: str) -> None:
    """Not the same as a wrong one."""
    assert Door().tokens.check(authorization, Acquaintance()) == "MissingProviderToken"


@pytest.mark.parametrize("token", ["abc", "a.b.c", jwt.encode({"iss": "TEAM567890"}, "secret" * 8, algorithm="HS256")])
def test_what_is_no_token(token: str) -> None:
    """Nonsense and other algorithms."""
    assert Door().tokens.check(f"bearer {token}", Acquaintance()) == "InvalidProviderToken"


def test_a_lab_that_knows_its_team_and_key() -> None:
    """Others are strangers, however well they sign."""
    door = Door(("KEY4567890", "TEAM567890"))
    assert door.shows() == ""
    assert door.shows(kid="OTHER67890") == "InvalidProviderToken"
    assert door.shows(team="OTHER67890") == "InvalidProviderToken"


def test_a_connection_belongs_to_whom_it_met_first() -> None:
    """Another key needs another connection; another team is refused."""
    door = Door()
    assert door.shows() == ""
    assert door.shows(kid="OTHER67890") == "UnrelatedKeyIdInToken"
    assert door.shows(team="OTHER67890") == "InvalidProviderToken"


def test_tokens_may_change_every_twenty_minutes() -> None:
    """On one connection; the refused one doesn't count, another connection may see it at once."""
    door = Door()
    assert door.shows(age_s=100) == ""
    door.now += 1199
    assert door.shows() == "TooManyProviderTokenUpdates"
    door.now += 1
    assert door.shows() == ""
    door.met = Acquaintance()
    assert door.shows(age_s=10) == ""


def after(*answers: tuple[int, str]) -> Conduct:
    conduct = Conduct()
    for status, reason in answers:
        conduct.answered(status, reason)
    return conduct


BAD = (400, "BadDeviceToken")
GONE = (410, "Unregistered")


@pytest.mark.parametrize(
    ("answers", "limit", "goodbye"),
    [
        ((), 1, ""),
        (((403, "InvalidProviderToken"),), 1, ""),
        (((200, ""),), STREAMS, ""),
        (((200, ""), *[BAD] * (LOWER_AFTER - 1)), STREAMS, ""),
        (((200, ""), *[BAD] * LOWER_AFTER), 1, ""),
        (((200, ""), *[BAD] * LOWER_AFTER, (200, "")), STREAMS, ""),
        (((200, ""), *[GONE] * 500), STREAMS, ""),
        (((200, ""), *[(500, "InternalServerError")] * 500), STREAMS, ""),
        (([BAD] * LEAVE_AFTER), 1, "BadDeviceToken"),
        (([BAD] * (LEAVE_AFTER - 1)), 1, ""),
    ],
)
def test_how_a_connection_is_treated(answers: Any, limit: int, goodbye: str) -> None:
    """One stream until proven; one again after errors in a row; 410 is none; many bad tokens end it."""
    conduct = after(*answers)
    assert (conduct.limit, conduct.goodbye) == (limit, goodbye)


def test_a_lower_limit_binds_who_is_trusted() -> None:
    """And doesn't lift the single stream of who isn't yet."""
    stranger, friend = after(), after((200, ""))
    stranger.allow(5)
    friend.allow(5)
    assert (stranger.limit, friend.limit) == (1, 5)
    stranger.answered(200, "")
    assert stranger.limit == 5


def note(name: str, **fields: Any) -> Note:
    return Note(id=name, topic=TOPIC, title=name, **fields)


def shown(devices: Devices) -> list[str]:
    return [one.title for one in devices.screen("d").shown]


def test_a_device_that_is_there_shows_everything() -> None:
    """A collapse id replaces what is shown under it."""
    devices = Devices()
    for one in (note("a", collapse_id="x"), note("b"), note("c", collapse_id="x")):
        devices.take("d", one)
    assert shown(devices) == ["b", "c"]


def test_a_device_that_was_away_gets_the_last_one() -> None:
    """One per app is kept, no matter the collapse ids; another app's is another."""
    devices = Devices()
    devices.be_offline(["d"], NOW)
    for one in (note("a"), note("b", collapse_id="x"), Note("c", "com.example.other", "c")):
        devices.take("d", one)
    assert (shown(devices), devices.online("d")) == ([], False)
    devices.be_offline([], NOW)
    assert (shown(devices), devices.screen("d").stored) == (["b", "c"], {})


@pytest.mark.parametrize(
    ("expires_at", "kept", "arrives"), [(0, False, False), (int(NOW) + 5, True, False), (int(NOW) + 50, True, True)]
)
def test_what_is_kept_expires(expires_at: int, kept: bool, arrives: bool) -> None:
    """0 is never kept; what comes too late isn't shown any more."""
    devices = Devices()
    devices.be_offline(["d"], NOW)
    devices.take("d", note("a", expires_at=expires_at))
    assert bool(devices.screen("d").stored) is kept
    devices.be_offline([], NOW + 10)
    assert (shown(devices) == ["a"]) is arrives
