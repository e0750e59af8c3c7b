"""Who is calling: server keys and user tokens. Reads the store's keys through a short cache, writes only new keys.

User tokens are JWTs, audience `heliograph`, by our secret (HS256) or by an outside issuer's key (RFC 7519; RFC 8725
section 3.1: one algorithm for each source of keys, never the token's own choice). A wrong token of any kind gets the
same answer.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

import jwt
from msgspec.structs import replace

from heliograph import telemetry
from heliograph.core.errors import Problem, StoreUnavailable
from heliograph.core.keys import SCOPES, ApiKey, called, endings
from heliograph.core.model import Key, Millis
from heliograph.core.names import tenant_is_valid, user_id_is_valid
from heliograph.core.ports import AccessStore, Clock
from heliograph.signing_keys import SigningKeys

KEY_PREFIX: Final = "hg_sk_"
AUDIENCE: Final = "heliograph"
_ID: Final = "abcdefghijkmnpqrstuvwxyz23456789"
_CACHE_MS: Final = 5_000
"""A key that was revoked is refused everywhere within this time."""
_CACHE_SIZE: Final = 10_000
_USED_MS: Final = 60_000
"""How exact `used_at` is: it costs the store a write this often."""
_FAR_S: Final = 1e11
"""The year 5138: an expiry beyond it was given in another unit or is no time at all."""

log = telemetry.logger("access")


def digest_of(secret: str) -> str:
    """SHA-256: the secrets have 192 random bits, so a slow hash would protect nothing more."""
    return hashlib.sha256(secret.encode()).hexdigest()


def new_secret() -> str:
    """`hg_sk_` + what people know the key by (8 characters) + `_` + 192 random bits."""
    return f"{KEY_PREFIX}{''.join(secrets.choice(_ID) for _ in range(8))}_{secrets.token_urlsafe(24)}"


async def create_key(
    store: AccessStore, tenant: str, now: Millis, name: str = "", scopes: Sequence[str] = SCOPES,
    *, expires_at: Millis | None = None, rate: float | None = None, daily: int | None = None,
) -> str:  # fmt: skip
    """Stores a new server key's digest and returns the key itself, which nobody can read again.

    `name`: by default what the key is known by. Raises `Problem("invalid")`.
    """
    if not tenant_is_valid(tenant):
        raise Problem("invalid", "a tenant is 1 to 63 letters, digits, '-' and '_'")
    if name and not tenant_is_valid(name):
        raise Problem("invalid", "a key's name is 1 to 63 letters, digits, '-' and '_'")
    if unknown := set(scopes) - set(SCOPES):
        raise Problem("invalid", f"not a scope: {', '.join(sorted(unknown))}; there are {', '.join(SCOPES)}")
    if name and called(await store.api_keys(tenant), name, now):
        raise Problem("invalid", f"there is a key named {name}: rotate it, revoke it, or choose another name")
    secret = new_secret()
    prefix = secret[: len(KEY_PREFIX) + 8]
    await store.add_key(ApiKey(
        digest=digest_of(secret), tenant=tenant, prefix=prefix, created_at=now, name=name or prefix,
        scopes=tuple(scope for scope in SCOPES if scope in scopes), expires_at=expires_at, rate=rate, daily=daily,
    ))  # fmt: skip
    return secret


async def rotate_key(store: AccessStore, tenant: str, name: str, now: Millis, keep_ms: Millis) -> str:
    """A successor with the same name, scopes and quotas; the key it follows lives on for `keep_ms`, older ones end.

    Raises `Problem("not_found")`.
    """
    living = called(await store.api_keys(tenant), name, now)
    if not living:
        raise Problem("not_found", f"tenant {tenant} has no living key named {name}")
    secret = new_secret()
    prefix = secret[: len(KEY_PREFIX) + 8]
    newest = living[0]
    following = replace(newest, digest=digest_of(secret), prefix=prefix, created_at=now, expires_at=None, used_at=None)
    await store.add_key(following)  # first: whatever happens next, one of them works
    for digest, at in endings(living, now, keep_ms):
        await store.end_key(digest, at)
    return secret


async def revoke_keys(store: AccessStore, tenant: str, name: str, now: Millis) -> int:
    """Ends every living key of a name or prefix; refused everywhere within 5 seconds. Returns how many.

    Raises `Problem("not_found")`.
    """
    living = called(await store.api_keys(tenant), name, now)
    if not living:
        raise Problem("not_found", f"tenant {tenant} has no living key named {name}")
    for key in living:
        await store.end_key(key.digest, now)
    return len(living)


class ServerKeys:
    """Answers what a server key is.

    Args:
        bootstrap: a key accepted for tenant `default`, with every scope, without standing in the store; empty = none.
    """

    def __init__(self, store: AccessStore, clock: Clock, bootstrap: str = "") -> None:
        self._store = store
        self._clock = clock
        self._bootstrap: ApiKey | None = None
        if bootstrap:
            digest = digest_of(bootstrap)
            self._bootstrap = ApiKey(digest=digest, tenant="default", prefix="bootstrap", created_at=0)
        self._cache: dict[str, tuple[Millis, ApiKey]] = {}
        self._notes: set[asyncio.Future[None]] = set()

    async def find(self, secret: str) -> ApiKey:
        """Raises `Problem("unauthorized")`, or `StoreUnavailable` when nobody can tell."""
        digest = digest_of(secret)
        if self._bootstrap and hmac.compare_digest(digest, self._bootstrap.digest):
            return self._bootstrap
        now = self._clock()
        until, key = self._cache.get(digest, (0, None))
        if key is None or until <= now:
            key = await self._store.api_key(digest)
            if key:
                self._remember(key, now)
        if key is None or not key.lives(now):
            raise Problem("unauthorized")
        return key

    def _remember(self, key: ApiKey, now: Millis) -> None:
        if len(self._cache) >= _CACHE_SIZE:
            self._cache.clear()
        self._cache[key.digest] = now + _CACHE_MS, key
        if key.lives(now) and (key.used_at or 0) <= now - _USED_MS:
            note = asyncio.ensure_future(self._note_use(key, now))
            self._notes.add(note)
            note.add_done_callback(self._notes.discard)

    async def _note_use(self, key: ApiKey, now: Millis) -> None:
        """Beside the request: nobody waits for it, and nobody fails because of it."""
        try:
            await self._store.touch_key(key.digest, now)
        except StoreUnavailable as error:
            log.info("use_not_noted", action="leave", key=key.prefix, error=str(error))


class UserTokens:
    """Mints and verifies user tokens.

    Args:
        secret: for HS256.
        keys: of an outside issuer, whose tokens are as good as ours.
    """

    def __init__(self, secret: str, clock: Clock, keys: SigningKeys | None = None) -> None:
        self._secret = secret
        self._clock = clock
        self._keys = keys

    def mint(self, user: Key, ttl_s: int) -> tuple[str, Millis]:
        """Returns the token and when it expires.

        It says when it was made (`iat`), so that a client whose clock is wrong still knows how long it lasts.
        """
        issued_s = self._clock() // 1000
        expires_s = issued_s + ttl_s
        claims = {"sub": user.id, "tenant": user.tenant, "aud": AUDIENCE, "iat": issued_s, "exp": expires_s}
        return jwt.encode(claims, self._secret, algorithm="HS256"), expires_s * 1000

    async def prepare(self, token: str) -> None:
        """Fetches what `verify` needs for this token, if it isn't there. Raises `Problem("issuer_unavailable")`."""
        if self._keys is None:
            return
        with suppress(jwt.PyJWTError, ValueError):
            header = jwt.get_unverified_header(token)
            if header.get("alg") == self._keys.algorithm and "kid" in header:
                await self._keys.ensure(header["kid"])
                if not self._keys.known:
                    raise Problem("issuer_unavailable", retry_after_s=1)

    def verify(self, token: str) -> tuple[Key, Millis]:
        """The user of a valid token and when it expires. Raises `Problem("unauthorized")`."""
        try:
            key, algorithm = self._means(token)
            claims = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
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

    def _means(self, token: str) -> tuple[Any, str]:
        """The key and the one algorithm that belongs to it: the token's word chooses between sources, and never what
        is done with a source's key. Raises `jwt.InvalidKeyError`."""
        if self._keys is None:
            return self._secret, "HS256"
        header = jwt.get_unverified_header(token)
        if header.get("alg") != self._keys.algorithm:
            return self._secret, "HS256"
        key = self._keys.key(header.get("kid", ""))
        if key is None:
            raise jwt.InvalidKeyError("unknown kid")
        return key, self._keys.algorithm


def is_operator(authorization: str | None, token: str) -> bool:
    """Whether an Authorization header shows the operator's token; an empty token = everybody may see."""
    return not token or hmac.compare_digest((authorization or "").encode(), f"Bearer {token}".encode())
