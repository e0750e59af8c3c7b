"""FCM: a push in FCM's words, within FCM's limits. Pure: reads a `PushMessage`, answers the request's JSON object.

Too much content is cut, never refused: first the body, then data, the largest value first (the app finds the whole
notification in the inbox). Source: the fcm v1 discovery document; limits from Firebase's "About FCM messages".
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

import msgspec

from heliograph.core.model import Millis, PushMessage

MAX_PAYLOAD: Final = 4096
"""Bytes of notification and data."""
MAX_TTL_S: Final = 2_419_200
"""Four weeks, FCM's longest lifetime."""
_APNS_COLLAPSE_ID: Final = 64
"""Bytes (Apple, "Sending notification requests to APNs")."""
_LEAST_BODY: Final = 240
"""Bytes of body that are worth more than data that doesn't fit."""
_ELLIPSIS: Final = "…"
_RESERVED: Final = frozenset({"from", "message_type"})
_RESERVED_PREFIXES: Final = ("google.", "gcm.")

_encode: Final = msgspec.json.Encoder().encode


def request_of(message: PushMessage, now: Millis) -> dict[str, Any]:
    """The body of messages:send.

    A data key that FCM reserves (`from`, `google.…`) gets an underscore in front. `now`: APNs wants the moment of
    expiry, not a lifetime.
    """
    notification, data = _content(message)
    target = "fid" if message.kind == "fcm_fid" else "token"
    request: dict[str, Any] = {
        target: message.token,
        "android": _android(message),
        "apns": {"headers": _apns_headers(message, now)},
        "webpush": {"headers": _webpush_headers(message)},
    }
    if notification:
        request["notification"] = notification
    if data:
        request["data"] = data
    return {"message": request}


def cut(text: str, size: int) -> str:
    """As much of `text` as fits into `size` bytes of UTF-8, on a character boundary, an ellipsis where it was cut."""
    raw = text.encode()
    if len(raw) <= size:
        return text
    room = size - len(_ELLIPSIS.encode())
    return raw[:room].decode(errors="ignore").rstrip() + _ELLIPSIS if room > 0 else ""


def _ttl_s(message: PushMessage) -> int | None:
    return None if message.ttl_s is None else min(max(message.ttl_s, 0), MAX_TTL_S)


def _android(message: PushMessage) -> dict[str, Any]:
    android: dict[str, Any] = {"priority": "HIGH" if message.urgent else "NORMAL"}
    ttl_s = _ttl_s(message)
    if ttl_s is not None:
        android["ttl"] = f"{ttl_s}s"
    if message.collapse_key:
        # The collapse key replaces what the device hasn't got yet, the tag what it shows already.
        android["collapse_key"] = message.collapse_key
        android["notification"] = {"tag": message.collapse_key}
    return android


def _apns_headers(message: PushMessage, now: Millis) -> dict[str, str]:
    headers = {"apns-priority": "10" if message.urgent else "5"}
    ttl_s = _ttl_s(message)
    if ttl_s is not None:
        # 0 is APNs' word for "now or never".
        headers["apns-expiration"] = str(now // 1000 + ttl_s) if ttl_s else "0"
    if message.collapse_key:
        headers["apns-collapse-id"] = _collapse_id(message.collapse_key)
    return headers


def _webpush_headers(message: PushMessage) -> dict[str, str]:
    ttl_s = _ttl_s(message)
    lifetime = {} if ttl_s is None else {"TTL": str(ttl_s)}
    return {"Urgency": "high" if message.urgent else "normal"} | lifetime


def _collapse_id(key: str) -> str:
    raw = key.encode()
    return key if len(raw) <= _APNS_COLLAPSE_ID and key.isascii() else hashlib.sha256(raw).hexdigest()


def _content(message: PushMessage) -> tuple[dict[str, str], dict[str, str]]:
    """Notification and data within `MAX_PAYLOAD`, measured as JSON, which is never less than what FCM counts."""
    notification = {key: text for key, text in (("title", message.title), ("body", message.body)) if text}
    data = {_free(key): value for key, value in message.data.items() if key}
    limit = MAX_PAYLOAD - len((message.collapse_key or "").encode())
    if _size(notification, data) <= limit:
        return notification, data
    wanted = min(len(message.body.encode()), _LEAST_BODY)
    bare = notification | {"body": "x" * wanted}
    for key in sorted(data, key=lambda name: len(data[name].encode()), reverse=True):
        if _size(bare, data) <= limit:
            break
        del data[key]
    return _trimmed(notification, data, limit), data


def _trimmed(notification: dict[str, str], data: dict[str, str], limit: int) -> dict[str, str]:
    """Cuts the body, and a title that is too long even alone. A byte of text is at least one of JSON."""
    for key in ("body", "title"):
        over = _size(notification, data) - limit
        if over > 0 and key in notification:
            text = cut(notification[key], max(len(notification[key].encode()) - over, 0))
            notification = notification | {key: text}
    return {key: text for key, text in notification.items() if text}


def _size(notification: dict[str, str], data: dict[str, str]) -> int:
    return len(_encode((notification, data)))


def _free(key: str) -> str:
    return f"_{key}" if key in _RESERVED or key.startswith(_RESERVED_PREFIXES) else key
