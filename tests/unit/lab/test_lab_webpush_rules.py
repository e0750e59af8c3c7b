"""The lab's push service: who may send, and what waits for a browser that is away."""

from __future__ import annotations

import base64
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from heliograph.lab.webpush_subscriptions import MAX_WAITING, Browser, Subscriptions, Waiting
from heliograph.lab.webpush_vapid import refusal

NOW = 1_700_000_000
ORIGIN = "http://127.0.0.1:8090"
KEY = ec.generate_private_key(ec.SECP256R1())


def base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def public(key: ec.EllipticCurvePrivateKey = KEY) -> str:
    return base64url(key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))


def header(key: ec.EllipticCurvePrivateKey = KEY, shown: str = "", **claims: Any) -> str:
    """With these claims changed (None: left out)."""

    usual = {"aud": ORIGIN, "exp": int(time.time()) + 3600, "sub": "mailto:ops@shop.example"}
    wanted = {name: value for name, value in (usual | claims).items() if value is not None}
    return f"vapid t={jwt.encode(wanted, key, 'ES256')}, k={shown or public(key)}"


@pytest.mark.parametrize("server_key", ["", public(), public() + "="], ids=["none", "bare", "padded"])
def test_who_says_who_they_are_may_send(server_key: str) -> None:
    """In either order, with or without a space, and with the key the browser subscribed with."""
    good = header()
    token, key = good.removeprefix("vapid ").split(", ")
    for text in (good, f"vapid {token},{key}", f"vapid {key}, {token}", f"VAPID {token},{key}"):
        assert refusal(text, ORIGIN, server_key) is None


STRANGER = ec.generate_private_key(ec.SECP256R1())


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        ("", 401),
        ("Bearer x", 401),
        ("vapid t=x", 401),
        ("vapid t=x, k=y", 403),
        (header(aud="http://127.0.0.1:8091"), 403),
        (header(aud="http://localhost:8090"), 403),
        (header(aud=None), 403),
        (header(exp=1), 403),
        (header(exp=None), 403),
        (header(exp=2**33), 403),
        (header(sub=None), 403),
        (header(sub="ops@shop.example"), 403),
        (header(sub="mailto: <ops@shop.example>"), 403),
        (header(shown=public(STRANGER)), 403),
        (header(shown="!"), 403),
        (header(shown=base64url(b"\x04" + b"\1" * 64)), 403),
    ],
)
def test_who_doesnt_may_not(authorization: str, status: int) -> None:
    """401 for nothing readable, 403 for what doesn't fit, also if the token is good for another origin."""
    found = refusal(authorization, ORIGIN, "")
    assert found
    assert found.status == status


def test_a_browser_takes_pushes_from_whom_it_subscribed_to() -> None:
    """Another server's key is refused, however good its token is."""
    found = refusal(header(STRANGER), ORIGIN, public())
    assert found
    assert found.status == 403


def waiting(name: str, topic: str = "", until: float = NOW + 60) -> Waiting:
    return Waiting(name, topic, "normal", until, b"")


def collected(browser: Browser, now: float = NOW) -> list[str]:
    return [one.id for one in browser.collect(now)]


def test_a_topic_replaces_what_waits() -> None:
    """Of the same topic only; what was collected waits no more."""
    browser = Browser("")
    for one in (waiting("a", "t"), waiting("b", "u"), waiting("c"), waiting("d"), waiting("e", "t")):
        browser.keep(one, NOW)
    assert collected(browser) == ["b", "c", "d", "e"]
    assert collected(browser) == []


def test_what_outlives_its_ttl_is_gone() -> None:
    """And one with a TTL of 0 never waits."""
    browser = Browser("")
    browser.keep(waiting("short", until=NOW + 1), NOW)
    browser.keep(waiting("long"), NOW)
    browser.keep(waiting("now or never", until=NOW), NOW)
    assert collected(browser, NOW + 1) == ["long"]


def test_memory_has_bounds() -> None:
    """The oldest go."""
    browser = Browser("")
    for number in range(MAX_WAITING + 3):
        browser.keep(waiting(str(number)), NOW)
    assert len(browser.collect(NOW)) == MAX_WAITING


def test_a_subscription_is_a_browsers() -> None:
    """Its keys have the sizes of RFC 8291, and its endpoint is of the origin that was asked."""
    subscriptions = Subscriptions()
    made = subscriptions.make(ORIGIN, "key")
    sizes = [len(base64.urlsafe_b64decode(made["keys"][name] + "==")) for name in ("p256dh", "auth")]
    assert sizes == [65, 16]
    assert made["endpoint"].startswith(ORIGIN + "/webpush/push/")
    browser = subscriptions.get(made["endpoint"].rpartition("/")[2])
    assert browser
    assert (browser.keys, browser.server_key) == (made["keys"], "key")
    assert browser.decrypt(b"nonsense") is None
