"""VAPID: one token for each origin, with the claims that push services insist on."""

from __future__ import annotations

import base64
from itertools import count
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from heliograph.providers.vapid import LIFETIME_S, Vapid, from_base64url, new_key_pair

NOW = 1_700_000_000_000
SUBJECT = "mailto:ops@shop.example"
PAIR = new_key_pair()


def parts(header: str) -> tuple[str, str]:
    scheme, _, rest = header.partition(" ")
    token, key = rest.split(", ")
    assert scheme == "vapid"
    return token.removeprefix("t="), key.removeprefix("k=")


def claims_of(header: str) -> Any:
    """What a push service reads, checked with the key in the header itself."""
    token, key = parts(header)
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), from_base64url(key))
    options: Any = {"verify_exp": False, "verify_aud": False}
    return jwt.decode(token, public, algorithms=["ES256"], options=options)


def test_the_claims() -> None:
    """The origin, whom to talk to, and half of the day that RFC 8292 allows."""
    vapid = Vapid(PAIR.private, SUBJECT)
    header = vapid.authorization("https://push.example", NOW)
    assert claims_of(header) == {"aud": "https://push.example", "exp": NOW // 1000 + LIFETIME_S, "sub": SUBJECT}
    assert parts(header)[1] == vapid.public_key == PAIR.public
    assert len(from_base64url(PAIR.public)) == 65


def test_a_token_is_signed_once_for_each_origin() -> None:
    """And again before it expires; never is one origin's token shown to another."""
    vapid = Vapid(PAIR.private, SUBJECT)
    first = vapid.authorization("https://a.example", NOW)
    assert vapid.authorization("https://a.example", NOW + 10 * 3_600_000) == first
    assert claims_of(vapid.authorization("https://b.example", NOW))["aud"] == "https://b.example"
    assert vapid.authorization("https://a.example", NOW) == first
    later = NOW + 11 * 3_600_000 + 1
    assert claims_of(vapid.authorization("https://a.example", later))["exp"] == later // 1000 + LIFETIME_S


def test_origins_that_anybody_makes_up_fill_no_memory() -> None:
    """There are a handful of push services; the rest is remembered for a while only."""
    vapid = Vapid(PAIR.private, SUBJECT)
    for number in range(1_100):
        vapid.authorization(f"https://{number}.example", NOW)
    assert len(vapid._tokens) <= 1_000


@pytest.mark.parametrize("padding", ["", "="])
def test_keys_as_they_come(padding: str) -> None:
    """Base64url with or without padding, and PEM, PKCS 8 or SEC 1."""
    key = ec.derive_private_key(int.from_bytes(from_base64url(PAIR.private), "big"), ec.SECP256R1())
    pems = [
        key.private_bytes(Encoding.PEM, shape, NoEncryption()).decode()
        for shape in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL)
    ]
    for text in (PAIR.private + padding, f" {PAIR.private}\n", *pems):
        assert Vapid(text, SUBJECT).public_key == PAIR.public


RSA = rsa.generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
P384 = ec.generate_private_key(ec.SECP384R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.mark.parametrize(
    "key",
    ["x", "x" * 44, PAIR.public, base64.b64encode(b"\0" * 32).decode(), "\xff" * 43, "-----BEGIN NONSENSE", RSA, P384],
    ids=count(),
)
def test_keys_that_are_none(key: str) -> None:
    """At start, with the name of the setting and without the key."""
    with pytest.raises(ValueError, match="HELIOGRAPH_VAPID_PRIVATE_KEY") as raised:
        Vapid(key, SUBJECT)
    assert key not in str(raised.value)


@pytest.mark.parametrize("subject", ["", "ops@shop.example", "mailto: <ops@shop.example>", "mailto:ops", "http://x.io"])
def test_subjects_that_apple_refuses(subject: str) -> None:
    """Better told at start than by a 403 for every Safari."""
    with pytest.raises(ValueError, match="HELIOGRAPH_VAPID_SUBJECT"):
        Vapid(PAIR.private, subject)
