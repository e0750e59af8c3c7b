"""A message in our hands, and the book of all of them: who holds which item, and when the message is done with.

Pure bookkeeping: it decides, its caller sends the acknowledgements. A message stays in the book from its arrival until
all of its items are settled; while it is there, the server is told that it is being worked on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, cast

import msgspec

from heliograph.backends.jetstream.packing import packed_in, unpack
from heliograph.core.lanes import Lane, LaneItem
from heliograph.core.model import Level, Millis
from heliograph.core.ports import Pulled

ACK: Final = b"+ACK"
NAK: Final = b"-NAK"
TERM: Final = b"+TERM"
IN_PROGRESS: Final = b"+WPI"

_ACK_TOKENS: Final = 9
"""`$JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<time>.<pending>`; servers may put a domain and
an account in front of the stream (nats-server ADR-15)."""

MessageId = tuple[str, int]


class Envelope:
    """One message. Its items are decoded when the first of them is handed out."""

    __slots__ = (
        "count", "data", "deliveries", "handed", "id", "is_open", "items", "lane", "left", "level", "pending",
        "published_at", "reply", "subject",
    )  # fmt: skip

    def __init__(self, lane: Lane, level: Level, subject: str, reply: str, data: bytes) -> None:
        tokens = reply.split(".")
        at = 2 if len(tokens) == _ACK_TOKENS else 4
        self.lane = lane
        self.level = level
        self.subject = subject
        self.reply = reply
        self.data = data
        self.id: MessageId = (tokens[at], int(tokens[at + 3]))
        self.deliveries = int(tokens[at + 2])
        self.published_at: Millis = int(tokens[at + 5]) // 1_000_000
        self.pending = int(tokens[at + 6])
        """Messages that the server still had for this consumer when it sent this one."""
        self.count = packed_in(subject)
        self.items: list[LaneItem] = []
        self.handed = 0
        self.left = self.count
        self.is_open = bytearray()
        """1 for every item that isn't settled."""

    def unpack(self) -> None:
        """Raises `msgspec.DecodeError`."""
        if not self.items:
            self.items = unpack(self.lane, self.data)
            if not self.items:
                raise msgspec.DecodeError("a message without items")
            self.data = b""
            self.count = self.left = len(self.items)
            self.is_open = bytearray(b"\x01" * self.count)

    @property
    def waiting(self) -> int:
        """Items that nobody has yet."""
        return self.count - self.handed

    @property
    def untouched(self) -> bool:
        return self.left == self.count

    def hand_out(self, limit: int) -> list[Pulled]:
        """The next items, until their weight reaches `limit`."""
        start = self.handed
        items = within(limit, self.items[start : start + limit])
        self.handed += len(items)
        level, deliveries, orphaned = self.level, self.deliveries, self.deliveries > 1
        return [Pulled(item, level, orphaned, deliveries, (self, place)) for place, item in enumerate(items, start)]

    def unsettled(self) -> list[LaneItem]:
        return [item for item, is_open in zip(self.items, self.is_open, strict=True) if is_open]


class Book:
    """Every message in hand, of all lanes."""

    def __init__(self) -> None:
        self._held: dict[MessageId, Envelope] = {}

    def __iter__(self) -> Iterator[Envelope]:
        return iter([*self._held.values()])

    def enter(self, envelope: Envelope) -> bool:
        """False if we hold the message already: then the new delivery only replaces where to acknowledge it."""
        known = self._held.get(envelope.id)
        if known is not None:
            known.reply = envelope.reply
            return False
        self._held[envelope.id] = envelope
        return True

    def settle(self, pulled: Iterable[Pulled]) -> list[Envelope]:
        """Returns the messages that are done with by that. Settling an item twice counts once."""
        done: list[Envelope] = []
        for each in pulled:
            envelope, place = receipt(each)
            if envelope.is_open[place]:
                envelope.is_open[place] = 0
                envelope.left -= 1
                if not envelope.left and self._held.pop(envelope.id, None) is envelope:
                    done.append(envelope)
        return done

    def strike(self, envelope: Envelope) -> None:
        self._held.pop(envelope.id, None)

    def holds(self, envelope: Envelope) -> bool:
        return self._held.get(envelope.id) is envelope


def within(limit: int, items: list[LaneItem]) -> list[LaneItem]:
    """The first of them, up to the one with which their weight reaches `limit`."""
    weight = 0
    for place, item in enumerate(items, 1):
        weight += item.weight
        if weight >= limit:
            return items[:place]
    return items


def receipt(pulled: Pulled) -> tuple[Envelope, int]:
    """The message of an item, and the item's place in it."""
    return cast("tuple[Envelope, int]", pulled.receipt)
