"""The client library for Python back ends: `from heliograph.client import Heliograph, AsyncHeliograph`.

Speaks HTTP to a running system and knows nothing of its insides: it imports no other part of this package, and of
libraries only aiohttp, msgspec and standardwebhooks. docs/python-client.md is its page.
"""

from __future__ import annotations

from heliograph.client.asynchronous import AsyncHeliograph
from heliograph.client.errors import (
    Conflict,
    ConnectionFailed,
    Flaw,
    Forbidden,
    HeliographError,
    IdempotencyMismatch,
    NotFound,
    Overloaded,
    PartlySent,
    RateLimited,
    ServerError,
    Unauthorized,
    ValidationError,
    WebhookRefused,
)
from heliograph.client.shapes import (
    Content,
    Delivery,
    Message,
    Notification,
    Preferences,
    Recipient,
    Sent,
    SentList,
    SentTopic,
    TimelineEvent,
    Topic,
    User,
    UserToken,
)
from heliograph.client.synchronous import Heliograph
from heliograph.client.webhooks import verify_webhook

__all__ = [
    "AsyncHeliograph",
    "Conflict",
    "ConnectionFailed",
    "Content",
    "Delivery",
    "Flaw",
    "Forbidden",
    "Heliograph",
    "HeliographError",
    "IdempotencyMismatch",
    "Message",
    "NotFound",
    "Notification",
    "Overloaded",
    "PartlySent",
    "Preferences",
    "RateLimited",
    "Recipient",
    "Sent",
    "SentList",
    "SentTopic",
    "ServerError",
    "TimelineEvent",
    "Topic",
    "Unauthorized",
    "User",
    "UserToken",
    "ValidationError",
    "WebhookRefused",
    "verify_webhook",
]
