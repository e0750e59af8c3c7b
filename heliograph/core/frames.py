"""What boxes tell a real-time node over the bus (msgpack), and the JSON frames its clients get (CONTRACT section 5).

Written by the in-app worker (`pack_notifications`) and by whoever changed an inbox (`heliograph.fanout`); read by the
real-time service. Pure. JSON that exists already is spliced into its frame, never decoded and encoded again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, TypeVar

import msgspec

from heliograph.core.model import InboxItem, Key, Millis
from heliograph.core.ports import StreamEntry
from heliograph.core.wire import encode, inbox_state, rfc3339

MAX_MESSAGE_BYTES: Final = 512 * 1024
"""A bus message is split from here on; NATS refuses more than 1 MiB (`max_payload`)."""
EVERY_ITEM: Final = "*"
"""The `id` of an inbox frame that speaks of all unread items at once: read-all."""


class NotificationFrame(msgspec.Struct, frozen=True, array_like=True):
    """A notification that stands in the user's stream of this epoch, for the user's connections."""

    user: Key
    epoch: str
    entry: StreamEntry


class InboxFrame(msgspec.Struct, frozen=True, array_like=True):
    """Marks of an inbox changed. `text` = the client's frame as a JSON object that lacks only `unread`.

    The receiving node adds the count, read by itself after the message came: so the last frame on every node carries
    the newest count, in whatever order the messages of several processes arrive (G4).
    """

    user: Key
    text: bytes


class NotificationFrames(msgspec.Struct, frozen=True, array_like=True, tag="n"):
    frames: tuple[NotificationFrame, ...]


class InboxFrames(msgspec.Struct, frozen=True, array_like=True, tag="i"):
    frames: tuple[InboxFrame, ...]


class Erased(msgspec.Struct, frozen=True, array_like=True, tag="e"):
    """These users are erased: their connections end."""

    users: tuple[Key, ...]


NodeMessage = NotificationFrames | InboxFrames | Erased

_pack: Final = msgspec.msgpack.Encoder().encode
_decoder: Final[msgspec.msgpack.Decoder[NodeMessage]] = msgspec.msgpack.Decoder(NodeMessage)


def pack_notifications(frames: Sequence[NotificationFrame]) -> list[bytes]:
    """Bus payloads for one node, in order: one, or more when it would grow over `MAX_MESSAGE_BYTES`."""
    sized = ((frame, len(frame.entry.payload)) for frame in frames)
    return [_pack(NotificationFrames(group)) for group in _groups(sized)]


def pack_inbox(frames: Sequence[InboxFrame]) -> list[bytes]:
    """Bus payloads for one node, in order."""
    return [_pack(InboxFrames(group)) for group in _groups((frame, len(frame.text)) for frame in frames)]


def pack_erased(user: Key) -> bytes:
    return _pack(Erased((user,)))


def unpack(payload: bytes) -> NodeMessage:
    """Raises `msgspec.MsgspecError` for anything that none of them made."""
    return _decoder.decode(payload)


Frame = TypeVar("Frame")
_ENVELOPE: Final = 400
"""Upper estimate of a frame's bytes besides its text: tenant, user and notification id, epoch, lengths."""


def _groups(sized: Iterable[tuple[Frame, int]]) -> list[tuple[Frame, ...]]:
    groups: list[list[Frame]] = []
    room = 0
    for frame, size in sized:
        if not groups or room < size + _ENVELOPE:
            groups.append([])
            room = MAX_MESSAGE_BYTES
        groups[-1].append(frame)
        room -= size + _ENVELOPE
    return [tuple(group) for group in groups]


# --- to the client ----------------------------------------------------------------------------------------------------

BAD_FRAME: Final = 4400
UNAUTHORIZED: Final = 4401
FORBIDDEN: Final = 4403
TOO_SLOW: Final = 4408
TOO_MANY: Final = 4429
BUG: Final = 1011
RESTART: Final = 1012
"""Close codes; 1009 (frame over 16 KiB) and 1002 (not RFC 6455) are the WebSocket library's to send."""


def notification_frame(offset: int, payload: bytes) -> bytes:
    """`{"t":"notification","offset":…,"notification":<payload>}`; `payload` = the inbox item as JSON text."""
    return b'{"t":"notification","offset":%d,"notification":%b}' % (offset, payload)


def inbox_text(item: InboxItem) -> bytes:
    """The `inbox` frame of one item as it is now, without `unread`."""
    return encode({"t": "inbox", "id": item.notification.id, **inbox_state(item.state)})


def read_all_text(at: Millis) -> bytes:
    """The `inbox` frame of a read-all, without `unread`: `{"t":"inbox","id":"*","read_at":…}`.

    Every item that was unread is read (and seen) as of `read_at`; nothing is archived or brought back by it, which is
    why `seen_at` and `archived_at` are absent.
    """
    return encode({"t": "inbox", "id": EVERY_ITEM, "read_at": rfc3339(at)})


def with_unread(text: bytes, unread: int | None) -> bytes:
    """Completes an inbox frame; None (the store didn't answer) becomes null: the client keeps its own count."""
    return text[:-1] + (b',"unread":null}' if unread is None else b',"unread":%d}' % unread)
