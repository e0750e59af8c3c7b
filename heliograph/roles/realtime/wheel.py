"""One timer for all connections of a node: a hashed wheel of slots (Varghese & Lauck 1987). No I/O, no task.

Scheduling and cancelling cost one dict operation each, so a node with 50,000 idle clients has no 50,000 timers.
"""

from __future__ import annotations

import math
from typing import Generic, Protocol, TypeVar


class Timed(Protocol):
    """`slot` belongs to the wheel: where the object waits, None = nowhere."""

    slot: int | None


Entry = TypeVar("Entry", bound=Timed)


class Wheel(Generic[Entry]):
    """Wakes each entry once, never early and at most two resolutions late; scheduling again replaces the earlier time.

    Args:
        now_s: of any monotonic clock; later calls of `advance` must use the same one.
    """

    def __init__(self, resolution_s: float, now_s: float) -> None:
        self._resolution_s = resolution_s
        self._now = self._slot_of(now_s)
        self._slots: dict[int, set[Entry]] = {}

    def schedule(self, entry: Entry, delay_s: float) -> None:
        self.cancel(entry)
        # One more than the distance: the present slot has begun already, and nobody may be woken early.
        slot = self._now + 1 + math.ceil(delay_s / self._resolution_s)
        entry.slot = slot
        self._slots.setdefault(slot, set()).add(entry)

    def cancel(self, entry: Entry) -> None:
        if entry.slot is None:
            return
        waiting = self._slots[entry.slot]
        waiting.discard(entry)
        if not waiting:
            del self._slots[entry.slot]
        entry.slot = None

    def advance(self, now_s: float) -> list[Entry]:
        """Moves on and returns whose time has come, earliest first."""
        reached = self._slot_of(now_s)
        due: list[Entry] = []
        passed = reached - self._now
        slots = range(self._now + 1, reached + 1) if passed <= len(self._slots) else sorted(self._slots)
        for slot in slots:
            if slot <= reached:
                due.extend(self._slots.pop(slot, ()))
        for entry in due:
            entry.slot = None
        self._now = reached
        return due

    def _slot_of(self, now_s: float) -> int:
        return int(now_s / self._resolution_s)
