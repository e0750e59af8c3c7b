"""Lab: APNs' rules for provider tokens. Reads the authorization header and a clock; remembers per connection.

Sources: Apple, "Establishing a token-based connection to APNs"; that a connection belongs to the team and key that used
it first, and that tokens may not change more often than every 20 minutes on it.
"""

from __future__ import annotations

from collections.abc import Callable

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from msgspec import Struct

MAX_AGE_S = 3600
CLOCK_SKEW_S = 60
LEAST_BETWEEN_S = 1200
ID_LENGTH = 10
MAX_KNOWN = 10_000


class Claims(Struct, frozen=True):
    """What a token with a valid signature says."""

    team: str
    key_id: str
    issued_at: float


class Acquaintance:
    """What one connection has shown so far."""

    def __init__(self) -> None:
        self.token = ""
        self.since = 0.0
        self.claims: Claims | None = None


class ProviderTokens:
    """Args:
    ids: (key id, team id) that alone are known; None knows any of ten characters.
    clock: seconds since 1970.
    """

    def __init__(self, key: EllipticCurvePublicKey, ids: tuple[str, str] | None, clock: Callable[[], float]) -> None:
        self._key = key
        self._ids = ids
        self._clock = clock
        self._known: dict[str, Claims | None] = {}
        self.seen: set[str] = set()
        """Every valid token that was ever shown."""

    def check(self, authorization: str, met: Acquaintance) -> str:
        """The reason for a refusal, or ""."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            return "MissingProviderToken"
        claims = self._claims(token)
        if claims is None:
            return "InvalidProviderToken"
        now = self._clock()
        if now - claims.issued_at > MAX_AGE_S:
            return "ExpiredProviderToken"
        if claims.issued_at - now > CLOCK_SKEW_S or (met.claims and met.claims.team != claims.team):
            return "InvalidProviderToken"
        if met.claims and met.claims.key_id != claims.key_id:
            return "UnrelatedKeyIdInToken"
        if met.token and token != met.token and now - met.since < LEAST_BETWEEN_S:
            return "TooManyProviderTokenUpdates"
        if token != met.token:
            met.token, met.since, met.claims = token, now, claims
            self.seen.add(token)
        return ""

    def _claims(self, token: str) -> Claims | None:
        """Checked once per token: a signature costs more than all the rest of a push."""
        if token not in self._known:
            while len(self._known) >= MAX_KNOWN:
                del self._known[next(iter(self._known))]
            self._known[token] = self._verified(token)
        return self._known[token]

    def _verified(self, token: str) -> Claims | None:
        try:
            header = jwt.get_unverified_header(token)
            claims = jwt.decode(
                token, self._key, algorithms=["ES256"], options={"verify_iat": False, "require": ["iss", "iat"]}
            )
            found = Claims(str(claims["iss"]), str(header.get("kid", "")), float(claims["iat"]))
        except (jwt.InvalidTokenError, ValueError, TypeError):
            return None
        known = (
            (found.key_id, found.team) == self._ids if self._ids else len(found.key_id) == len(found.team) == ID_LENGTH
        )
        return found if known else None
