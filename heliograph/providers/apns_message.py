"""APNs: a push in Apple's words, within Apple's limits. Pure: reads a `PushMessage`, answers headers and payload.

Sources: Apple, "Sending notification requests to APNs" and "Generating a remote notification". A push without title and
body is a background push. Too much content is cut, never refused (trimming.py).
"""

from __future__ import annotations

import uuid
from typing import Any, Final

import msgspec
from hpack import NeverIndexedHeaderTuple as Once

from heliograph.core.model import Millis, PushMessage
from heliograph.providers.apns_push import Headers
from heliograph.providers.trimming import Texts, collapse_id, fitted

MAX_PAYLOAD: Final = 4096
_NAMESPACE: Final = uuid.UUID("7f1c3a52-6f55-4a6b-9a57-3f5d1be2a9d0")
_encode: Final = msgspec.json.Encoder().encode


def payload_of(message: PushMessage) -> bytes:
    """The request's body. Data stands beside `aps`; a data key of that name gets an underscore in front."""
    data = {"_aps" if key == "aps" else key: value for key, value in message.data.items() if key}
    if message.image_url:
        data.setdefault("image_url", message.image_url)

    def built(texts: Texts, kept: Texts) -> bytes:
        return _encode({"aps": _aps(message, texts, "image_url" in kept), **kept})

    texts, kept = fitted(
        {"title": message.title, "body": message.body}, data, MAX_PAYLOAD, lambda t, d: len(built(t, d))
    )
    return built(texts, kept)


def headers_of(message: PushMessage, topic: str, now: Millis) -> Headers:
    """All but the path and the authorization; what differs from push to push stays out of HPACK's table."""
    shown = _shown(message)
    headers: Headers = [
        ("apns-topic", topic),
        ("apns-push-type", "alert" if shown else "background"),
        ("apns-priority", "10" if shown and message.urgent else "5"),
    ]
    if message.ttl_s is not None:
        # 0 is APNs' word for "now or never"; without the header it keeps trying for 30 days.
        headers.append(Once("apns-expiration", str(now // 1000 + message.ttl_s) if message.ttl_s > 0 else "0"))
    notification_id = message.data.get("notification_id")
    if shown and (message.collapse_key or notification_id):
        # A push sent twice, because nobody knew whether the first arrived, replaces itself on the screen.
        headers.append(Once("apns-collapse-id", collapse_id(message.collapse_key or notification_id or "")))
    if notification_id:
        headers.append(Once("apns-id", push_id(notification_id, message.token)))
    return headers


def push_id(notification_id: str, token: str) -> str:
    """The same UUID for every attempt, so that Apple's logs show that they are one push."""
    return str(uuid.uuid5(_NAMESPACE, f"{notification_id}:{token}"))


def _shown(message: PushMessage) -> bool:
    return bool(message.title or message.body)


def _aps(message: PushMessage, texts: Texts, has_image: bool) -> dict[str, Any]:
    aps: dict[str, Any] = {}
    if texts:
        aps = {"alert": texts, "interruption-level": "active" if message.urgent else "passive"}
        if message.urgent:
            aps["sound"] = "default"
    elif not _shown(message):
        aps["content-available"] = 1
    if message.badge is not None:
        aps["badge"] = message.badge
    if message.collapse_key:
        aps["thread-id"] = collapse_id(message.collapse_key)
    if has_image:
        aps["mutable-content"] = 1  # lets the app's extension fetch the image before it is shown
    return aps
