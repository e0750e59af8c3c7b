"""How many processes a role should have, so that nothing in its lanes waits longer than the target. Pure.

Reads what is known of the lanes, of the work that the role's processes did and of what the providers grant; answers a
number and what must be remembered until the next look. Grows at once, shrinks late: only when fewer would have been
enough for `calm_s` on end, with room to spare. A sender that waits for its provider is no reason for another one.

desired = (arrivals + waiting / target age) / what one process does: the backlog, not the rate alone, sets the number
(KEDA's `metrics-api` and AWS's "backlog per instance" count alike; reliability notes, section 5.3).
"""

from __future__ import annotations

import math
from typing import Final

import msgspec

from heliograph.core.model import Millis

UNMEASURED: Final = 500.0
"""Items a second that a process is thought to do before it was ever seen busy."""
_LEAST: Final = 0.1
"""Items a second: no process counts as slower."""
_ROOM: Final = 0.7
"""A smaller pool must be enough with this share of its work: else the next gust would bring the process back."""
_STEP_MS: Final = 5_000
"""What is late although the pool should be large enough gets one process more, and this long to show for it."""
_HALF_LIFE_MS: Final = 600_000
"""In which the best that a process was seen to do is forgotten by half, if it isn't seen again."""
_SMOOTH_MS: Final = 5_000
_LIMITED: Final = 0.9
"""A provider's rate that is used up to this share is what the lane waits for."""


class Bounds(msgspec.Struct, frozen=True):
    """Of one role. `target_age_s`: nothing should wait longer in its lanes. `calm_s`: see above."""

    floor: int = 1
    ceiling: int = 4
    target_age_s: float = 5.0
    calm_s: float = 120.0


class Load(msgspec.Struct, frozen=True):
    """What is seen of a role at a moment, over all its lanes and levels.

    Attributes:
        waiting: notifications in no worker's hands.
        oldest_age_s: of the oldest message, in hand or not.
        done_per_s: what all its processes ended lately.
        each_per_s: what one process ends in a busy second; 0 = none was busy enough to tell.
        allowed_per_s: calls that the role's providers grant; None = it calls none.
    """

    at: Millis
    waiting: int
    oldest_age_s: float = 0.0
    done_per_s: float = 0.0
    each_per_s: float = 0.0
    processes: int = 0
    allowed_per_s: float | None = None


class Course(msgspec.Struct, frozen=True, array_like=True):
    """What is remembered: the number and since when, the last look, arrivals a second, the best rate, and what each
    look of the last `calm_s` would have been content with."""

    desired: int
    at: Millis
    waiting: int
    arriving_per_s: float
    best_per_s: float
    grown_at: Millis
    enough: tuple[tuple[Millis, int], ...]
    why: str = ""


def begun(bounds: Bounds, at: Millis) -> Course:
    return Course(bounds.floor, at, 0, 0.0, 0.0, 0, (), "floor")


def next_course(course: Course, load: Load, bounds: Bounds) -> Course:
    """The course after one more look; `desired` is the number wanted from now on."""
    best = _best(course, load)
    each = max(best, _LEAST) if best else UNMEASURED
    arriving = _arriving(course, load)
    backlog = load.waiting / bounds.target_age_s
    wanted = math.ceil((arriving + backlog) / each - 1e-9)
    content = _within(math.ceil((arriving / _ROOM + backlog) / each - 1e-9), bounds, _useful(load, each))
    enough = (*_recent(course, load, bounds), (load.at, content))
    desired, why = _decided(course, load, bounds, min(wanted, _useful(load, each)), enough)
    grown_at = course.grown_at
    if desired > course.desired:
        grown_at, enough = load.at, (*enough[:-1], (load.at, desired))
    return Course(desired, load.at, load.waiting, arriving, best, grown_at, enough, why)


def _decided(
    course: Course, load: Load, bounds: Bounds, wanted: int, enough: tuple[tuple[Millis, int], ...]
) -> tuple[int, str]:
    now = min(max(course.desired, bounds.floor), bounds.ceiling)
    late = load.waiting > 0 and load.oldest_age_s > bounds.target_age_s
    if wanted > now:
        return min(bounds.ceiling, wanted), "load" if wanted <= bounds.ceiling else "ceiling"
    if late and _limited(load):
        return now, "the provider's rate"
    if late:
        stepped = load.at - course.grown_at >= _STEP_MS
        return min(bounds.ceiling, now + stepped), "late"
    most = max(number for _, number in enough)
    calm = enough[0][0] <= load.at - round(bounds.calm_s * 1000)
    return (max(bounds.floor, most), "calm") if calm and most < now else (now, "enough")


def _best(course: Course, load: Load) -> float:
    """The best that a process was seen to do. Not the latest: where processes share a core or a provider's rate, each
    does less the more there are, and more of them would be no help."""
    faded = course.best_per_s * 0.5 ** (max(0, load.at - course.at) / _HALF_LIFE_MS)
    return max(load.each_per_s, faded) if load.each_per_s else course.best_per_s


def _arriving(course: Course, load: Load) -> float:
    """What came in a second, by what was done and how the backlog changed; smoothed, because one bulk is no stream."""
    if not course.enough:
        return load.done_per_s  # the first look knows no earlier one
    passed_ms = max(1, load.at - course.at)
    seen = max(0.0, load.done_per_s + (load.waiting - course.waiting) * 1000 / passed_ms)
    return course.arriving_per_s + (seen - course.arriving_per_s) * -math.expm1(-passed_ms / _SMOOTH_MS)


def _useful(load: Load, each: float) -> int:
    """More senders than this would only wait for the providers' tokens."""
    return 1_000_000 if load.allowed_per_s is None else math.ceil(load.allowed_per_s / each - 1e-9)


def _limited(load: Load) -> bool:
    return load.allowed_per_s is not None and load.done_per_s >= _LIMITED * load.allowed_per_s


def _within(number: int, bounds: Bounds, useful: int) -> int:
    return max(bounds.floor, min(bounds.ceiling, number, max(useful, bounds.floor)))


def _recent(course: Course, load: Load, bounds: Bounds) -> tuple[tuple[Millis, int], ...]:
    """The looks of the last `calm_s`, and the one before, which tells that they are all. Equal ones in a row need only
    their first and last."""
    since = load.at - round(bounds.calm_s * 1000)
    start = max((index for index, (at, _) in enumerate(course.enough) if at <= since), default=0)
    kept = course.enough[start:]
    return tuple(
        look
        for index, look in enumerate(kept)
        if index in (0, len(kept) - 1) or not kept[index - 1][1] == look[1] == kept[index + 1][1]
    )
