"""Web Push: what is sealed can be opened by the browser, by the letter of RFC 8291, and by nobody else."""

from __future__ import annotations

import asyncio
import hmac
import os
from collections.abc import AsyncIterator

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from heliograph.core.subscriptions import SubscriptionKeys
from heliograph.providers.vapid import base64url, from_base64url, point_of
from heliograph.providers.webpush_message import MAX_PLAINTEXT
from heliograph.providers.webpush_sealing import Sealing


def hkdf(salt: bytes, key: bytes, info: bytes, size: int) -> bytes:
    return hmac.digest(hmac.digest(salt, key, "sha256"), info + b"\x01", "sha256")[:size]


class Browser:
    """Opens messages as RFC 8291 section 3.4 has it, written down here once more."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, secret: bytes) -> None:
        self.key = key
        self.secret = secret
        self.keys = SubscriptionKeys(base64url(point_of(key)), base64url(secret))

    def open(self, body: bytes) -> bytes:
        salt, size, theirs = body[:16], body[20], body[21:86]
        assert size == 65
        shared = self.key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), theirs))
        material = hkdf(self.secret, shared, b"WebPush: info\0" + point_of(self.key) + theirs, 32)
        content_key = hkdf(salt, material, b"Content-Encoding: aes128gcm\0", 16)
        nonce = hkdf(salt, material, b"Content-Encoding: nonce\0", 12)
        plain = AESGCM(content_key).decrypt(nonce, body[86:], None)
        assert plain.endswith(b"\x02")
        return plain[:-1]


def new_browser() -> Browser:
    return Browser(ec.generate_private_key(ec.SECP256R1()), os.urandom(16))


@pytest.fixture
async def sealing() -> AsyncIterator[Sealing]:
    made = Sealing()
    yield made
    made.close()


def test_our_browser_opens_the_example_of_the_rfc() -> None:
    """RFC 8291 appendix A: so what it opens below is sealed as the RFC has it."""
    private = int.from_bytes(from_base64url("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"), "big")
    browser = Browser(ec.derive_private_key(private, ec.SECP256R1()), from_base64url("BTBZMqHH6r4Tts7J_aSIgg"))
    example = (
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl"
        "7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )
    assert browser.open(from_base64url(example)) == b"When I grow up, I want to be a watermelon"


@pytest.mark.parametrize("payload", [b"{}", "größer 🚀".encode(), b"x" * MAX_PLAINTEXT])
async def test_the_browser_reads_it(sealing: Sealing, payload: bytes) -> None:
    """Any payload up to the limit, which fills the 4,096 bytes that services take."""
    browser = new_browser()
    body = await sealing.seal(payload, browser.keys)
    assert body
    assert browser.open(body) == payload
    assert len(body) == len(payload) + 103 <= 4096


async def test_nobody_else_does(sealing: Sealing) -> None:
    """Neither another browser nor one that lacks the secret."""
    browser = new_browser()
    body = await sealing.seal(b"secret", browser.keys)
    assert body
    assert b"secret" not in body
    for stranger in (new_browser(), Browser(browser.key, os.urandom(16))):
        with pytest.raises(InvalidTag):
            stranger.open(body)


async def test_every_message_has_its_own_keys(sealing: Sealing) -> None:
    """Many at once come back to whom they belong, each with a salt and a sender's key of its own."""
    browsers = [new_browser() for _ in range(120)]
    bodies = await asyncio.gather(*(sealing.seal(b"%d" % n, one.keys) for n, one in enumerate(browsers)))
    opened = [one.open(body) for one, body in zip(browsers, bodies, strict=True) if body]
    assert opened == [b"%d" % number for number in range(120)]
    assert len({body[:86] for body in bodies if body}) == 120


GOOD = new_browser().keys


@pytest.mark.parametrize(
    "keys",
    [
        SubscriptionKeys("x", GOOD.auth),
        SubscriptionKeys(GOOD.p256dh, "y"),
        SubscriptionKeys("!" * 87, GOOD.auth),
        SubscriptionKeys("é" * 87, GOOD.auth),
        SubscriptionKeys(base64url(b"\x04" + b"\1" * 64), GOOD.auth),
        SubscriptionKeys(base64url(b"\x02" + b"\1" * 32), GOOD.auth),
        SubscriptionKeys(GOOD.p256dh, base64url(b"short")),
    ],
)
async def test_keys_that_are_none(sealing: Sealing, keys: SubscriptionKeys) -> None:
    """No message, no exception, and no harm to its neighbours."""
    wrong, fine = await asyncio.gather(sealing.seal(b"x", keys), sealing.seal(b"x", GOOD))
    assert wrong is None
    assert fine
