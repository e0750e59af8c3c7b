"""Lab: how a push service checks who sends (VAPID, RFC 8292). Pure: reads headers, answers a refusal or nothing.

The token must be signed by the key it names, for this very origin, for a day at most, by somebody who can be reached;
and with the key that the browser subscribed with, if it named one.
"""

from __future__ import annotations

import base64
import re
import time

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec import Struct

MAX_LIFETIME_S = 24 * 3600
CLOCK_SKEW_S = 60
SUBJECT = re.compile(r"mailto:[^\s<>@]+@[^\s<>@]+|https://[^\s<>]+")
"""As Apple reads it: no brackets, no spaces."""
SCHEME = re.compile(
    r"vapid\s+(?:t=(?P<t>[^,\s]+)\s*,\s*k=(?P<k>[^,\s]+)|k=(?P<k2>[^,\s]+)\s*,\s*t=(?P<t2>[^,\s]+))", re.IGNORECASE
)


class Refusal(Struct, frozen=True):
    """401 = no credentials that can be read, 403 = credentials that don't fit."""

    status: int
    message: str


def refusal(authorization: str, origin: str, server_key: str, now: float | None = None) -> Refusal | None:
    """Why a push with this header isn't taken.

    Args:
        origin: of the endpoint, `http://127.0.0.1:8090`.
        server_key: the `applicationServerKey` the browser subscribed with, base64url; empty = any.
        now: seconds since 1970.
    """
    found = SCHEME.fullmatch(authorization.strip())
    if found is None:
        return Refusal(401, "Missing or unreadable VAPID credentials")
    token, key = found["t"] or found["t2"], found["k"] or found["k2"]
    if server_key and not same_key(key, server_key):
        return Refusal(403, "The VAPID key is not the one used to subscribe")
    try:
        public_key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), unpadded(key))
        claims = jwt.decode(
            token, public_key, algorithms=["ES256"], audience=origin, leeway=CLOCK_SKEW_S,
            options={"require": ["exp", "aud"]},
        )  # fmt: skip
    except (jwt.InvalidTokenError, ValueError) as error:
        return Refusal(403, f"Invalid VAPID token: {error}")
    if claims["exp"] > (time.time() if now is None else now) + MAX_LIFETIME_S + CLOCK_SKEW_S:
        return Refusal(403, "The VAPID token expires too far in the future")
    if not SUBJECT.fullmatch(str(claims.get("sub", ""))):
        return Refusal(403, "BadJwtToken: sub is neither mailto: nor https:")
    return None


def same_key(one: str, other: str) -> bool:
    return one.rstrip("=") == other.rstrip("=")


def unpadded(text: str) -> bytes:
    """Bytes of base64url with or without padding. Raises ValueError."""
    return base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), altchars=b"-_", validate=True)
