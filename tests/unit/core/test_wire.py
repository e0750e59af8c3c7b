"""The JSON of the contract, key by key."""

from __future__ import annotations

import json
from datetime import datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.core import wire
from heliograph.core.lifecycle import IN_APP, History
from heliograph.core.model import InboxItem, InboxState
from tests.unit.given import T0, device, event, notification, user

AT = "2027-01-15T08:00:00.000Z"
STORY = (
    event("routed", plan=("email", "push:dev_1"), at=T0 + 1, detail="the user is offline",
          why={"email": "chosen: the user is offline", "push": "chosen: 1 device(s)", "in_app": "not chosen"}),
    event("sending", attempt=1, at=T0 + 2),
    event("retrying", attempt=1, at=T0 + 3, provider="smtp", detail="451", due_at=T0 + 9),
    event("sending", attempt=2, at=T0 + 10),
    event("sent", attempt=2, at=T0 + 11, provider="sendgrid", provider_id="sg-1"),
)  # fmt: skip


@settings(max_examples=100, deadline=None, database=None)
@given(st.integers(0, 4_000_000_000_000))
def test_times_are_rfc_3339_in_utc_to_the_millisecond(at: int) -> None:
    """What is written reads back as the same millisecond, anywhere."""
    text = wire.rfc3339(at)
    assert text.endswith("Z")
    assert len(text) == len("2026-11-22T15:30:00.123Z")
    assert round(datetime.fromisoformat(text).timestamp() * 1000) == at


def test_an_inbox_item_is_as_the_contract_says() -> None:
    """CONTRACT section 4, every key, absent values as null and `data` as an object."""
    state = InboxState(seen_at=T0, read_at=T0 + 5)
    assert wire.inbox_item(InboxItem(notification(category="a.b", action_url="https://x"), state)) == {
        "id": "ntf_1", "type": "transactional", "category": "a.b", "title": "Hello", "body": "World", "data": {},
        "action_url": "https://x", "created_at": AT, "seen_at": AT, "read_at": "2027-01-15T08:00:00.005Z",
        "archived_at": None,
    }  # fmt: skip
    pictured = wire.inbox_item(InboxItem(notification(image_url="https://x/p.png"), state))
    assert pictured["image_url"] == "https://x/p.png"
    assert json.loads(wire.fresh_inbox_item(notification(data={"k": "é"}))) == {
        "id": "ntf_1", "type": "transactional", "category": None, "title": "Hello", "body": "World", "data": {"k": "é"},
        "action_url": None, "created_at": AT, "seen_at": None, "read_at": None, "archived_at": None,
    }  # fmt: skip


def test_a_user_and_a_device_are_as_the_contract_says() -> None:
    """A device never shows its token."""
    assert wire.user(user(locale="de")) == {
        "id": "anna", "email": "anna@acme.example", "name": "Anna", "locale": "de", "timezone": None, "data": {},
    }  # fmt: skip
    assert wire.device(device(value="secret")) == {"id": "dev_1", "kind": "fcm_token", "created_at": AT}


def test_a_notification_shows_its_deliveries() -> None:
    """CONTRACT section 2; a push delivery also says for which device."""
    shown = wire.notification(History(notification(), STORY, InboxState(seen_at=T0)))
    deliveries = shown.pop("deliveries")
    assert shown == {
        "id": "ntf_1", "user": "anna", "type": "transactional", "category": None, "title": "Hello", "body": "World",
        "data": {}, "action_url": None, "created_at": AT, "status": "sent", "seen_at": AT,
        "read_at": None,
    }  # fmt: skip
    assert deliveries == [
        {"channel": "email", "status": "sent", "attempts": 2, "provider": "sendgrid", "provider_id": "sg-1",
         "reason": None, "updated_at": "2027-01-15T08:00:00.011Z"},
        {"channel": "push", "status": "queued", "attempts": 0, "provider": None, "provider_id": None,
         "reason": None, "updated_at": "2027-01-15T08:00:00.001Z", "device_id": "dev_1"},
    ]  # fmt: skip


def test_a_timeline_is_everything_that_happened_oldest_first() -> None:
    """From accepted to read, each moment with the same six keys."""
    moments = wire.timeline(History(notification(), STORY[::-1], InboxState(seen_at=T0 + 20, read_at=T0 + 30)))
    assert [one["event"] for one in moments] == [
        "accepted", "routed", "sending", "retrying", "sending", "sent", "seen", "read",
    ]  # fmt: skip
    assert all(set(one) == {"at", "channel", "event", "attempt", "provider", "detail"} for one in moments)
    assert moments[3] == {
        "at": "2027-01-15T08:00:00.003Z", "channel": "email", "event": "retrying", "attempt": 1, "provider": "smtp",
        "detail": "451",
    }  # fmt: skip
    assert [one["at"] for one in moments] == sorted(one["at"] for one in moments)


def test_an_explanation_speaks_of_every_decision() -> None:
    """Before routing, after it, after an escalation and when cancelled: a sentence, and the reasons per channel."""
    fresh = wire.explain(History(notification()))
    assert (fresh["status"], fresh["decisions"]) == ("accepted", [])
    assert "not looked at it yet" in fresh["summary"]
    routed = wire.explain(History(notification(), STORY))
    assert routed["summary"] == "Routed to email, push because the user is offline."
    assert routed["decisions"][0]["chosen"] == ["email", "push"]
    assert routed["decisions"][0]["channels"]["in_app"] == "not chosen"
    online = event("routed", plan=(IN_APP,), detail="the user is online")
    later = event("escalated", plan=("email",), at=T0 + 30_000, detail="not acknowledged within 30 s")
    both = wire.explain(History(notification(), (later, online)))
    assert both["summary"] == (
        "Routed to in_app because the user is online. Escalated to email because not acknowledged within 30 s."
    )
    nowhere = wire.explain(History(notification(), (event("routed", detail="the user is offline"),)))
    assert nowhere["summary"] == "Routed to no channel because the user is offline."
    assert wire.explain(History(notification(), STORY, cancelled=True))["summary"] == "Cancelled before it left."
