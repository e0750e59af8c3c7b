"""FCM: a push in FCM's words, within FCM's limits. Pure: reads a `PushMessage`, answers the request's JSON object.

Too much content is cut, never refused (trimming.py). It speaks to phones by `android` and `apns`; the newer `androidV2`
can't stand beside `android`, so it is never used. Source: the fcm v1 discovery document; limits from Firebase's "About
FCM messages".
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from heliograph.core.model import Millis, PushMessage
from heliograph.providers.trimming import collapse_id, fitted, fitted_extras

MAX_PAYLOAD: Final = 4096
"""Bytes of notification and data."""
MAX_TTL_S: Final = 2_419_200
"""Four weeks, FCM's longest lifetime."""
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
        "apns": {"headers": _apns_headers(message, now)} | _apns_content(message, notification.get("image")),
        "webpush": {"headers": _webpush_headers(message)} | _webpush_link(message),
    }
    if notification:
        request["notification"] = notification
    if data:
        request["data"] = data
    return {"message": request}


def _ttl_s(message: PushMessage) -> int | None:
    return None if message.ttl_s is None else min(max(message.ttl_s, 0), MAX_TTL_S)


def _android(message: PushMessage) -> dict[str, Any]:
    android: dict[str, Any] = {"priority": "HIGH" if message.urgent else "NORMAL"}
    ttl_s = _ttl_s(message)
    if ttl_s is not None:
        android["ttl"] = f"{ttl_s}s"
    shown: dict[str, Any] = {}
    if message.collapse_key:
        # The collapse key replaces what the device hasn't got yet, the tag what it shows already.
        android["collapse_key"] = message.collapse_key
        shown["tag"] = message.collapse_key
    if message.badge is not None:
        shown["notification_count"] = message.badge
    return android | ({"notification": shown} if shown else {})


def _apns_headers(message: PushMessage, now: Millis) -> dict[str, str]:
    headers = {"apns-priority": "10" if message.urgent else "5"}
    ttl_s = _ttl_s(message)
    if ttl_s is not None:
        # 0 is APNs' word for "now or never".
        headers["apns-expiration"] = str(now // 1000 + ttl_s) if ttl_s else "0"
    if message.collapse_key:
        headers["apns-collapse-id"] = collapse_id(message.collapse_key)
    return headers


def _apns_content(message: PushMessage, image: str | None) -> dict[str, Any]:
    """The badge, and the picture, which iOS shows only if the app's service extension may fetch it."""
    aps: dict[str, int] = {}
    if message.badge is not None:
        aps["badge"] = message.badge
    if image:
        aps["mutable-content"] = 1
    options = {"fcm_options": {"image": image}} if image else {}
    return ({"payload": {"aps": aps}} if aps else {}) | options


def _webpush_link(message: PushMessage) -> dict[str, Any]:
    """FCM takes https links only."""
    url = message.action_url or ""
    return {"fcm_options": {"link": url}} if url.lower().startswith("https://") else {}


def _webpush_headers(message: PushMessage) -> dict[str, str]:
    ttl_s = _ttl_s(message)
    lifetime = {} if ttl_s is None else {"TTL": str(ttl_s)}
    return {"Urgency": "high" if message.urgent else "normal"} | lifetime


def _content(message: PushMessage) -> tuple[dict[str, str], dict[str, str]]:
    """Notification and data within `MAX_PAYLOAD`, measured as JSON, which is never less than what FCM counts."""
    data = {_free(key): value for key, value in message.data.items() if key}
    limit = MAX_PAYLOAD - len((message.collapse_key or "").encode())
    image = fitted_extras({"image": message.image_url} if message.image_url else {}, limit)
    texts, data = fitted(
        {"title": message.title, "body": message.body}, data, limit, lambda *parts: _size(parts[0] | image, parts[1])
    )
    return texts | image, data


def _size(notification: dict[str, str], data: dict[str, str]) -> int:
    return len(_encode((notification, data)))


def _free(key: str) -> str:
    return f"_{key}" if key in _RESERVED or key.startswith(_RESERVED_PREFIXES) else key
