"""The suppression list: why an address must not be written to, and which mails that stops. Pure.

Reads the reasons the store has for an address and the type of a mail; answers with the reason that stops it, or None.
Used by the router, the e-mail worker and, right before the call, the e-mail sender.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, Literal

import msgspec

from heliograph.core.model import Key, Level, Millis

Reason = Literal["hard_bounce", "complaint", "manual", "unsubscribe"]
REASONS: Final[tuple[Reason, ...]] = ("hard_bounce", "complaint", "manual", "unsubscribe")
"""The first that stands is told: the mailbox's own word, then the person's, then ours."""
SPARES_TRANSACTIONAL: Final[frozenset[Reason]] = frozenset({"unsubscribe"})
"""Someone who wants no news still wants their receipt and their password link. A complaint is another thing: mailbox
providers count the next one against the sender whatever the mail was, so it stops everything."""


class Suppression(msgspec.Struct, frozen=True, order=True):
    """One reason of one address; an address may have several. `address` is in lower case (`folded`)."""

    tenant: str
    address: str
    reason: Reason
    at: Millis


class SuppressionQuery(msgspec.Struct, frozen=True, kw_only=True):
    """A page in the order of address and reason, after `after` (exclusive). `reason` None = any."""

    tenant: str
    limit: int
    reason: Reason | None = None
    after: tuple[str, str] = ("", "")


def folded(address: str) -> str:
    """One spelling per address: no mailbox provider that matters tells cases apart."""
    return address.casefold()


def folded_key(address: Key) -> Key:
    return Key(address.tenant, folded(address.id))


def in_order(reasons: Collection[str]) -> tuple[Reason, ...]:
    """Known reasons, strongest first."""
    return tuple(reason for reason in REASONS if reason in reasons)


def stopped_by(reasons: Collection[Reason], level: Level) -> Reason | None:
    """The reason for which a mail of this level may not go out; P0 is what is transactional."""
    stops = (r for r in REASONS if r in reasons and not (level == Level.P0 and r in SPARES_TRANSACTIONAL))
    return next(stops, None)
