"""Unsubscribe links: what a marketing mail carries, and what is read back when somebody follows one.

A token is a JWT, HS256 pinned, with an audience of its own and the secret of this installation: tenant, address and
notification, nothing to look up and no expiry (mails are kept for years, and the law doesn't end the right). Whoever
has the mail may unsubscribe its address; the token allows nothing else. Source: RFC 8058.
"""

from __future__ import annotations

from typing import Final

import jwt
import msgspec

from heliograph.core.headers import address_flaw
from heliograph.core.model import Key
from heliograph.core.names import tenant_is_valid
from heliograph.core.ports import AccessStore

AUDIENCE: Final = "heliograph-unsubscribe"
_KEPT_AS: Final = "unsubscribe_secret"
PATH: Final = "/v1/unsubscribe/"
_LONGEST: Final = 1_024


class Unsubscription(msgspec.Struct, frozen=True):
    """Whose mails end, and which mail the link stood in."""

    tenant: str
    address: str
    notification_id: str

    @property
    def key(self) -> Key:
        return Key(self.tenant, self.notification_id)


class UnsubscribeLinks:
    """Args:
    base_url: where people reach this installation; empty = nobody can, so that no links are made.
    """

    def __init__(self, secret: str, base_url: str) -> None:
        self._secret = secret
        self._base = base_url.rstrip("/")

    def link(self, tenant: str, address: str, notification_id: str) -> str | None:
        if not self._base:
            return None
        claims = {"aud": AUDIENCE, "t": tenant, "a": address, "n": notification_id}
        return f"{self._base}{PATH}{jwt.encode(claims, self._secret, algorithm='HS256')}"

    def read(self, token: str) -> Unsubscription | None:
        """None for a token that isn't one of ours, whatever is wrong with it."""
        if len(token) > _LONGEST:
            return None
        try:
            claims = jwt.decode(token, self._secret, algorithms=["HS256"], audience=AUDIENCE)
            found = msgspec.convert([claims["t"], claims["a"], claims["n"]], tuple[str, str, str])
        except (jwt.PyJWTError, msgspec.ValidationError, KeyError, ValueError):
            return None
        valid = tenant_is_valid(found[0]) and address_flaw(found[1]) is None
        return Unsubscription(*found) if valid else None


async def unsubscribe_secret(store: AccessStore, fresh: str) -> str:
    """This installation's; `fresh` becomes it if there is none yet."""
    return await store.keep(_KEPT_AS, fresh)
