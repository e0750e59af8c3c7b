"""APNs: the provider token, an ES256 JWT, anew every 50 minutes. Reads a clock and a key; never logs a token.

All connections of all servers should show the same token, and on none may it change more often than every 20 minutes
(Apple, "Establishing a token-based connection to APNs"). So `iat` stands on a grid of 50 minutes and the signature is
deterministic (RFC 6979): processes that share a key make the same token at any moment, without asking each other.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Final

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from heliograph.core.ports import Clock

ROTATE_S: Final = 50 * 60
LEAST_S: Final = 20 * 60
"""How long a token is shown at least before the next."""
_SKEW_S: Final = 60
"""A token is not shown before it is so old, lest APNs' clock be behind ours."""
_HALF: Final = 32
"""Bytes of `r` and of `s` (RFC 7518 section 3.4)."""


class ProviderToken:
    """The current token of one key.

    Args:
        key: the .p8 file's content, a P-256 key in PEM.

    Raises:
        ValueError: the key can't be used.
    """

    def __init__(self, key: bytes, key_id: str, team_id: str, clock: Clock) -> None:
        self._key = _signing_key(key)
        self._header = _part({"alg": "ES256", "kid": key_id, "typ": "JWT"})
        self._team_id = team_id
        self._clock = clock
        self._on_grid = True
        self._issued_s = self._shown_s = -ROTATE_S  # before any time there is
        self._value = ""

    def current(self) -> str:
        """The token to show now; costs nothing while it is the same as before."""
        now_s = self._clock() // 1000
        grid_s = (now_s - _SKEW_S) // ROTATE_S * ROTATE_S
        if self._on_grid:
            shown_long_enough = not 0 <= now_s - self._shown_s < LEAST_S
            if self._issued_s != grid_s and shown_long_enough:
                # One that is about to be replaced would be shown too short a time; one of our own bridges the gap.
                self._mint(grid_s if now_s - grid_s <= ROTATE_S - LEAST_S else now_s - _SKEW_S, now_s)
        elif not 0 <= now_s - self._issued_s < ROTATE_S:
            self._mint(now_s - _SKEW_S, now_s)
        return self._value

    def renewed(self, refused: str) -> str | None:
        """A token other than `refused`, which APNs calls expired; None if that one is too young to be replaced.

        APNs' clock and ours differ then, so the grid is left for good: the next tokens count from their own making.
        """
        if refused != self._value:
            return self.current()
        now_s = self._clock() // 1000
        if 0 <= now_s - self._shown_s < LEAST_S:
            return None
        self._on_grid = False
        self._mint(now_s, now_s)
        return self._value

    def _mint(self, issued_s: int, now_s: int) -> None:
        signed = f"{self._header}.{_part({'iss': self._team_id, 'iat': issued_s})}"
        r, s = decode_dss_signature(self._key.sign(signed.encode(), ECDSA(SHA256(), deterministic_signing=True)))
        self._value = f"{signed}.{_base64(r.to_bytes(_HALF) + s.to_bytes(_HALF))}"
        self._issued_s, self._shown_s = issued_s, now_s


def load_key(path: Path) -> bytes:
    """Raises `ValueError` with the reason if it can't be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"the APNs key can't be read: {error}") from error


def _signing_key(pem: bytes) -> EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ValueError(f"the APNs key can't be used: {error}") from error
    if isinstance(key, EllipticCurvePrivateKey) and isinstance(key.curve, SECP256R1):
        return key
    raise ValueError("the APNs key is no P-256 key")


def _part(content: dict[str, str | int]) -> str:
    return _base64(msgspec.json.encode(content))


def _base64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
