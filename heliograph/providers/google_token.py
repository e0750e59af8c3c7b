"""Google access tokens for a service account: signed assertion in, bearer token out, kept until shortly before expiry.

Reads the account's JSON, writes one request to its token endpoint at a time, however many callers wait (single flight).
Source: RFC 7523 as Google's "Using OAuth 2.0 for server to server applications" describes it. Never writes a token out.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import jwt
import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from heliograph.core.model import Millis
from heliograph.core.outcomes import Misconfigured, Throttled, Unavailable
from heliograph.core.ports import Clock
from heliograph.providers.http import SILENT, Answer, Failed, Http
from heliograph.providers.waiting import retry_after_s

SCOPE: Final = "https://www.googleapis.com/auth/firebase.messaging"
GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_ASSERTION_S: Final = 3600
_EARLY_MS: Final = 225_000
"""How long before its end a token is replaced: google-auth's 3 minutes 45 seconds, or half its life if that is less."""
_PAUSE_MS: Final = 10_000
"""After a failed renewal, a token that is still good serves so long before the next try."""
_HEADERS: Final = {"Content-Type": "application/x-www-form-urlencoded"}

Refused = Misconfigured | Unavailable | Throttled


class ServiceAccount(msgspec.Struct, frozen=True):
    """The parts of a service account's JSON that matter here."""

    project_id: str
    client_email: str
    private_key: str
    token_uri: str = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
    private_key_id: str = ""


class AccessToken(msgspec.Struct, frozen=True):
    value: str
    expires_at: Millis


class _Grant(msgspec.Struct):
    access_token: str = ""
    expires_in: float = 3600
    error: str = ""


def load_account(source: Path | dict[str, Any]) -> ServiceAccount:
    """Reads a service account, from its file or as parsed JSON.

    Raises:
        ValueError: it can't be read or isn't one; the sentence says why.
    """
    try:
        return msgspec.convert(
            source if isinstance(source, dict) else msgspec.json.decode(source.read_bytes()), ServiceAccount
        )
    except (OSError, msgspec.MsgspecError) as error:
        raise ValueError(f"the FCM service account can't be used: {error}") from error


class GoogleTokens:
    """The current access token of one service account.

    Raises:
        ValueError: the account's private key is no RSA key in PEM.
    """

    def __init__(self, account: ServiceAccount, http: Http, clock: Clock) -> None:
        self._key = _signing_key(account.private_key)
        self._account = account
        self._http = http
        self._clock = clock
        self._current: AccessToken | None = None
        self._renew_at: Millis = 0
        self._flight: asyncio.Task[AccessToken | Refused] | None = None

    async def get(self, refused: AccessToken | None = None, deadline: float | None = None) -> AccessToken | Refused:
        """A token, or why there is none.

        Args:
            deadline: on the loop's clock; who waits longer gets none, while the renewal goes on for the others.
            refused: a token that Google didn't accept, so that it isn't answered again.
        """
        if refused is not None and refused is self._current:
            self._current = None
        now = self._clock()
        if self._current is not None and now < min(self._renew_at, self._current.expires_at):
            return self._current
        renewed = await self._renew(deadline)
        if isinstance(renewed, AccessToken):
            return renewed
        current = self._current
        return current if current is not None and self._clock() < current.expires_at else renewed

    async def close(self) -> None:
        flight = self._flight
        if flight is not None:
            flight.cancel()
            await asyncio.gather(flight, return_exceptions=True)

    async def _renew(self, deadline: float | None) -> AccessToken | Refused:
        """Joins the renewal under way, or begins one. Whoever gives up waiting doesn't end it for the others."""
        if self._flight is None:
            self._flight = asyncio.create_task(self._fetch(), name="google-token")
            self._flight.add_done_callback(self._landed)
        flight = self._flight
        left_s = None if deadline is None else max(deadline - asyncio.get_running_loop().time(), 0)
        await asyncio.wait([flight], timeout=left_s)
        if not flight.done():
            return Unavailable(f"fcm token: {SILENT.cause}")
        return Unavailable("fcm token: closed") if flight.cancelled() else flight.result()

    def _landed(self, flight: asyncio.Task[AccessToken | Refused]) -> None:
        self._flight = None
        renewed = None if flight.cancelled() or flight.exception() else flight.result()
        if isinstance(renewed, AccessToken):
            self._current = renewed
            self._renew_at = renewed.expires_at - min(_EARLY_MS, (renewed.expires_at - self._clock()) // 2)
        else:
            self._renew_at = self._clock() + _PAUSE_MS

    async def _fetch(self) -> AccessToken | Refused:
        now = self._clock()
        form = urlencode({"grant_type": GRANT, "assertion": self._assertion(now)}).encode()
        answer = await self._http.post(self._account.token_uri, _HEADERS, form)
        if isinstance(answer, Failed):
            return Unavailable(f"fcm token: {answer.cause}")  # no push was sent, whatever became of this
        grant = _grant(answer)
        if answer.status == 200 and grant.access_token:
            return AccessToken(grant.access_token, now + round(grant.expires_in * 1000))
        return _refused(answer, grant, now)

    def _assertion(self, now: Millis) -> str:
        issued_s = now // 1000
        claims = {
            "iss": self._account.client_email,
            "scope": SCOPE,
            "aud": self._account.token_uri,
            "iat": issued_s,
            "exp": issued_s + _ASSERTION_S,
        }
        headers = {"kid": self._account.private_key_id} if self._account.private_key_id else None
        return jwt.encode(claims, self._key, algorithm="RS256", headers=headers)


def _signing_key(pem: str) -> RSAPrivateKey:
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ValueError(f"the FCM service account's private_key can't be used: {error}") from error
    if isinstance(key, RSAPrivateKey):
        return key
    raise ValueError("the FCM service account's private_key is no RSA key")


def _grant(answer: Answer) -> _Grant:
    try:
        return msgspec.json.decode(answer.body, type=_Grant)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Grant()


def _refused(answer: Answer, grant: _Grant, now: Millis) -> Refused:
    """4xx: our credentials or our clock (`invalid_grant`); what may pass is told apart."""
    cause = f"fcm token {answer.status} {grant.error}".rstrip()
    after_s = retry_after_s(answer.headers.get("Retry-After"), now)
    if answer.status == 429:
        return Throttled(cause, after_s)
    if answer.status >= 500 or answer.status in (200, 408):
        return Unavailable(cause, after_s)
    return Misconfigured(cause)
