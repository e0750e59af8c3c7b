"""How many processes a role should have: the rule alone, and a pool that obeys it in a simulated spike."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.core.scaling import Bounds, Course, Load, begun, next_course

BOUNDS = Bounds(floor=1, ceiling=10, target_age_s=5.0, calm_s=60.0)


def after(*looks: Load, bounds: Bounds = BOUNDS, processes: int = 1) -> Course:
    course = Course(processes, 0, 0, 0.0, 0.0, 0, ())
    for look in looks:
        course = next_course(course, look, bounds)
    return course


@pytest.mark.parametrize(
    ("load", "processes", "wanted", "why"),
    [
        (Load(1000, 0), 1, 1, "enough"),
        (Load(1000, 0, done_per_s=50, each_per_s=100), 1, 1, "enough"),
        (Load(1000, 1000, 1.0, 100, 100), 1, 3, "load"),
        (Load(1000, 100_000, 1.0, 100, 100), 1, 10, "ceiling"),
        (Load(1000, 5_000, 1.0), 1, 2, "load"),
        (Load(1000, 10, 6.0, 10, 100), 2, 2, "late"),
        (Load(6000, 10, 6.0, 10, 100), 2, 3, "late"),
        (Load(6000, 0, 60.0, 10, 100), 2, 2, "enough"),
        (Load(6000, 10, 6.0, 10, 100), 10, 10, "late"),
        (Load(6000, 5000, 60.0, 100, 100, allowed_per_s=100), 1, 1, "the provider's rate"),
        (Load(6000, 5000, 60.0, 0, 100, allowed_per_s=0), 2, 2, "the provider's rate"),
        (Load(6000, 5000, 60.0, 100, 100, allowed_per_s=250), 1, 3, "load"),
        (Load(6000, 5000, 60.0, 100, 100, allowed_per_s=200), 1, 2, "load"),
    ],
    ids=[
        "nothing to do", "a quiet process", "a backlog sets the number", "never over the ceiling",
        "never measured: a cautious guess", "late, but only just begun", "late although large enough: one more",
        "one old item in a hand is no reason", "late at the ceiling", "mails wait for their tokens",
        "the provider asked for a pause", "two and a half processes' worth of tokens", "no more than tokens for two",
    ],
)  # fmt: skip
def test_one_look(load: Load, processes: int, wanted: int, why: str) -> None:
    """The backlog over the target age, and what arrives, over what one process does."""
    course = after(load, processes=processes)
    assert (course.desired, course.why) == (wanted, why)


def test_it_shrinks_only_after_calm() -> None:
    """A quiet minute takes the pool back to its floor; less does not; a gust is remembered."""
    quiet = [Load(1000 * second, 0, done_per_s=10, each_per_s=100) for second in range(1, 61)]
    assert after(*quiet, processes=4).desired == 4
    assert after(*quiet, Load(61_000, 0, done_per_s=10, each_per_s=100), processes=4).desired == 1
    gust = Load(30_500, 350, 1.0, 10, 100)
    gusty = sorted([*quiet, gust], key=lambda load: load.at)
    assert after(*gusty, Load(61_000, 0, done_per_s=10, each_per_s=100), processes=4).desired == 2


def test_a_smaller_pool_needs_room() -> None:
    """Two processes that are used for three quarters are not made one that would be used for three halves."""
    looks = [Load(1000 * second, 0, done_per_s=150, each_per_s=100) for second in range(1, 200)]
    assert after(*looks, processes=3).desired == 3
    assert after(*looks, processes=4).desired == 3


@dataclass
class World:
    """A lane, first in first out, a pool that takes `start_s` to start a process, and the rule between them."""

    each_per_s: float
    bounds: Bounds
    allowed_per_s: float | None = None
    start_s: int = 2
    course: Course = field(default_factory=lambda: begun(BOUNDS, 0))
    ages: list[float] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    _came: list[tuple[int, float]] = field(default_factory=list)

    def run(self, arrivals: list[float]) -> World:
        for second, arriving in enumerate(arrivals):
            self._came.append((second, arriving))
            working = self.sizes[-self.start_s] if len(self.sizes) >= self.start_s else self.bounds.floor
            working = min(working, self.sizes[-1]) if self.sizes else working
            can = working * self.each_per_s
            done = self._serve(can if self.allowed_per_s is None else min(can, self.allowed_per_s))
            waiting = sum(count for _, count in self._came)
            age = second + 1 - self._came[0][0] if waiting >= 1 else 0
            busy = done >= can / 2
            look = Load(
                (second + 1) * 1000, int(waiting), age, done, done / working if busy else 0.0, working,
                self.allowed_per_s,
            )  # fmt: skip
            self.course = next_course(self.course, look, self.bounds)
            self.ages.append(age)
            self.sizes.append(self.course.desired)
        return self

    def _serve(self, can: float) -> float:
        left = can
        while self._came and left > 0:
            second, count = self._came.pop(0)
            left -= count
            if left < 0:
                self._came.insert(0, (second, -left))
                return can
        return can - left

    @property
    def turns(self) -> int:
        """How often it went from growing to shrinking or back."""
        steps = [b - a for a, b in pairwise(self.sizes) if a != b]
        return sum((a > 0) != (b > 0) for a, b in pairwise(steps))


def test_a_spike_of_twenty_times_is_absorbed() -> None:
    """50/s, 1,000/s for a minute, 50/s: nothing waits long, the pool grows once, shrinks once and ends at its floor."""
    bounds = Bounds(1, 16, target_age_s=5.0, calm_s=60.0)
    world = World(100.0, bounds).run([50.0] * 60 + [1000.0] * 60 + [50.0] * 120)
    assert world.sizes[59] == 1
    assert 10 <= max(world.sizes) <= 16
    assert max(world.ages) <= 2 * bounds.target_age_s
    assert all(age <= bounds.target_age_s for age in world.ages[80:])
    assert world.sizes[-1] == 1
    assert world.turns == 1


def test_senders_grow_to_what_the_rate_can_use() -> None:
    """The same spike before a provider that grants 250/s: three processes of 100/s, however long the mails wait."""
    world = World(100.0, BOUNDS, allowed_per_s=250.0).run([20.0] * 30 + [400.0] * 60 + [20.0] * 300)
    assert max(world.sizes) == 3
    assert world.sizes[-1] == 1
    assert world.turns == 1


LOADS = st.builds(
    Load,
    at=st.just(0),
    waiting=st.integers(0, 100_000),
    oldest_age_s=st.floats(0, 1000),
    done_per_s=st.floats(0, 5000),
    each_per_s=st.floats(0, 5000),
    processes=st.integers(0, 20),
    allowed_per_s=st.none() | st.floats(0, 10_000),
)


def looks_of(loads: list[Load]) -> list[Load]:
    return [
        Load(1000 * (second + 1), load.waiting, load.oldest_age_s, load.done_per_s, load.each_per_s, load.processes,
             load.allowed_per_s)
        for second, load in enumerate(loads)
    ]  # fmt: skip


@given(st.lists(LOADS, min_size=1, max_size=20), st.integers(1, 5), st.integers(0, 10))
def test_always_within_bounds(loads: list[Load], floor: int, more: int) -> None:
    """Whatever is seen, the number is neither below the floor nor over the ceiling."""
    bounds = Bounds(floor, floor + more, 5.0, 10.0)
    course = begun(bounds, 0)
    for look in looks_of(loads):
        course = next_course(course, look, bounds)
        assert bounds.floor <= course.desired <= bounds.ceiling


@given(st.lists(LOADS, min_size=1, max_size=20))
def test_never_beyond_what_the_rate_can_use(loads: list[Load]) -> None:
    """A pool of senders grows only as far as there are tokens for."""
    course = begun(BOUNDS, 0)
    for look in looks_of(loads):
        was, course = course, next_course(course, look, BOUNDS)
        if look.allowed_per_s is not None and course.desired > was.desired and course.why != "late":
            assert course.desired <= math.ceil(
                look.allowed_per_s / (max(course.best_per_s, 0.1) if course.best_per_s else 500.0)
            )


@given(st.lists(LOADS, min_size=2, max_size=30))
def test_it_never_shrinks_while_late_or_soon_after_growing(loads: list[Load]) -> None:
    """What was needed within `calm_s` is not taken away, and nothing is while something waits too long."""
    bounds = Bounds(1, 10, 5.0, 10.0)
    course = begun(bounds, 0)
    grown_at = 0
    for look in looks_of(loads):
        was, course = course, next_course(course, look, bounds)
        if course.desired > was.desired:
            grown_at = look.at
        if course.desired < was.desired:
            assert look.waiting == 0 or look.oldest_age_s <= bounds.target_age_s
            assert look.at - grown_at >= 10_000


@settings(max_examples=30)
@given(st.integers(1, 20), st.floats(0, 3000), st.floats(20, 1000))
def test_a_steady_load_has_a_steady_pool(processes: int, arriving: float, each: float) -> None:
    """No flapping: under the same load the number changes direction at most once, and then stands still."""
    bounds = Bounds(1, 20, 5.0, 20.0)
    world = World(each, bounds, course=Course(processes, 0, 0, 0.0, 0.0, 0, ())).run([arriving] * 90)
    assert world.turns <= 1
    assert len(set(world.sizes[60:])) == 1


def test_what_is_remembered_stays_small() -> None:
    """However often it is looked, within `calm_s` only changes are kept."""
    looks = [Load(100 * number, 0, done_per_s=10, each_per_s=100) for number in range(1, 2000)]
    assert len(after(*looks).enough) <= 4
