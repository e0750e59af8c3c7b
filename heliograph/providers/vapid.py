"""VAPID (RFC 8292): how a push service knows who sends.

Reads the application server's private key, answers the `Authorization` header for an endpoint's origin. A token is
signed once for each origin and used for hours: signing costs 70 µs, and push services remember the tokens they know.
"""

from __future__ import annotations

import base64
import re
from typing import Final, NamedTuple

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from heliograph.core.model import Millis

LIFETIME_S: Final = 12 * 3600
"""RFC 8292 section 2 allows 24 h; half of it leaves room for a clock that is wrong."""
_RENEW_S: Final = 3600
_ORIGINS: Final = 1_000
"""Tokens that are remembered: there are a handful of push services, but anybody may name another one."""
_SUBJECT: Final = re.compile(r"mailto:[^\s<>@]+@[^\s<>@]+|https://[^\s<>]+")


class KeyPair(NamedTuple):
    """Base64url without padding: the private scalar, and the uncompressed point that browsers want."""

    private: str
    public: str


def new_key_pair() -> KeyPair:
    key = ec.generate_private_key(ec.SECP256R1())
    return KeyPair(base64url(key.private_numbers().private_value.to_bytes(32, "big")), base64url(point_of(key)))


class Vapid:
    """Signs for one application server.

    Args:
        private_key: 32 bytes in base64url, as `heliograph keys vapid` prints them, or PEM.
        subject: `mailto:` or `https:`, where a push service finds whom to talk to.

    Raises:
        ValueError: one of them can't be used.
    """

    def __init__(self, private_key: str, subject: str) -> None:
        if not _SUBJECT.fullmatch(subject):
            # Apple answers 403 BadJwtToken to a mailto: with spaces or brackets in it.
            raise ValueError("HELIOGRAPH_VAPID_SUBJECT must be mailto:you@example.com or an https URL")
        self._key = _read_key(private_key)
        self._subject = subject
        self._tokens: dict[str, tuple[str, float]] = {}
        self.public_key = base64url(point_of(self._key))

    def authorization(self, origin: str, now: Millis) -> str:
        """The header for a push to an endpoint of this origin."""
        token, expires_s = self._tokens.get(origin, ("", 0.0))
        if expires_s - now / 1000 < _RENEW_S:
            token = self._sign(origin, now)
        return f"vapid t={token}, k={self.public_key}"

    def _sign(self, origin: str, now: Millis) -> str:
        expires_s = now // 1000 + LIFETIME_S
        claims = {"aud": origin, "exp": expires_s, "sub": self._subject}
        token = jwt.encode(claims, self._key, algorithm="ES256")
        if len(self._tokens) >= _ORIGINS:
            self._tokens.clear()
        self._tokens[origin] = token, expires_s
        return token


def base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def from_base64url(text: str) -> bytes:
    """With or without padding. Raises ValueError."""
    return base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), altchars=b"-_", validate=True)


def point_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Its public key as 65 bytes."""
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _read_key(text: str) -> ec.EllipticCurvePrivateKey:
    wrong = "HELIOGRAPH_VAPID_PRIVATE_KEY is not a P-256 private key; `heliograph keys vapid` makes one"
    try:
        found = _pem(text) if text.lstrip().startswith("-----BEGIN") else _scalar(from_base64url(text.strip()))
    except (ValueError, TypeError) as error:
        raise ValueError(wrong) from error
    if found is None:
        raise ValueError(wrong)
    return found


def _pem(text: str) -> ec.EllipticCurvePrivateKey | None:
    found = load_pem_private_key(text.encode(), None)
    return found if isinstance(found, ec.EllipticCurvePrivateKey) and isinstance(found.curve, ec.SECP256R1) else None


def _scalar(raw: bytes) -> ec.EllipticCurvePrivateKey | None:
    return ec.derive_private_key(int.from_bytes(raw, "big"), ec.SECP256R1()) if len(raw) == 32 else None
