"""The queue model: nobody is lost, P0 waits for nobody, the pace is kept, an outage is waited out and then drained."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.core.model import Level
from heliograph.sizing.queues import Burst, Course, Outage, Stages, Waited, percentile, simulate

STAGES = Stages(api_s=0.0002, router_s=0.0001, worker_s=0.0002, base_s=0.0, call_s=0.01)


def ends(waited: list[Waited]) -> list[float]:
    return [one.at_s + one.took_s for one in waited]


def test_an_idle_system_takes_its_steps() -> None:
    (one,) = simulate(Course(bursts=[Burst(Level.P1, 1.0, 0.0, 1)], pace=10), STAGES)
    assert one.took_s == pytest.approx(0.0105)


def test_a_crowd_takes_as_long_as_the_pace_wants_and_p0_does_not_care() -> None:
    """1,000 P2 at 100 a second; P0's own share of the bucket is theirs all the time."""
    bursts = [Burst(Level.P2, 0.0, 0.0, 1_000), Burst(Level.P0, 0.5, 5.0, 50)]
    waited = simulate(Course(bursts=bursts, pace=100), STAGES)
    assert Counter(one.level for one in waited) == {Level.P2: 1_000, Level.P0: 50}
    assert percentile(waited, Level.P0, 100) < 0.05
    assert max(ends(waited)) == pytest.approx(1_050 / 100, abs=1.1)


def test_p1_overtakes_p2() -> None:
    bursts = [Burst(Level.P2, 0.0, 0.0, 1_000), Burst(Level.P1, 2.0, 0.0, 100)]
    waited = simulate(Course(bursts=bursts, pace=100), STAGES)
    assert percentile(waited, Level.P1, 100) < 1.2
    assert percentile(waited, Level.P2, 100) > 9


def test_an_outage_is_waited_out() -> None:
    """Nothing goes through an open breaker but probes, the last of which may come half a minute after the end."""
    course = Course(bursts=[Burst(Level.P1, 0.0, 30.0, 300)], outages=[Outage(5.0, 20.0)], pace=100)
    waited = simulate(course, STAGES)
    assert len(waited) == 300
    assert not [end for end in ends(waited) if 6.1 < end < 25.0]
    assert 15 < percentile(waited, Level.P1, 100) < 75


@settings(max_examples=15, deadline=None, database=None)
@given(
    st.lists(
        st.builds(Burst, st.sampled_from(Level), st.floats(0, 5), st.floats(0, 5), st.integers(1, 80)),
        min_size=1,
        max_size=5,
    ),
    st.floats(20, 500),
    st.integers(1, 9),
)
def test_everyone_arrives_once_and_the_pace_is_kept(bursts: list[Burst], pace: float, seed: int) -> None:
    waited = simulate(Course(bursts=bursts, pace=pace, seed=seed), STAGES)
    wanted: Counter[Level] = Counter()
    for burst in bursts:
        wanted[burst.level] += burst.count
    assert Counter(one.level for one in waited) == wanted
    times = sorted(ends(waited))
    whole = times[-1] - times[0]
    assert len(times) <= pace * (whole + 1) + 2
