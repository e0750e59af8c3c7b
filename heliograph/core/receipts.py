"""What a push provider's receipt means for the delivery it belongs to: a pure decision.

Receipts come long after the push was recorded as sent. A receipt is the provider's last word: what it says failed is
not tried again by itself, as with a bounced mail.
"""

from __future__ import annotations

from typing import Final

import msgspec

from heliograph.core.lanes import push_target
from heliograph.core.lifecycle import Event, EventKind
from heliograph.core.model import Millis
from heliograph.core.outcomes import Delivered, ProviderOutcome, Unregistered
from heliograph.core.ports import Ticket

KEPT_MS: Final = 24 * 3_600_000
"""A provider forgets its receipts after a day (Expo, "Sending notifications")."""


class Settled(msgspec.Struct, frozen=True):
    """Nothing more will be asked. `event` None = nobody will ever know; `forget` = the device is gone."""

    event: Event | None
    forget: bool = False


class Later(msgspec.Struct, frozen=True):
    """There is no receipt yet."""

    at: Millis


def conclude(ticket: Ticket, receipt: ProviderOutcome | None, now: Millis, again_at: Millis) -> Settled | Later:
    """What becomes of a ticket.

    Args:
        receipt: None = the provider has none by now.
        again_at: when it is asked again in that case.
    """
    match receipt:
        case None:
            return Later(again_at) if now - ticket.at < KEPT_MS else Settled(None)
        case Delivered():
            return Settled(_event(ticket, "delivered", now))
        case _:
            return Settled(_event(ticket, "failed", now, receipt.cause), forget=isinstance(receipt, Unregistered))


def _event(ticket: Ticket, kind: EventKind, now: Millis, detail: str | None = None) -> Event:
    return Event(
        tenant=ticket.tenant,
        notification_id=ticket.notification_id,
        at=now,
        kind=kind,
        target=push_target(ticket.device_id),
        attempt=ticket.attempt,
        gen=ticket.gen,
        provider=ticket.provider,
        provider_id=ticket.id,
        detail=detail,
        unique="receipt",
    )
