"""How many processes each role should have just now: the same answer for everyone who asks.

Reads the lanes' state, the processes' work and the providers' rates; keeps the course of each role in one cell of the
cache, so that any process can take the next look. The rule is pure: core/scaling.py. Starts and stops nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from heliograph.core.lanes import LANE_OF_NAME, LANES
from heliograph.core.model import Level, Millis
from heliograph.core.ports import Cells, Clock, LaneState, Queue
from heliograph.core.scaling import Bounds, Course, Load, begun, next_course
from heliograph.guard import Guard
from heliograph.pausing import Pauses
from heliograph.work import Row, work_of

SCALED: Final = tuple(dict.fromkeys(lane.role for lane in LANES))
"""The roles that pull lanes, in the order of the way through the house."""
_LOOK_MS: Final = 500
"""However many ask, the course is taken further no more often than this."""
_KEPT_MS: Final = 24 * 3600 * 1000
_courses: Final = msgspec.msgpack.Decoder(dict[str, Course])


class Size(msgspec.Struct, frozen=True):
    """What a role should have and has, and what speaks for it. Rates in notifications a second."""

    desired: int
    running: int
    why: str
    waiting: int
    oldest_age_s: float
    done_per_s: float
    each_per_s: float
    allowed_per_s: float | None


class Autoscaler:
    """Args:
    guards: by role, those of the providers it calls.
    pauses: what waits in a lane that is paused by hand needs nobody.
    bounds: by role.
    """

    def __init__(
        self, queue: Queue, cells: Cells, clock: Clock, bounds: Mapping[str, Bounds],
        guards: Mapping[str, Sequence[Guard]], pauses: Pauses | None = None,
    ) -> None:  # fmt: skip
        self._queue = queue
        self._cells = cells
        self._clock = clock
        self._bounds = bounds
        self._guards = guards
        self._pauses = pauses or Pauses()

    async def sizes(self) -> Mapping[str, Size]:
        """By role. Raises `QueueUnavailable` or `PresenceUnavailable`: then what there is should stay as it is."""
        now = self._clock()
        loads = await self._loads(now)

        def step(was: bytes) -> bytes:
            courses = _courses.decode(was) if was else {}
            return msgspec.msgpack.encode(
                {role: _further(courses.get(role), load, self._bounds[role]) for role, load in loads.items()}
            )

        courses = _courses.decode(await self._cells.change("autoscale", step, _KEPT_MS))
        return {role: _size(courses[role], load) for role, load in loads.items()}

    async def _loads(self, now: Millis) -> dict[str, Load]:
        lanes = await self._queue.lanes()
        states = {place: state for place, state in lanes.items() if not self._pauses.of(place[0])}
        works = await asyncio.gather(*(work_of(self._cells, role, now) for role in SCALED))
        allowed = await asyncio.gather(*(self._allowed(role) for role in SCALED))
        return {
            role: _load(_of(role, states), rows, rate, now)
            for role, rows, rate in zip(SCALED, works, allowed, strict=True)
        }

    async def _allowed(self, role: str) -> float | None:
        guards = self._guards.get(role, ())
        return sum(await asyncio.gather(*(guard.rate() for guard in guards))) if guards else None


def _of(role: str, states: Mapping[tuple[str, Level], LaneState]) -> list[LaneState]:
    return [state for (lane, _), state in states.items() if LANE_OF_NAME[lane].role == role]


def _load(states: Sequence[LaneState], rows: Sequence[Row], allowed: float | None, now: Millis) -> Load:
    oldest_at = min((state.oldest_at for state in states if state.oldest_at is not None), default=now)
    return Load(
        at=now,
        waiting=sum(max(0, state.depth - state.in_flight) for state in states),
        oldest_age_s=max(0, now - oldest_at) / 1000,
        done_per_s=sum(row.done_per_s for row in rows),
        each_per_s=max((row.each_per_s for row in rows), default=0.0),
        processes=len(rows),
        allowed_per_s=allowed,
    )


def _further(course: Course | None, load: Load, bounds: Bounds) -> Course:
    course = course or begun(bounds, load.at - _LOOK_MS)
    return course if load.at - course.at < _LOOK_MS else next_course(course, load, bounds)


def _size(course: Course, load: Load) -> Size:
    return Size(
        desired=course.desired,
        running=load.processes,
        why=course.why,
        waiting=load.waiting,
        oldest_age_s=round(load.oldest_age_s, 3),
        done_per_s=round(load.done_per_s, 1),
        each_per_s=round(course.best_per_s, 1),
        allowed_per_s=load.allowed_per_s,
    )


def bounds_of(text: str, target_age_s: float, calm_s: float) -> dict[str, Bounds]:
    """By role, out of `1-4,email-sender=1-2`: a range for all, and others for some. Raises `ValueError`."""
    ranges: dict[str, str] = {}
    for part in (part.strip() for part in text.split(",")):
        role, named, found = part.rpartition("=")
        ranges[role.strip() if named else ""] = found
    unknown = [role for role in ranges if role and role not in SCALED]
    if unknown or "" not in ranges:
        raise ValueError(_malformed(text))
    return {role: _bounds(ranges.get(role, ranges[""]), text, target_age_s, calm_s) for role in SCALED}


def _bounds(found: str, text: str, target_age_s: float, calm_s: float) -> Bounds:
    floor, _, ceiling = found.partition("-")
    if not (floor.strip().isdecimal() and ceiling.strip().isdecimal() and 1 <= int(floor) <= int(ceiling)):
        raise ValueError(_malformed(text))
    return Bounds(int(floor), int(ceiling), target_age_s, calm_s)


def _malformed(text: str) -> str:
    return f"autoscale_processes is {text!r}, not like 1-4,email-sender=1-2; roles: {', '.join(SCALED)}"
