"""The retry budget: a fifth of the first attempts and a little, whatever fails and for how long."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.core import budget
from tests.unit.given import T0

SETTINGS = settings(max_examples=150, deadline=None, database=None)
STEPS = st.lists(st.tuples(st.integers(0, 2_000), st.integers(0, 50), st.integers(0, 50)), max_size=50)


@SETTINGS
@given(st.floats(0.1, 10_000), STEPS)
def test_retries_are_a_fifth_of_first_attempts(rate: float, steps: list[tuple[int, int, int]]) -> None:
    """At every moment, in any order: no more than the share, a retry a second, and what may be saved at the start."""
    rules = budget.budget_rules(rate)
    state, now, first, retries = budget.opening_credit(T0), T0, 0, 0
    for pass_ms, begun, wanted in steps:
        now += pass_ms
        state = budget.earned(state, rules, begun, now)
        first += begun
        for _ in range(wanted):
            left = budget.spent(state)
            retries += left is not None
            state = left or state
        assert retries <= 0.2 * first + (now - T0) / 1000 + 10 + 1e-6
        assert 0 <= state.credit <= rules.most


def test_what_was_earned_long_ago_is_gone() -> None:
    """A quiet hour of successes doesn't pay for a storm: ten seconds' worth can be saved."""
    rules = budget.budget_rules(100)
    state = budget.earned(budget.opening_credit(T0), rules, 360_000, T0 + 3_600_000)
    assert state.credit == 10 + 0.2 * 100 * 10


def test_a_quiet_installation_goes_on() -> None:
    """Without any first attempt there is one retry a second; a clock that goes back earns nothing."""
    rules = budget.budget_rules(0.5)
    state = budget.earned(budget.Budget(0.0, T0), rules, 0, T0 + 999)
    assert budget.spent(state) is None
    assert budget.spent(budget.earned(state, rules, 0, T0 + 1_000)) is not None
    assert budget.earned(state, rules, 0, T0).credit == state.credit
