"""Lab: what Expo's push service takes: tokens, fields, sizes. Pure: reads JSON, answers messages or what is wrong.

Sources: Expo's "Sending notifications", the types of expo-server-sdk 6.1.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

MAX_PAYLOAD = 4_096
TOKEN = re.compile(r"Expo(nent)?PushToken\[[^\[\]\s]+\]|[a-f\d]{8}(-[a-f\d]{4}){3}-[a-f\d]{12}", re.IGNORECASE)


class RichContent(Struct):
    image: str = ""


class Sound(Struct):
    critical: bool = False
    name: str | None = None
    volume: float = 1.0


class ExpoMessage(Struct, rename="camel"):
    """One element of a request; fields that Expo doesn't know are ignored."""

    to: str | list[str]
    title: str | None = None
    subtitle: str | None = None
    body: str | None = None
    data: dict[str, Any] | None = None
    sound: str | Sound | None = None
    ttl: Annotated[int, Meta(ge=0)] | None = None
    expiration: int | None = None
    priority: Literal["default", "normal", "high"] = "default"
    interruption_level: Literal["active", "critical", "passive", "time-sensitive"] | None = None
    badge: Annotated[int, Meta(ge=0)] | None = None
    channel_id: str | None = None
    icon: str | None = None
    rich_content: RichContent | None = None
    category_id: str | None = None
    mutable_content: bool = False
    collapse_id: str | None = None
    tag: str | None = None

    @property
    def recipients(self) -> list[str]:
        return [self.to] if isinstance(self.to, str) else self.to

    @property
    def too_big(self) -> bool:
        content = (self.title, self.subtitle, self.body, self.data)
        return len(msgspec.json.encode([part for part in content if part])) > MAX_PAYLOAD


def read_messages(document: Any) -> list[ExpoMessage] | str:
    """The messages of a request, or why it is none."""
    raw = document if isinstance(document, list) else [document]
    try:
        return msgspec.convert(raw, list[ExpoMessage])
    except msgspec.ValidationError as error:
        return str(error)


def is_token(text: str) -> bool:
    return TOKEN.fullmatch(text) is not None
