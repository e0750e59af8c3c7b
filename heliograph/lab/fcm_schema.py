"""Lab: the shape of FCM v1's `messages:send` body, and the check of a JSON document against it. Pure.

Source: the discovery document of fcm v1 (schemas SendMessageRequest and below) plus the newer `fid`, `android_v2`
and the two android flags firebase-admin sends. Like Google's front end it takes snake_case and camelCase alike,
refuses unknown names and wrong types, and treats null as absent.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

STRING, BOOL, INT32, FLOAT = "TYPE_STRING", "TYPE_BOOL", "TYPE_INT32", "TYPE_FLOAT"
DURATION, TIMESTAMP = (
    "type.googleapis.com/google.protobuf.Duration",
    "type.googleapis.com/google.protobuf.Timestamp",
)
STRING_MAP, OBJECT, STRINGS = "map of strings", "object", "list of strings"

Schema = dict[str, Any]
Violation = tuple[str, str]

LABEL: Schema = {"analytics_label": STRING}
COLOR: Schema = {"red": FLOAT, "green": FLOAT, "blue": FLOAT, "alpha": FLOAT}
LIGHT: Schema = {"color": COLOR, "light_on_duration": DURATION, "light_off_duration": DURATION}
NOTIFICATION: Schema = {"title": STRING, "body": STRING, "image": STRING}
ANDROID_NOTIFICATION: Schema = {
    **dict.fromkeys(
        (
            *(
                "title",
                "body",
                "icon",
                "color",
                "sound",
                "tag",
                "click_action",
                "body_loc_key",
                "title_loc_key",
            ),
            *("channel_id", "ticker", "image", "notification_priority", "visibility", "proxy"),
        ),
        STRING,
    ),
    **dict.fromkeys(
        (
            *("sticky", "local_only", "default_sound", "default_vibrate_timings", "default_light_settings"),
            "bypass_proxy_notification",
        ),
        BOOL,
    ),
    **dict.fromkeys(("body_loc_args", "title_loc_args", "vibrate_timings"), STRINGS),
    "event_time": TIMESTAMP,
    "notification_count": INT32,
    "light_settings": LIGHT,
}
ANDROID: Schema = {
    "collapse_key": STRING,
    "priority": STRING,
    "ttl": DURATION,
    "restricted_package_name": STRING,
    "data": STRING_MAP,
    "notification": ANDROID_NOTIFICATION,
    "fcm_options": LABEL,
    "direct_boot_ok": BOOL,
    "bandwidth_constrained_ok": BOOL,
    "restricted_satellite_ok": BOOL,
}
APNS: Schema = {
    "headers": STRING_MAP,
    "payload": OBJECT,
    "fcm_options": LABEL | {"image": STRING},
    "live_activity_token": STRING,
}
WEBPUSH: Schema = {
    "headers": STRING_MAP,
    "data": STRING_MAP,
    "notification": OBJECT,
    "fcm_options": LABEL | {"link": STRING},
}
MESSAGE: Schema = {
    **dict.fromkeys(("name", "token", "fid", "topic", "condition"), STRING),
    "data": STRING_MAP,
    "notification": NOTIFICATION,
    "android": ANDROID,
    "android_v2": OBJECT,
    "apns": APNS,
    "webpush": WEBPUSH,
    "fcm_options": LABEL,
}
REQUEST: Schema = {"message": MESSAGE, "validate_only": BOOL}


@lru_cache(maxsize=1024)
def snake(name: str) -> str:
    """`collapseKey` -> `collapse_key`; snake_case stays."""
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()


def normalize(document: dict[str, Any], schema: Schema = REQUEST) -> dict[str, Any]:
    """The document with all names in snake_case and nulls left out; call it only on a document without violations."""
    result = {}
    for name, value in document.items():
        key = snake(name)
        if value is not None:
            kind = schema.get(key)
            result[key] = normalize(value, kind) if isinstance(kind, dict) else value
    return result


def violations(document: Any, schema: Schema = REQUEST, path: str = "") -> Iterator[Violation]:
    """(field, description) of every name that doesn't exist and every value of the wrong type."""
    if not isinstance(document, dict):
        yield path, _wrong(path, "object", document)
        return
    for name, value in document.items():
        kind = schema.get(snake(name))
        if kind is None:
            where = f" at '{path}'" if path else ""
            yield path, f'Invalid JSON payload received. Unknown name "{name}"{where}: Cannot find field.'
        elif value is not None:
            yield from _value(value, kind, f"{path}.{snake(name)}".lstrip("."))


def _value(value: Any, kind: Any, path: str) -> Iterator[Violation]:
    if isinstance(kind, dict):
        yield from violations(value, kind, path)
    elif kind == STRING_MAP:
        yield from _string_map(value, path)
    elif kind == STRINGS:
        yield from _strings(value, path)
    elif not _fits(value, kind):
        yield path, _wrong(path, kind, value)


def _string_map(value: Any, path: str) -> Iterator[Violation]:
    if not isinstance(value, dict):
        yield path, _wrong(path, "Map", value)
        return
    for position, item in enumerate(value.values()):
        if not isinstance(item, str):
            field = f"{path}[{position}].value"
            yield field, _wrong(field, STRING, item)


def _strings(value: Any, path: str) -> Iterator[Violation]:
    for position, item in enumerate(value if isinstance(value, list) else [value]):
        if not isinstance(item, str):
            yield f"{path}[{position}]", _wrong(f"{path}[{position}]", STRING, item)


def _fits(value: Any, kind: str) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    match kind:
        case "TYPE_BOOL":
            return isinstance(value, bool)
        case "TYPE_INT32":
            return (number and float(value).is_integer()) or (isinstance(value, str) and value.isdigit())
        case "TYPE_FLOAT":
            return number
        case "object":
            return isinstance(value, dict)
        case _:
            return isinstance(value, str)


def _wrong(path: str, kind: str, value: Any) -> str:
    return f"Invalid value at '{path}' ({kind}), {json.dumps(value, ensure_ascii=False)[:100]}"
