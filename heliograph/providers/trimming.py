"""Providers: content within a provider's payload limit. Pure: reads texts and data, answers as much of them as fits.

Too much content is cut, never refused: first the body, then data, the largest value first (the app finds the whole
notification in the inbox). It knows no provider: who calls it says how a payload is measured.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Final

import msgspec

LEAST_BODY: Final = 240
"""Bytes of body that are worth more than data that doesn't fit."""
LEAST_TEXT: Final = 1_024
"""Bytes of a payload that its texts may have, whatever else is to go along."""
_ELLIPSIS: Final = "…"
_COLLAPSE_ID: Final = 64
"""Bytes of an apns-collapse-id (Apple, "Sending notification requests to APNs")."""

Texts = dict[str, str]
Size = Callable[[Texts, Texts], int]
"""Bytes of the payload with these texts and this data. A byte of text must count as one at least."""


def cut(text: str, size: int) -> str:
    """As much of `text` as fits into `size` bytes of UTF-8, on a character boundary, an ellipsis where it was cut."""
    raw = text.encode()
    if len(raw) <= size:
        return text
    room = size - len(_ELLIPSIS.encode())
    return raw[:room].decode(errors="ignore").rstrip() + _ELLIPSIS if room > 0 else ""


def collapse_id(key: str) -> str:
    """An apns-collapse-id for a collapse key: the key itself where it may stand in a header, else its hash."""
    plain = len(key) <= _COLLAPSE_ID and key.isascii() and key.isprintable() and key == key.strip()
    return key if plain else hashlib.sha256(key.encode()).hexdigest()


def fitted(texts: Texts, data: Texts, limit: int, size: Size) -> tuple[Texts, Texts]:
    """Texts (`title`, `body`; empty ones left out) and data within `limit` bytes."""
    texts = {key: text for key, text in texts.items() if text}
    if size(texts, data) <= limit:
        return texts, data
    data = dict(data)
    wanted = min(len(texts.get("body", "").encode()), LEAST_BODY)
    bare = texts | {"body": "x" * wanted}
    for key in sorted(data, key=lambda name: len(data[name].encode()), reverse=True):
        if size(bare, data) <= limit:
            break
        del data[key]
    return _trimmed(texts, data, limit, size), data


def _trimmed(texts: Texts, data: Texts, limit: int, size: Size) -> Texts:
    """Cuts the body, and a title that is too long even alone."""
    for key in ("body", "title"):
        over = size(texts, data) - limit
        if over > 0 and key in texts:
            text = cut(texts[key], max(len(texts[key].encode()) - over, 0))
            texts = texts | {key: text}
    return {key: text for key, text in texts.items() if text}


def fitted_extras(extras: dict[str, Any], limit: int) -> dict[str, Any]:
    """What else goes along (links, pictures), but for what leaves the texts too little room: the last go first."""
    kept = dict(extras)
    while kept and len(msgspec.json.encode(kept)) > limit - LEAST_TEXT:
        kept.popitem()
    return kept
