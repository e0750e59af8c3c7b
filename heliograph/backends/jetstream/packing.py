"""How items of a lane become messages and back: a message is a msgpack list of items of one level.

Pure. The subject's last word is the number of items inside, so that the server's own count of messages per subject
tells a lane's depth in notifications.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import GenericAlias
from typing import Any, Final

import msgspec

from heliograph.core.lanes import LANES, MAX_PACK_BYTES, Lane, LaneItem
from heliograph.core.model import Level

_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODERS: Final[dict[str, msgspec.msgpack.Decoder[Any]]] = {
    lane.name: msgspec.msgpack.Decoder(GenericAlias(list, (lane.item,))) for lane in LANES
}


def lane_subject(lane: str, level: Level, packed: int) -> str:
    return f"lane.{lane}.p{level:d}.{packed}"


def crowd_subject(lane: str, level: Level, packed: int) -> str:
    return f"crowd.{lane}.p{level:d}.{packed}"


def retry_subject(lane: str, level: Level, packed: int) -> str:
    return f"retry.{lane}.p{level:d}.{packed}"


def packed_in(subject: str) -> int:
    """How many items a message holds, by its subject; 1 when it doesn't say."""
    last = subject.rpartition(".")[2]
    return int(last) if last.isdecimal() else 1


def pack(lane: Lane, items: Sequence[LaneItem]) -> list[tuple[Level, int, bytes]]:
    """(level, items inside, payload) messages, the most urgent level first, each level in the order given.

    At most `lane.pack` items and `MAX_PACK_BYTES` a message; an item larger than that travels alone.
    """
    of_level: dict[Level, list[bytes]] = {}
    for item in items:
        of_level.setdefault(item.level, []).append(_ENCODER.encode(item))
    return [
        (level, len(group), _head(len(group)) + b"".join(group))
        for level in sorted(of_level)
        for group in _groups(of_level[level], lane.pack)
    ]


def unpack(lane: Lane, payload: bytes) -> list[LaneItem]:
    """Raises `msgspec.DecodeError` (or its `ValidationError`) when it isn't a list of the lane's items."""
    found: list[LaneItem] = _DECODERS[lane.name].decode(payload)
    return found


def _groups(encoded: list[bytes], most: int) -> list[list[bytes]]:
    groups: list[list[bytes]] = []
    group: list[bytes] = []
    size = 0
    for item in encoded:
        if group and (len(group) == most or size + len(item) > MAX_PACK_BYTES):
            groups.append(group)
            group, size = [], 0
        group.append(item)
        size += len(item)
    return [*groups, group]


def _head(length: int) -> bytes:
    """The msgpack header of an array (msgpack spec, "array format family")."""
    if length < 16:
        return bytes((0x90 | length,))
    if length < 1 << 16:
        return b"\xdc" + length.to_bytes(2, "big")
    return b"\xdd" + length.to_bytes(4, "big")
