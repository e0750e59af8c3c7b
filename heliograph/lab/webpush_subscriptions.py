"""Lab: browsers that subscribed to the lab's push service, and what waits for them.

Makes subscriptions with keys of its own, so that what arrives can be decrypted as the browser would (RFC 8291). Keeps
each browser's undelivered messages until it collects them: a newer message with the same topic replaces the older one,
and what outlives its TTL is gone (RFC 8030 sections 5.2 and 5.4). Refuses nothing; webpush.py does.
"""

from __future__ import annotations

import base64
import os
import secrets
import time
from collections.abc import Callable
from typing import Any

import http_ece
import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec import Struct

MAX_SUBSCRIPTIONS = 100_000
MAX_WAITING = 1_000


class Waiting(Struct, frozen=True):
    """An undelivered message; `until` in seconds since 1970."""

    id: str
    topic: str
    urgency: str
    until: float
    body: bytes


class Browser:
    """One subscription. `server_key` is the `applicationServerKey` it was made with; empty = none named."""

    def __init__(self, server_key: str) -> None:
        self.server_key = server_key
        self.expired = False
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._secret = os.urandom(16)
        self._waiting: dict[str, Waiting] = {}

    @property
    def keys(self) -> dict[str, str]:
        point = self._key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return {"p256dh": _base64url(point), "auth": _base64url(self._secret)}

    def decrypt(self, body: bytes) -> Any:
        """The message: the JSON in it, or its text. None if it wasn't encrypted for this browser."""
        try:
            plain: bytes = http_ece.decrypt(body, private_key=self._key, auth_secret=self._secret)
        except (http_ece.ECEException, ValueError):
            return None
        try:
            return msgspec.json.decode(plain)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return plain.decode("utf-8", "replace")

    def keep(self, message: Waiting, now: float) -> None:
        """Puts a message aside until the browser is there. One with a TTL of 0 is for browsers that are."""
        if message.until <= now:
            return
        if message.topic:
            self._waiting = {name: one for name, one in self._waiting.items() if one.topic != message.topic}
        self._waiting[message.id] = message
        while len(self._waiting) > MAX_WAITING:
            del self._waiting[next(iter(self._waiting))]

    def collect(self, now: float) -> list[Waiting]:
        """The browser comes online: what still waits for it, oldest first."""
        waiting, self._waiting = self._waiting, {}
        return [one for one in waiting.values() if one.until > now]


class Subscriptions:
    """All browsers, by the id at the end of their endpoint."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self._browsers: dict[str, Browser] = {}

    def make(self, origin: str, server_key: str = "") -> dict[str, Any]:
        """A new subscription as `PushSubscription.toJSON()` gives it."""
        name = secrets.token_urlsafe(24)
        self._browsers[name] = browser = Browser(server_key)
        while len(self._browsers) > MAX_SUBSCRIPTIONS:
            del self._browsers[next(iter(self._browsers))]
        return {"endpoint": f"{origin}/webpush/push/{name}", "expirationTime": None, "keys": browser.keys}

    def get(self, name: str) -> Browser | None:
        return self._browsers.get(name)


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
