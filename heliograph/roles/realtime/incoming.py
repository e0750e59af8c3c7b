"""The frames a client may send (CONTRACT section 5), as types. Pure.

Unknown fields are ignored, so that newer clients may say more; unknown frames are refused.
"""

from __future__ import annotations

from typing import Annotated, Final, cast

import msgspec
from msgspec import Meta

from heliograph.core.model import Engagement
from heliograph.core.ports import Position

Offset = Annotated[int, Meta(ge=0, le=2**53)]
Name = Annotated[str, Meta(min_length=1, max_length=128)]


class Since(msgspec.Struct, frozen=True):
    """The last place in the user's stream that the client has seen."""

    epoch: Annotated[str, Meta(max_length=128)]
    offset: Offset

    @property
    def position(self) -> Position:
        return Position(self.epoch, self.offset)


class Connect(msgspec.Struct, frozen=True, tag_field="t", tag="connect"):
    """`device` = the id of the registered device this client runs on: it needs no push while it is connected."""

    token: str | None = None
    since: Since | None = None
    device: Name | None = None


class Ack(msgspec.Struct, frozen=True, tag_field="t", tag="ack"):
    offset: Offset


class Ping(msgspec.Struct, frozen=True, tag_field="t", tag="ping"):
    pass


class Pong(msgspec.Struct, frozen=True, tag_field="t", tag="pong"):
    pass


class Mark(msgspec.Struct, frozen=True, tag_field="t"):
    """A mark on one inbox item; the frame's name is the mark's."""

    id: Name

    @property
    def engagement(self) -> Engagement:
        return cast("Engagement", self.__struct_config__.tag)


class Seen(Mark, frozen=True, tag="seen"):
    pass


class Read(Mark, frozen=True, tag="read"):
    pass


class Unread(Mark, frozen=True, tag="unread"):
    pass


class Archive(Mark, frozen=True, tag="archive"):
    pass


class Unarchive(Mark, frozen=True, tag="unarchive"):
    pass


ClientFrame = Connect | Ack | Ping | Pong | Seen | Read | Unread | Archive | Unarchive

_decoder: Final[msgspec.json.Decoder[ClientFrame]] = msgspec.json.Decoder(ClientFrame)


def parse(text: bytes) -> ClientFrame:
    """Raises `msgspec.MsgspecError` for what is no JSON, no known frame, or one with a wrong field."""
    return _decoder.decode(text)
