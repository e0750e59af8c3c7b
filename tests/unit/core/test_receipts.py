"""What a receipt means for its delivery."""

from __future__ import annotations

import pytest

from heliograph.core.outcomes import (
    Delivered,
    Misconfigured,
    ProviderOutcome,
    Rejected,
    Throttled,
    Unavailable,
    Unregistered,
)
from heliograph.core.ports import Ticket
from heliograph.core.receipts import KEPT_MS, Later, Settled, conclude
from tests.unit.given import T0, TENANT

TICKET = Ticket(
    provider="expo", id="t1", tenant=TENANT, user="anna", notification_id="ntf_1", device_id="dev_1", attempt=2, gen=1,
    at=T0, due_at=T0 + 1,
)  # fmt: skip


def test_a_good_receipt_is_a_delivery() -> None:
    """Of the very attempt that the ticket was for."""
    end = conclude(TICKET, Delivered(final=True), T0 + 5, T0 + 9)
    assert isinstance(end, Settled)
    assert end.event
    assert not end.forget
    assert (end.event.kind, end.event.target, end.event.attempt, end.event.gen) == ("delivered", "push:dev_1", 2, 1)
    assert (end.event.at, end.event.provider, end.event.provider_id) == (T0 + 5, "expo", "t1")


@pytest.mark.parametrize(
    ("receipt", "forget"),
    [
        (Unregistered("gone"), True),
        (Rejected("gone"), False),
        (Misconfigured("gone"), False),
        (Throttled("gone"), False),
        (Unavailable("gone"), False),
    ],
)
def test_a_bad_receipt_is_a_failure(receipt: ProviderOutcome, forget: bool) -> None:
    """With its cause; only a device that is gone is forgotten."""
    end = conclude(TICKET, receipt, T0 + 5, T0 + 9)
    assert isinstance(end, Settled)
    assert end.event
    assert (end.event.kind, end.event.detail, end.forget) == ("failed", "gone", forget)


def test_no_receipt_yet() -> None:
    """It is asked for again, until Expo itself has forgotten it."""
    assert conclude(TICKET, None, T0 + 5, T0 + 9) == Later(T0 + 9)
    assert conclude(TICKET, None, T0 + KEPT_MS - 1, T0 + KEPT_MS + 1) == Later(T0 + KEPT_MS + 1)
    assert conclude(TICKET, None, T0 + KEPT_MS, T0 + KEPT_MS + 1) == Settled(None)
