"""What SendGrid's events mean. Pure: reads events, answers with ours and with suppressions.

Kinds and fields: SendGrid's Event Webhook reference. A `bounce` of type `blocked` is the other side's mood today and
says nothing against the address; `dropped` tells that SendGrid has the address on a list of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from heliograph.core.headers import address_flaw
from heliograph.core.lifecycle import Event, EventKind
from heliograph.core.message_ids import named_by
from heliograph.core.model import Millis
from heliograph.core.suppressing import Reason, Suppression

_KIND: Final[dict[str, EventKind]] = {
    "delivered": "delivered",
    "deferred": "deferred",
    "bounce": "failed",
    "dropped": "failed",
    "open": "opened",
    "click": "clicked",
    "spamreport": "complained",
    "unsubscribe": "unsubscribed",
    "group_unsubscribe": "unsubscribed",
}
"""`processed` tells nothing that the 202 didn't. `group_resubscribe` doesn't take an address off our list: who asked
for no more mail asked us too, and events come in no order."""
DROPPED: Final[dict[str, Reason]] = {
    "bounced address": "hard_bounce",
    "invalid": "hard_bounce",
    "spam reporting address": "complaint",
    "unsubscribed address": "unsubscribe",
}
"""By `reason`. The others (spam content, an invalid header, the quota) say nothing against the address."""
_REASON: Final[dict[str, Reason]] = {
    "spamreport": "complaint",
    "unsubscribe": "unsubscribe",
    "group_unsubscribe": "unsubscribe",
}


class SendGridEvent(msgspec.Struct, kw_only=True):
    """The fields we read; custom arguments stand at the top level (`hg_…`)."""

    event: str
    email: str = ""
    timestamp: int = 0
    sg_event_id: str = ""
    sg_message_id: str = ""
    smtp_id: str = msgspec.field(default="", name="smtp-id")
    reason: str = ""
    response: str = ""
    status: str = ""
    type: str = ""
    url: str = ""
    hg_id: str = ""
    hg_tenant: str = ""
    hg_target: str = "email"
    hg_gen: str = "0"
    hg_attempt: str = "0"

    def __post_init__(self) -> None:
        """An asynchronous bounce has no custom arguments; the Message-ID that we gave the mail names it as well."""
        if not self.hg_id and self.smtp_id and (found := named_by(self.smtp_id)):
            self.hg_tenant, self.hg_id, self.hg_gen = found.tenant, found.notification_id, str(found.gen)

    @property
    def named(self) -> bool:
        return bool(self.hg_id and self.hg_tenant)


def known(one: SendGridEvent) -> bool:
    return one.event in _KIND


def reason_of(one: SendGridEvent) -> Reason | None:
    """Why its address must not be written to from now on, if so."""
    if one.event == "bounce":
        return None if one.type == "blocked" else "hard_bounce"
    if one.event == "dropped":
        return DROPPED.get(one.reason.strip().lower())
    return _REASON.get(one.event)


def to_events(received: Sequence[SendGridEvent], now: Millis) -> list[Event]:
    """Those that belong to one of our notifications, as our events.

    SendGrid tells whole seconds: an event counts as of the end of its second, or it would stand before its own cause.
    """
    return [
        Event(
            tenant=one.hg_tenant,
            notification_id=one.hg_id,
            at=max(0, min(now, one.timestamp * 1000 + 999)),
            kind="suppressed" if one.event == "dropped" and reason_of(one) else _KIND[one.event],
            target=one.hg_target,
            attempt=_number(one.hg_attempt),
            gen=_number(one.hg_gen),
            provider="sendgrid",
            provider_id=one.sg_message_id or None,
            detail=(one.reason or one.response or one.url)[:500] or None,
            unique=one.sg_event_id[:100],
        )
        for one in received
        if one.event in _KIND and one.named
    ]


def to_suppress(
    received: Iterable[SendGridEvent], tenants: Mapping[str, Sequence[str]], now: Millis
) -> list[Suppression]:
    """Addresses that must not be written to again. Where an event doesn't say whose mail it was, a mailbox that is
    gone is gone for every tenant that has a user with it (`tenants`, by address)."""
    found = []
    for one in received:
        reason = reason_of(one)
        if reason and not address_flaw(one.email):
            at = max(0, min(now, one.timestamp * 1000))
            owners = (one.hg_tenant,) if one.named else tenants.get(one.email, ())
            found += [Suppression(tenant, one.email, reason, at) for tenant in owners]
    return found


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0
