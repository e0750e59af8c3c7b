"""Who is calling: server keys and user tokens. Reads the store's keys through a short cache, writes only new keys.

User tokens are JWTs, HS256 pinned, audience `heliograph` (RFC 7519; RFC 8725 section 3.1: one algorithm, never the
token's own choice). A wrong token of any kind gets the same answer.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Final

import jwt

from heliograph.core.errors import Problem
from heliograph.core.model import Key, Millis
from heliograph.core.names import tenant_is_valid, user_id_is_valid
from heliograph.core.ports import AccessStore, ApiKey, Clock

KEY_PREFIX: Final = "hg_sk_"
AUDIENCE: Final = "heliograph"
_CACHE_MS: Final = 5_000
"""A key that was revoked is refused everywhere within this time."""
_CACHE_SIZE: Final = 10_000
_FAR_S: Final = 1e11
"""The year 5138: an expiry beyond it was given in another unit or is no time at all."""


def digest_of(secret: str) -> str:
    """SHA-256: the secrets have 192 random bits, so a slow hash would protect nothing more."""
    return hashlib.sha256(secret.encode()).hexdigest()


def new_secret() -> str:
    return KEY_PREFIX + secrets.token_urlsafe(24)


async def create_key(store: AccessStore, tenant: str, now: Millis) -> str:
    """Stores a new server key's digest and returns the key itself, which nobody can read again."""
    if not tenant_is_valid(tenant):
        raise Problem("invalid", "a tenant is 1 to 63 letters, digits, '-' and '_'")
    secret = new_secret()
    await store.add_key(ApiKey(digest_of(secret), tenant, secret[: len(KEY_PREFIX) + 4], now))
    return secret


class ServerKeys:
    """Answers which tenant a server key belongs to.

    Args:
        bootstrap: a key accepted for tenant `default` without standing in the store; empty = none.
    """

    def __init__(self, store: AccessStore, clock: Clock, bootstrap: str = "") -> None:
        self._store = store
        self._clock = clock
        self._bootstrap = digest_of(bootstrap) if bootstrap else ""
        self._cache: dict[str, tuple[Millis, str]] = {}

    async def tenant_of(self, secret: str) -> str:
        """Raises `Problem("unauthorized")`, or `StoreUnavailable` when nobody can tell."""
        digest = digest_of(secret)
        if self._bootstrap and hmac.compare_digest(digest, self._bootstrap):
            return "default"
        now = self._clock()
        cached = self._cache.get(digest)
        if cached and cached[0] > now:
            return cached[1]
        found = await self._store.api_key(digest)
        if found is None:
            raise Problem("unauthorized")
        if len(self._cache) >= _CACHE_SIZE:
            self._cache.clear()
        self._cache[digest] = now + _CACHE_MS, found.tenant
        return found.tenant


class UserTokens:
    """Mints and verifies user tokens."""

    def __init__(self, secret: str, clock: Clock) -> None:
        self._secret = secret
        self._clock = clock

    def mint(self, user: Key, ttl_s: int) -> tuple[str, Millis]:
        """Returns the token and when it expires.

        It says when it was made (`iat`), so that a client whose clock is wrong still knows how long it lasts.
        """
        issued_s = self._clock() // 1000
        expires_s = issued_s + ttl_s
        claims = {"sub": user.id, "tenant": user.tenant, "aud": AUDIENCE, "iat": issued_s, "exp": expires_s}
        return jwt.encode(claims, self._secret, algorithm="HS256"), expires_s * 1000

    def verify(self, token: str) -> tuple[Key, Millis]:
        """The user of a valid token and when it expires. Raises `Problem("unauthorized")`."""
        try:
            claims = jwt.decode(
                token,
                self._secret,
                algorithms=["HS256"],
                audience=AUDIENCE,
                options={"require": ["exp", "sub", "aud"], "verify_exp": False, "verify_iat": False},
            )
        except (jwt.PyJWTError, ValueError) as error:
            raise Problem("unauthorized") from error
        subject, tenant, expires_s = claims["sub"], claims.get("tenant"), claims["exp"]
        if not (isinstance(subject, str) and isinstance(tenant, str) and isinstance(expires_s, int | float)):
            raise Problem("unauthorized")
        if not (user_id_is_valid(subject) and tenant_is_valid(tenant)):
            raise Problem("unauthorized")
        expires_at = round(expires_s * 1000) if abs(expires_s) < _FAR_S else 0  # Python's JSON knows NaN and Infinity
        if expires_at <= self._clock():
            raise Problem("unauthorized")
        return Key(tenant, subject), expires_at


def is_operator(authorization: str | None, token: str) -> bool:
    """Whether an Authorization header shows the operator's token; an empty token = everybody may see."""
    return not token or hmac.compare_digest((authorization or "").encode(), f"Bearer {token}".encode())
