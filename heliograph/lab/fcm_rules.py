"""Lab: the rules FCM applies to a well-shaped message. Pure: a normalized message in, an error answer or None out.

Sources: the fcm v1 discovery document, firebase-admin's validators, and Firebase's limits (payload 4096 bytes,
2048 for topics, lifetime at most four weeks).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from heliograph.lab.exchange import Reply
from heliograph.lab.fcm_errors import invalid_field, invalid_token, too_large

TARGETS = ("token", "fid", "topic", "condition")
MAX_PAYLOAD = 4096
MAX_TOPIC_PAYLOAD = 2048
MAX_TTL_S = 2_419_200
TOPIC = re.compile(r"[a-zA-Z0-9-_.~%]{1,900}")
LABEL = re.compile(r"[a-zA-Z0-9-_.~%]{1,50}")
DURATION = re.compile(r"(-?\d{1,12})(\.\d{1,9})?s")
COLOR = re.compile(r"#[0-9A-Fa-f]{6}")
RESERVED_KEYS = frozenset({"from", "message_type"})
RESERVED_PREFIXES = ("google.", "gcm.notification.")

Message = dict[str, Any]


def check_message(message: Message) -> Reply | None:
    """The first error FCM would answer, or None. `message` as normalize() leaves it."""
    for rule in RULES:
        refused = rule(message)
        if refused:
            return refused
    return None


def target_of(message: Message) -> tuple[str, str]:
    """(kind, value) of the target; the kind is empty when there is none."""
    for kind in TARGETS:
        if message.get(kind):
            return kind, message[kind]
    return "", ""


def _one_target(message: Message) -> Reply | None:
    given = [kind for kind in TARGETS if kind in message]
    if not given:
        return invalid_field("message", "Recipient of the message is not set.")
    if len(given) > 1:
        return invalid_field("message", "Exactly one of token, fid, topic or condition is required.")
    kind = given[0]
    if not message[kind].strip():
        return invalid_token(f"message.{kind}")
    if kind == "topic" and not TOPIC.fullmatch(message["topic"]):
        return invalid_field("message.topic", "Topic name contains invalid characters.")
    return None


def _one_android(message: Message) -> Reply | None:
    if "android" in message and "android_v2" in message:
        return invalid_field("message.android_v2", "Only one of android and android_v2 may be set.")
    return None


def _data_keys(message: Message) -> Reply | None:
    for path, part in (("message", message), ("message.android", message.get("android", {}))):
        for key in part.get("data", {}):
            if key in RESERVED_KEYS or key.startswith(RESERVED_PREFIXES) or not key:
                return invalid_field(f"{path}.data", f"Invalid data payload key: {key}")
    return None


def _lifetime(message: Message) -> Reply | None:
    ttl = message.get("android", {}).get("ttl")
    if ttl is not None:
        match = DURATION.fullmatch(ttl)
        if not match:
            text = "Illegal duration format; duration must end with 's'"
            return invalid_field("message.android.ttl", f"Invalid value at 'message.android.ttl', {text}")
        if not 0 <= float(ttl[:-1]) <= MAX_TTL_S:
            text = f"TTL must be between 0 and {MAX_TTL_S} seconds."
            return invalid_field("message.android.ttl", text)
    webpush_ttl = message.get("webpush", {}).get("headers", {}).get("TTL")
    if webpush_ttl is not None and not webpush_ttl.isdigit():
        return invalid_field("message.webpush.headers.TTL", "TTL must be a non-negative integer.")
    return None


def _android_words(message: Message) -> Reply | None:
    android = message.get("android", {})
    priority = android.get("priority")
    if priority is not None and priority.upper() not in ("NORMAL", "HIGH"):
        text = f"Invalid value at 'message.android.priority' (AndroidMessagePriority), \"{priority}\""
        return invalid_field("message.android.priority", text)
    color = android.get("notification", {}).get("color")
    if color is not None and not COLOR.fullmatch(color):
        return invalid_field("message.android.notification.color", "Color must be in the form #rrggbb.")
    return None


def _labels(message: Message) -> Reply | None:
    parts = {"message": message} | {f"message.{name}": message.get(name, {}) for name in ("android", "apns", "webpush")}
    for path, part in parts.items():
        label = part.get("fcm_options", {}).get("analytics_label")
        if label is not None and not LABEL.fullmatch(label):
            return invalid_field(f"{path}.fcm_options.analytics_label", "Analytics label is malformed.")
    link = message.get("webpush", {}).get("fcm_options", {}).get("link")
    if link is not None and not link.startswith("https://"):
        return invalid_field("message.webpush.fcm_options.link", "Link must be an HTTPS URL.")
    return None


def _size(message: Message) -> Reply | None:
    """Bytes of data keys and values and of the notification's texts."""
    android = message.get("android", {})
    texts = [text for pair in (android.get("data") or message.get("data", {})).items() for text in pair]
    notification = {**message.get("notification", {}), **android.get("notification", {})}
    texts += [value for value in notification.values() if isinstance(value, str)]
    limit = MAX_TOPIC_PAYLOAD if target_of(message)[0] in ("topic", "condition") else MAX_PAYLOAD
    return too_large(limit) if sum(len(text.encode()) for text in texts) > limit else None


RULES: tuple[Callable[[Message], Reply | None], ...] = (
    _one_target,
    _one_android,
    _data_keys,
    _lifetime,
    _android_words,
    _labels,
    _size,
)
