"""The public keys with which user tokens of an outside issuer are checked: fetched, kept, and fetched again.

A service that asks every five minutes, so that a key that was taken out is refused soon; and at once, but not more
often than every ten seconds, when a token names a key that isn't known. All callers share one fetch. While the issuer
is away the known keys hold, for a day at most. Of a key set it takes the keys that fit the one pinned algorithm.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

import jwt
import msgspec

from heliograph import telemetry

EVERY_S: Final = 300.0
CALM_S: Final = 10.0
STALE_S: Final = 86_400.0
_LEAST_RSA_BITS: Final = 2048
"""RFC 7518 section 3.3."""

log = telemetry.logger("access")


class SigningKeys:
    """Args:
    fetch: the key set as JSON; whatever it raises, there is none now.
    algorithm: as JWA names it; never HMAC.
    monotonic: seconds.
    """

    name = "user-token-keys"

    def __init__(
        self, fetch: Callable[[], Awaitable[bytes]], algorithm: str, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._fetch = fetch
        self.algorithm = algorithm
        self._monotonic = monotonic
        self._keys: dict[str, Any] = {}
        self._fetched_at: float | None = None
        self._asked_at: float | None = None
        self._asking: asyncio.Task[None] | None = None

    @property
    def known(self) -> bool:
        """There is a key set that may be relied on."""
        return self._fetched_at is not None and self._monotonic() - self._fetched_at < STALE_S

    def key(self, kid: str) -> Any | None:
        """The public key, for `jwt.decode`; None = not known. That sets off a fetch, for whoever asks again."""
        found = self._keys.get(kid) if self.known else None
        if found is None:
            self._ask_soon()
        return found

    async def ensure(self, kid: str) -> None:
        """Returns when the key is known, or cannot be now."""
        if self.key(kid) is None and self._asking is not None:
            await asyncio.shield(self._asking)

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`."""
        while not stop.is_set():
            self._ask()
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), EVERY_S)
        if self._asking:
            self._asking.cancel()

    def _ask_soon(self) -> None:
        if self._asked_at is None or self._monotonic() - self._asked_at >= CALM_S:
            self._ask()

    def _ask(self) -> None:
        if self._asking is None or self._asking.done():
            self._asked_at = self._monotonic()
            self._asking = asyncio.ensure_future(self._refresh())

    async def _refresh(self) -> None:
        try:
            found = _usable(await self._fetch(), self.algorithm)
        except Exception as error:  # noqa: BLE001 - whatever it is, the keys in hand still hold
            log.warning("no_signing_keys", action="keep the known ones", known=len(self._keys), error=repr(error))
            return
        if set(found) != set(self._keys):
            log.info("signing_keys", action="replace", kids=sorted(found))
        self._keys, self._fetched_at = found, self._monotonic()


def _usable(document: bytes, algorithm: str) -> dict[str, Any]:
    """By `kid`: the public keys of a set that may verify this algorithm. Raises `ValueError` when there is none."""
    listed = msgspec.json.decode(document, type=dict[str, Any]).get("keys")
    found: dict[str, Any] = {}
    for one in listed if isinstance(listed, list) else ():
        kid = one.get("kid") if isinstance(one, dict) else None
        if isinstance(kid, str) and one.get("use", "sig") == "sig" and one.get("alg", algorithm) == algorithm:
            with suppress(jwt.PyJWTError, ValueError, TypeError):  # a key of another kind, or broken
                key = jwt.PyJWK(_public(one), algorithm).key
                if getattr(key, "curve", None) is not None or getattr(key, "key_size", 4096) >= _LEAST_RSA_BITS:
                    found[kid] = key
    if not found:
        raise ValueError(f"the key set has no key with a kid for {algorithm}")
    return found


def _public(key: dict[str, Any]) -> dict[str, Any]:
    """Without the private part, which nobody should have published."""
    return {name: value for name, value in key.items() if name not in ("d", "p", "q", "dp", "dq", "qi", "oth", "k")}
