"""What goes in and what comes out: the JSON of docs/api.md as types.

What goes in are plain dicts with the API's own names (`Message`, `Content`, `Recipient`), checked by a type checker and
by the server, not here. What comes out are immutable structs; fields that a newer server adds are ignored.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, Required, TypedDict

import msgspec

Type = Literal["transactional", "alert", "marketing"]
Channel = Literal["in_app", "push", "email"]
Status = Literal[
    "accepted", "scheduled", "queued", "sending", "sent", "delivered", "retrying", "failed", "suppressed", "expired",
    "cancelled",
]  # fmt: skip
Choices = dict[Channel, bool]


class Recipient(TypedDict, total=False):
    """A user named inline: created or updated on the way; what is left out stays as it was."""

    id: Required[str]
    email: str
    name: str
    locale: str
    timezone: str
    data: dict[str, Any]


class Topic(TypedDict):
    """Everybody who has subscribed to a topic."""

    topic: str


class Content(TypedDict, total=False):
    """What to tell (docs/api.md, `POST /v1/send`). A title or a body is needed."""

    type: Type
    """`transactional` (P0), `alert` (P1, the default) or `marketing` (P2)."""
    category: str
    title: str
    body: str
    data: dict[str, Any]
    action_url: str
    image_url: str
    badge: int
    channels: list[Channel]
    """Limits the choice to these; left out, Heliograph decides."""
    collapse_key: str
    ttl_s: int
    idempotency_key: str
    """Your own name for this send, so that also a later repeat of it changes nothing. Without one, the client makes one
    for its own retries."""


class Message(Content):
    """One of `send_many`: a content and its recipient."""

    to: Required[str | Recipient]


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """Accepted: it is on disk. `replayed` = it already was, under your idempotency key; None = the send shared a
    request, whose answer doesn't tell."""

    id: str
    replayed: bool | None = False


class SentList(msgspec.Struct, frozen=True, kw_only=True):
    """A list was accepted: it is on disk. `ids` are the notifications, in the order of `to`."""

    batch_id: str
    accepted: int
    ids: tuple[str, ...]
    replayed: bool = False


class SentTopic(msgspec.Struct, frozen=True, kw_only=True):
    """A send to a topic was accepted: it is on disk."""

    batch_id: str
    replayed: bool = False


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One channel of a notification, and for a push one device."""

    channel: str
    status: Status
    attempts: int
    provider: str | None = None
    provider_id: str | None = None
    reason: str | None = None
    updated_at: datetime
    device_id: str | None = None


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """A notification and what became of it."""

    id: str
    user: str
    type: Type
    status: Status
    created_at: datetime
    deliveries: tuple[Delivery, ...]
    category: str | None = None
    title: str = ""
    body: str | None = None
    data: dict[str, Any] = {}
    action_url: str | None = None
    image_url: str | None = None
    seen_at: datetime | None = None
    read_at: datetime | None = None


class TimelineEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened to a notification."""

    at: datetime
    event: str
    channel: str | None = None
    attempt: int | None = None
    provider: str | None = None
    detail: str | None = None


class User(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    email: str | None = None
    name: str | None = None
    locale: str | None = None
    timezone: str | None = None
    data: dict[str, Any] = {}


class UserToken(msgspec.Struct, frozen=True, kw_only=True):
    """With this a person's page or app opens their inbox and the live connection."""

    token: str
    expires_at: datetime


class Preferences(msgspec.Struct, frozen=True, kw_only=True):
    """What a user wants to hear where; what isn't said is wanted."""

    channels: Choices = {}
    categories: dict[str, Choices] = {}
