"""When a process is full, and for whom first."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.core.admission import Load, Marks, admits, fullness
from heliograph.core.model import Level

MARKS = Marks(requests=100, bytes=1_000, lag_s=2.0)
LOADS = st.builds(Load, st.integers(0, 200), st.integers(0, 2_000), st.floats(0, 4))


@pytest.mark.parametrize(
    ("load", "unknown", "p0", "p1", "p2"),
    [
        (Load(), True, True, True, True),
        (Load(79, 799, 1.59), True, True, True, True),
        (Load(80), True, True, False, False),
        (Load(0, 800), True, True, False, False),
        (Load(0, 0, 1.6), True, True, False, False),
        (Load(99, 999, 1.99), True, True, False, False),
        (Load(100), False, False, False, False),
        (Load(0, 1_000), False, False, False, False),
        (Load(0, 0, 2.0), False, False, False, False),
    ],
)
def test_the_last_fifth_is_for_the_most_urgent(load: Load, unknown: bool, p0: bool, p1: bool, p2: bool) -> None:
    """Each mark counts by itself; what isn't known to be of a level is held only by the mark itself."""
    assert [admits(load, MARKS, level) for level in (None, *Level)] == [unknown, p0, p1, p2]


@given(LOADS, LOADS)
def test_more_in_hand_never_admits_more(one: Load, other: Load) -> None:
    """And a more urgent level is admitted wherever a less urgent one is."""
    less, more = sorted((one, other), key=lambda load: fullness(load, MARKS))
    for level in Level:
        assert admits(less, MARKS, level) >= admits(more, MARKS, level)
        assert admits(one, MARKS, Level.P0) >= admits(one, MARKS, level)
