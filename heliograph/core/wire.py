"""How nouns look on the wire: the JSON of the public contract, for HTTP and WebSocket alike. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from heliograph.core.lifecycle import Delivery, Event, History, deliveries_of, status_of, timeline_order
from heliograph.core.model import Device, InboxItem, InboxState, Millis, Notification, Preferences, User

_encoder = msgspec.json.Encoder()


def rfc3339(at: Millis) -> str:
    """`2026-11-22T15:30:00.123Z` (RFC 3339, UTC, milliseconds)."""
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def rfc3339_or_none(at: Millis | None) -> str | None:
    return None if at is None else rfc3339(at)


def encode(value: Any) -> bytes:
    """JSON, UTF-8."""
    return _encoder.encode(value)


def inbox_item(item: InboxItem) -> dict[str, Any]:
    """CONTRACT section 4: one item of the inbox, also the payload of a real-time `notification` frame."""
    notification, state = item.notification, item.state
    return {
        "id": notification.id,
        "type": notification.type,
        "category": notification.category,
        "title": notification.title,
        "body": notification.body,
        "data": notification.data or {},
        "action_url": notification.action_url,
        **_image(notification),
        "created_at": rfc3339(notification.created_at),
        **inbox_state(state),
    }


def _image(notification: Notification) -> dict[str, str]:
    """Only where there is one: few have it, and what isn't there needn't travel to every page."""
    return {"image_url": notification.image_url} if notification.image_url else {}


def inbox_state(state: InboxState) -> dict[str, str | None]:
    return {
        "seen_at": rfc3339_or_none(state.seen_at),
        "read_at": rfc3339_or_none(state.read_at),
        "archived_at": rfc3339_or_none(state.archived_at),
    }


def fresh_inbox_item(notification: Notification) -> bytes:
    """JSON text of an item nobody has touched yet."""
    return encode(inbox_item(InboxItem(notification, InboxState())))


def user(found: User) -> dict[str, Any]:
    return {
        "id": found.id,
        "email": found.email,
        "name": found.name,
        "locale": found.locale,
        "timezone": found.timezone,
        "data": found.data or {},
    }


def preferences(found: Preferences) -> dict[str, Any]:
    """CONTRACT section 3."""
    return {"channels": found.channels, "categories": found.categories}


def device(found: Device) -> dict[str, Any]:
    """Without the token: who may read a user need not be able to push to them."""
    return {"id": found.id, "kind": found.kind, "created_at": rfc3339(found.created_at)}


def delivery(found: Delivery) -> dict[str, Any]:
    """CONTRACT section 2; `device_id` says which device a push delivery is for."""
    shown = {
        "channel": found.channel,
        "status": found.status,
        "attempts": found.attempts,
        "provider": found.provider,
        "provider_id": found.provider_id,
        "reason": found.reason,
        "updated_at": rfc3339(found.updated_at),
    }
    device_id = found.target.partition(":")[2]
    return {**shown, "device_id": device_id} if device_id else shown


def notification(history: History) -> dict[str, Any]:
    """CONTRACT section 2: `GET /v1/notifications/{id}`."""
    found = history.notification
    return {
        "id": found.id,
        "user": found.user,
        "type": found.type,
        "category": found.category,
        "title": found.title,
        "body": found.body,
        "data": found.data or {},
        "action_url": found.action_url,
        **_image(found),
        "created_at": rfc3339(found.created_at),
        "status": status_of(history),
        "deliveries": [delivery(one) for one in deliveries_of(history).values()],
        "seen_at": rfc3339_or_none(history.state.seen_at),
        "read_at": rfc3339_or_none(history.state.read_at),
    }


def timeline(history: History) -> list[dict[str, Any]]:
    """CONTRACT section 2: what happened, oldest first."""
    accepted = _moment(history.notification.created_at, "accepted")
    marks = [
        _moment(at, mark)
        for mark, at in (("seen", history.state.seen_at), ("read", history.state.read_at))
        if at is not None
    ]
    happened = [_event(event) for event in timeline_order(history.events)]
    return [accepted, *sorted([*happened, *marks], key=lambda moment: str(moment["at"]))]


def _moment(at: Millis, event: str) -> dict[str, Any]:
    return {
        "at": rfc3339(at),
        "channel": None,
        "event": event,
        "attempt": None,
        "provider": None,
        "detail": None,
    }


def _event(event: Event) -> dict[str, Any]:
    return {
        "at": rfc3339(event.at),
        "channel": event.target.partition(":")[0] or None,
        "event": event.kind,
        "attempt": event.attempt or None,
        "provider": event.provider,
        "detail": event.detail,
    }


def explain(history: History) -> dict[str, Any]:
    """CONTRACT section 2: the routing decisions in words, the newest last."""
    decisions = [
        {"at": rfc3339(event.at), "decision": event.kind, "because": event.detail, "chosen": _channels(event),
         "channels": event.why}
        for event in timeline_order(history.events)
        if event.kind in ("routed", "escalated")
    ]  # fmt: skip
    return {
        "id": history.notification.id,
        "user": history.notification.user,
        "status": status_of(history),
        "summary": _summary(history, decisions),
        "decisions": decisions,
    }


def _channels(event: Event) -> list[str]:
    """Those that were chosen: of what was withheld the plan says where it ends, not where it goes."""
    planned = dict.fromkeys(target.partition(":")[0] for target in event.plan)
    return [channel for channel in planned if not event.why.get(channel, "").startswith("not ")]


def _summary(history: History, decisions: list[dict[str, Any]]) -> str:
    if history.cancelled:
        return "Cancelled before it left."
    if not decisions:
        return "Accepted and stored; the delivery router has not looked at it yet."
    sentences = [
        f"{'Routed' if one['decision'] == 'routed' else 'Escalated'} to {', '.join(one['chosen']) or 'no channel'}"
        f" because {one['because']}."
        for one in decisions
    ]
    return " ".join(sentences)
