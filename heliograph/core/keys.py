"""Server keys: what one is, what it may do, and what a rotation leaves of the older ones. Pure.

Of the secret only a digest is kept; the prefix is what people and secret scanners know a key by.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, get_args

import msgspec

from heliograph.core.errors import Problem
from heliograph.core.model import Millis

Scope = Literal["send", "broadcast", "manage", "read"]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
"""`send`: send to people who are named, and cancel. `broadcast`: beside it, send to topics. `manage`: change everything
else, and mint user tokens. `read`: see what is there. None includes another."""


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """A server key. Only its SHA-256 is stored; `prefix` is what a person may see of it.

    `name` is shared by a key and its successor; `used_at` is exact to a minute or so. `rate` (notifications a second)
    and `daily` (notifications a UTC day) are its own quotas; None = those of the settings, 0 = none.
    """

    digest: str
    tenant: str
    prefix: str
    created_at: Millis
    name: str = ""
    scopes: tuple[Scope, ...] = SCOPES
    expires_at: Millis | None = None
    used_at: Millis | None = None
    rate: float | None = None
    daily: int | None = None

    def lives(self, now: Millis) -> bool:
        return self.expires_at is None or now < self.expires_at


def demand(key: ApiKey, scope: str | None) -> None:
    """Raises `Problem("forbidden")` unless the key has the scope; a call that declares none is nobody's."""
    if scope is None:
        raise Problem("forbidden", "this call declares no scope")
    if scope not in key.scopes:
        raise Problem("forbidden", f"this server key lacks the scope `{scope}`")


def called(keys: Sequence[ApiKey], name: str, now: Millis) -> list[ApiKey]:
    """The living keys of a name or prefix, the newest first."""
    found = [key for key in keys if name in (key.name, key.prefix) and key.lives(now)]
    return sorted(found, key=lambda key: (key.created_at, key.digest), reverse=True)


def endings(living: Sequence[ApiKey], now: Millis, keep_ms: Millis) -> list[tuple[str, Millis]]:
    """(digest, when it ends) for the keys of a name when a successor is made: the newest is kept for a while, so that
    its users can change over; the others end now. So never more than two live."""
    return [(key.digest, now + (keep_ms if place == 0 else 0)) for place, key in enumerate(living)]
