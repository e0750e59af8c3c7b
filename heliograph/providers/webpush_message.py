"""Web Push: a push as the page's service worker reads it, and the headers it travels with. Pure.

The JSON is ours (docs/api.md section 3.1); what it may weigh is the push services': RFC 8291 section 4 has them take
4,096 bytes, of which encryption needs 103. Too much content is cut, never refused (trimming.py).
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

import msgspec

from heliograph.core.model import PushMessage
from heliograph.providers.trimming import fitted, fitted_extras
from heliograph.providers.vapid import base64url

MAX_PLAINTEXT: Final = 3_993
"""Bytes: 4,096 less salt 16, record size 4, key length 1, key 65, padding 1 and tag 16."""
LEAST_PLAINTEXT: Final = 2_641
"""For services that hand messages on to another network, which leaves 2,744 bytes (autopush http.md)."""
MAX_TTL_S: Final = 2_419_200
"""Four weeks: Chrome's service keeps nothing longer; Mozilla's refuses more than 30 days."""
_COPIES: Final = ("notification_id", "action_url")
"""Entries of `data` for apps that get nothing else; here they stand at the top."""

_encode: Final = msgspec.json.Encoder().encode


def payload_of(message: PushMessage, limit: int = MAX_PLAINTEXT) -> bytes:
    """The JSON object, within `limit` bytes. Extras that there are none of are left out."""
    extras: dict[str, Any] = {
        "id": message.id, "type": message.type, "badge": message.badge, "collapse_key": message.collapse_key,
        "action_url": message.action_url, "image_url": message.image_url,
    }  # fmt: skip
    kept = fitted_extras({name: value for name, value in extras.items() if value not in (None, "")}, limit)
    data = {key: value for key, value in message.data.items() if key not in _COPIES}
    texts, data = fitted(
        {"title": message.title, "body": message.body}, data, limit, lambda texts, data: len(_json(kept, texts, data))
    )
    return _json(kept, texts, data)


def headers_of(message: PushMessage) -> dict[str, str]:
    """RFC 8030 section 5. The topic is a digest: any key fits into its 32 characters, and the service learns none."""
    ttl_s = MAX_TTL_S if message.ttl_s is None else min(max(message.ttl_s, 0), MAX_TTL_S)
    headers = {"TTL": str(ttl_s), "Urgency": "high" if message.urgent else "normal"}
    if message.collapse_key:
        headers["Topic"] = base64url(hashlib.sha256(message.collapse_key.encode()).digest()[:24])
    return headers


def _json(extras: dict[str, Any], texts: dict[str, str], data: dict[str, str]) -> bytes:
    return _encode(extras | {"title": "", "body": ""} | texts | {"data": data})
