"""Lab: Google's OAuth token endpoint (`POST /oauth2/token`) and the service account that may use it.

Reads RS256 assertions, writes the access tokens the FCM endpoint asks about. Holds the lab's RSA key, made when it
is first needed. It knows only the one service account.

Source: RFC 7523 as google-auth speaks it; error texts as Google's endpoint words them.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from heliograph.lab.exchange import Call, Letter, Reply
from heliograph.lab.faults import Dialect, Verdict
from heliograph.lab.inbox import View

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
GOOGLE_AUDIENCE = "https://oauth2.googleapis.com/token"
TOKEN_LIFETIME_S = 3599
MAX_ASSERTION_LIFETIME_S = 3600
CLOCK_SKEW_S = 60
SHORT_LIVED = (
    "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and "
    "exp values in the JWT claim."
)
DIALECT = Dialect(500, frozenset())
MAX_TOKENS = 100_000


class ServiceAccount:
    """The lab's Google service account: an e-mail, a project and an RSA key."""

    def __init__(self, project_id: str) -> None:
        self.project_id = project_id
        self.email = f"heliograph@{project_id}.iam.gserviceaccount.com"
        self.token_uri = ""
        self._key_id = secrets.token_hex(20)
        self._key: RSAPrivateKey | None = None
        self._making = asyncio.Lock()

    async def key(self) -> RSAPrivateKey:
        """The private key. Made at first use in a thread: 2048 bits take a tenth of a second or several."""
        async with self._making:
            if self._key is None:
                self._key = await asyncio.to_thread(generate_private_key, 65537, 2048)
            return self._key

    async def document(self) -> dict[str, str]:
        """What Google's console would let you download as JSON, pointing at the lab's token endpoint."""
        key = await self.key()
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        return {
            "type": "service_account",
            "project_id": self.project_id,
            "private_key_id": self._key_id,
            "private_key": pem,
            "client_email": self.email,
            "client_id": "100000000000000000001",
            "auth_uri": "https://accounts.google.com/o/oauth2/auth",
            "token_uri": self.token_uri,
            "auth_provider_x509_cert_url": "https://www.googleapis.com/oauth2/v1/certs",
            "universe_domain": "googleapis.com",
        }


class AccessTokens:
    """Tokens given out and not yet expired: token -> (scopes, expiry in seconds since 1970)."""

    def __init__(self) -> None:
        self._issued: dict[str, tuple[frozenset[str], float]] = {}

    def issue(self, scopes: frozenset[str], now: float) -> str:
        """A new token; the oldest ones are dropped when there are too many."""
        token = f"ya29.lab-{secrets.token_urlsafe(48)}"
        self._issued[token] = (scopes, now + TOKEN_LIFETIME_S)
        while len(self._issued) > MAX_TOKENS:
            del self._issued[next(iter(self._issued))]
        return token

    def scopes(self, token: str, now: float) -> frozenset[str] | None:
        """The scopes of a valid token, None for an unknown or expired one."""
        known = self._issued.get(token)
        return known[0] if known and known[1] > now else None

    def revoke_all(self) -> None:
        """Every token given out so far becomes unknown."""
        self._issued.clear()


class TokenRequest:
    """What a call of the token endpoint carries: the form, and the assertion's claims as data (unverified)."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def view(self) -> View:
        form = _form(self._body)
        try:
            claims = jwt.decode(form.get("assertion", ""), options={"verify_signature": False})
        except jwt.InvalidTokenError:
            claims = {}
        return View(data={name: str(value) for name, value in claims.items()}, payload=form)


class TokenEndpoint:
    """`POST /oauth2/token`, grant type jwt-bearer."""

    name = "oauth2"

    def __init__(self, account: ServiceAccount, tokens: AccessTokens) -> None:
        self._account = account
        self._tokens = tokens

    def read(self, call: Call) -> list[Letter]:
        return [Letter(self._account.email, TokenRequest(call.body))]

    async def answer(self, call: Call, letters: list[Letter], verdict: Verdict) -> Reply:  # noqa: ARG002
        if verdict.kind != "pass":
            word = "internal_failure" if verdict.status >= 500 else "access_denied"
            return _refuse(verdict.status, word, "The service refused the request.")
        form = _form(call.body)
        if form.get("grant_type") != GRANT_TYPE:
            return _refuse(400, "unsupported_grant_type", f"Invalid grant_type: {form.get('grant_type', '')}")
        public_key = (await self._account.key()).public_key()
        try:
            claims = jwt.decode(
                form.get("assertion", ""),
                public_key,
                algorithms=["RS256"],
                audience=[GOOGLE_AUDIENCE, self._account.token_uri],
                leeway=CLOCK_SKEW_S,
                options={"require": ["iss", "aud", "exp", "iat"]},
            )
        except jwt.InvalidTokenError as error:
            return _refuse(400, "invalid_grant", _reason(error))
        return self._grant(claims)

    def _grant(self, claims: Mapping[str, Any]) -> Reply:
        if claims["iss"] != self._account.email:
            return _refuse(400, "invalid_grant", "Invalid grant: account not found")
        if claims["exp"] - claims["iat"] > MAX_ASSERTION_LIFETIME_S:
            return _refuse(400, "invalid_grant", SHORT_LIVED)
        scopes = frozenset(str(claims.get("scope", "")).split())
        if not scopes:
            return _refuse(400, "invalid_scope", "Empty or missing scope not allowed.")
        token = self._tokens.issue(scopes, time.time())
        answer = {"access_token": token, "expires_in": TOKEN_LIFETIME_S, "token_type": "Bearer"}
        return Reply(200, msgspec.json.encode(answer), accepted=True)


def _reason(error: jwt.InvalidTokenError) -> str:
    match error:
        case jwt.InvalidSignatureError():
            return "Invalid JWT Signature."
        case jwt.InvalidAudienceError():
            return f"Invalid JWT: Failed audience check. The right audience is {GOOGLE_AUDIENCE}"
        case jwt.ExpiredSignatureError() | jwt.ImmatureSignatureError():
            return SHORT_LIVED
        case _:
            return f"Invalid JWT: {error}"


def _refuse(status: int, error: str, description: str) -> Reply:
    return Reply(status, msgspec.json.encode({"error": error, "error_description": description}))


def _form(body: bytes) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}
