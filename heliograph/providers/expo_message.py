"""Expo: a push in the words of Expo's push service, within its limits. Pure.

Too much content is cut, never refused (trimming.py). Expo hands on to FCM and APNs and counts what arrives there; our
JSON, which has all of it and some names more, is never less. Source: Expo's "Sending notifications" and the types of
expo-server-sdk.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from heliograph.core.model import PushMessage
from heliograph.providers.trimming import collapse_id, fitted, fitted_extras

MAX_PAYLOAD: Final = 4_096
MAX_TTL_S: Final = 2_419_200
"""Four weeks, FCM's longest lifetime."""

_encode: Final = msgspec.json.Encoder().encode


def entry_of(message: PushMessage) -> dict[str, Any]:
    """One element of the request's list."""
    extras: dict[str, Any] = {"priority": "high" if message.urgent else "normal"}
    if message.ttl_s is not None:
        extras["ttl"] = min(max(message.ttl_s, 0), MAX_TTL_S)
    if message.badge is not None:
        extras["badge"] = message.badge
    if message.collapse_key:
        # The collapse id replaces what the device hasn't got yet, the tag what Android shows already.
        extras |= {"collapseId": collapse_id(message.collapse_key), "tag": message.collapse_key}
    if message.image_url:
        # iOS shows a picture only if the app's service extension may fetch it.
        extras |= {"mutableContent": True, "richContent": {"image": message.image_url}}
    kept = fitted_extras(extras, MAX_PAYLOAD)
    texts, data = fitted(
        {"title": message.title, "body": message.body},
        message.data,
        MAX_PAYLOAD,
        lambda texts, data: len(_encode(kept | texts | {"data": data})),
    )
    return {"to": message.token} | texts | ({"data": data} if data else {}) | kept
