"""Which tenants crowd a lane, and what they get of it then: fair turns between tenants inside a level. Pure.

A lane's level is a FIFO, in which a tenant's burst would stand in front of everybody else. So what belongs to a burst
goes into a lane beside it, and the two are served in turn. Nothing is dropped and nobody is slowed down while nobody
else waits. The detector is that of Amazon SQS' fair queues (docs: "Amazon SQS fair queues"): a share of the traffic,
and a least number; as seen by one process that publishes, in the last one to two seconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from heliograph.core.lanes import BatchItem, Lane, LaneItem, OutboxItem
from heliograph.core.model import LEVEL_OF_TYPE, Level, Millis, Type

SHARE: Final = 0.1
HOLD_MS: Final = 10_000
"""A tenant counts as crowding for so long after it last did, or every lull of a burst would overtake the rest of it."""
_SPAN_MS: Final = 1_000
_PART: Final = 5
_ABOUT_S: Final = 2.0
_LEVEL: Final[dict[Any, Level]] = {**LEVEL_OF_TYPE, **{int(level): level for level in Level}}


class Crowds:
    """One level of one lane.

    Args:
        floor: items in a second or two that anybody may have; a little more than one message is no crowd.
    """

    def __init__(self, floor: int) -> None:
        self._floor = floor
        self._span = 0
        self._now: Counter[str] = Counter()
        self._before: Counter[str] = Counter()
        self._until: dict[str, Millis] = {}

    def crowding(self, counts: Mapping[str, int], now: Millis) -> set[str]:
        """Which of these tenants, who publish so many items each at this moment, are crowding."""
        self._roll(now)
        self._now.update(counts)
        total = sum(self._now.values()) + sum(self._before.values())
        for tenant in counts:
            recent = self._now[tenant] + self._before[tenant]
            if recent > self._floor and recent > total * SHARE:
                self._until[tenant] = now + HOLD_MS
        return {tenant for tenant in counts if self._until.get(tenant, 0) > now}

    def _roll(self, now: Millis) -> None:
        """Forgets what is longer ago than two spans, so that memory holds only who is there."""
        span = now // _SPAN_MS
        if span == self._span:
            return
        self._before = self._now if span == self._span + 1 else Counter()
        self._now = Counter()
        self._span = span
        self._until = {tenant: until for tenant, until in self._until.items() if now < until <= now + HOLD_MS}


class FairTurns:
    """Every lane and level, as one process publishes into them."""

    def __init__(self) -> None:
        self._crowds: dict[tuple[str, Level], Crowds] = {}

    def apart(
        self, lane: Lane, items: Sequence[LaneItem], now: Millis
    ) -> tuple[Sequence[LaneItem], Sequence[LaneItem]]:
        """The items of quiet tenants, and those of tenants who crowd their level; each in the order given."""
        places = [_place(item) for item in items]
        counts: dict[Level, Counter[str]] = {}
        for (tenant, kind), count in Counter(places).items():
            counts.setdefault(_LEVEL[kind], Counter())[tenant] += count
        crowding = {
            (tenant, level) for level, of in counts.items() for tenant in self._of(lane, level).crowding(of, now)
        }
        if not crowding:
            return items, ()
        if len(crowding) == sum(map(len, counts.values())):
            return (), items
        apart: tuple[list[LaneItem], list[LaneItem]] = ([], [])
        for item, (tenant, kind) in zip(items, places, strict=True):
            apart[(tenant, _LEVEL[kind]) in crowding].append(item)
        return apart

    def _of(self, lane: Lane, level: Level) -> Crowds:
        place = lane.name, level
        if place not in self._crowds:
            self._crowds[place] = Crowds(lane.pack)
        return self._crowds[place]


def _place(item: LaneItem) -> tuple[str, Type | int]:
    """(tenant, what tells the level), by the fields themselves: this is done for every item that travels."""
    if isinstance(item, (BatchItem, OutboxItem)):
        return item.tenant, item.at_level
    told = item.notification
    return told.tenant, told.type


class Share(msgspec.Struct, frozen=True):
    """Of one batch, what is kept for the crowd (`least`) and what it may have if there is room (`most`)."""

    least: int
    most: int


def crowds_share(
    limit: int, quiet_at: Millis | None, crowd_at: Millis | None, since_overtaken_s: float, *, crowd_was_last: bool
) -> Share:
    """What a batch of up to `limit` items may hold of a crowd; the rest is for the quiet ones, who go first.

    While others are about (somebody quiet overtook the crowd a moment ago), a crowd comes in small parts, because who
    is quiet waits for the batch in hand; alone it has full batches, which are cheaper. A part is kept for it in every
    second batch, so it never starves. Where the quiet ones have waited longer nothing is kept: so a burst that is
    alone, whose beginning counts as quiet, stays in its order.

    Args:
        quiet_at, crowd_at: when the oldest of each was published; None = nothing waits.
        crowd_was_last: the batch before this one held some of the crowd.
    """
    if crowd_at is None:
        return Share(0, 0)
    overtakes = quiet_at is not None and crowd_at < quiet_at
    most = max(1, limit // _PART) if overtakes or since_overtaken_s < _ABOUT_S else limit
    return Share(most if overtakes and not crowd_was_last else 0, most)
