"""The one timer of a node."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from heliograph.roles.realtime.wheel import Wheel


class Waiting:
    def __init__(self) -> None:
        self.slot: int | None = None


delays = st.lists(st.floats(0, 100), min_size=1, max_size=20)
steps = st.lists(st.floats(0.01, 40), min_size=1, max_size=30)


@given(delays, steps, st.floats(0, 1000))
def test_woken_once_never_early_never_late(delays: list[float], steps: list[float], start: float) -> None:
    """Each entry is woken exactly once: not before its time, and by the first look two resolutions after it."""
    wheel: Wheel[Waiting] = Wheel(0.25, start)
    entries = [Waiting() for _ in delays]
    for entry, delay in zip(entries, delays, strict=True):
        wheel.schedule(entry, delay)
    woken: dict[int, float] = {}
    now = start
    for step in [*steps, 200.0]:
        now += step
        for entry in wheel.advance(now):
            assert entries.index(entry) not in woken
            woken[entries.index(entry)] = now
        for place, delay in enumerate(delays):
            if now > start + delay + 0.5001:
                assert place in woken
    assert all(woken[place] >= start + delay - 1e-6 for place, delay in enumerate(delays))
    assert len(woken) == len(entries)


def test_scheduling_again_replaces() -> None:
    """Only the latest time counts; a cancelled entry is never woken."""
    wheel: Wheel[Waiting] = Wheel(1.0, 0.0)
    moved, cancelled = Waiting(), Waiting()
    wheel.schedule(moved, 2)
    wheel.schedule(moved, 10)
    wheel.schedule(cancelled, 2)
    wheel.cancel(cancelled)
    wheel.cancel(cancelled)
    assert wheel.advance(8.0) == []
    assert wheel.advance(20.0) == [moved]


def test_earliest_first() -> None:
    """After a pause of the process everybody is woken in the order of their times."""
    wheel: Wheel[Waiting] = Wheel(1.0, 0.0)
    entries = [Waiting() for _ in range(3)]
    for entry, delay in zip(entries, (5, 50, 1), strict=True):
        wheel.schedule(entry, delay)
    assert wheel.advance(1000.0) == [entries[2], entries[0], entries[1]]


def test_a_clock_that_goes_back_wakes_nobody() -> None:
    wheel: Wheel[Waiting] = Wheel(1.0, 100.0)
    entry = Waiting()
    wheel.schedule(entry, 5)
    assert wheel.advance(50.0) == []
    assert wheel.advance(107.0) == [entry]
