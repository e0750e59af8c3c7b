"""When to try again: within bounds, never sooner than asked, never once too often."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.core.outcomes import (
    Misconfigured,
    ProviderOutcome,
    Rejected,
    Throttled,
    Unavailable,
    Unregistered,
)
from heliograph.core.retry import GiveUp, RetryPolicy, TryAgain, after_failure
from tests.unit.given import T0

SETTINGS = settings(max_examples=100, deadline=None, database=None)
POLICIES = st.builds(
    RetryPolicy,
    base_s=st.floats(0.01, 60),
    ceiling_s=st.floats(1, 7200),
    max_attempts=st.integers(1, 12),
)
DRAWS = st.floats(0, 1, exclude_max=True)
ASKED = st.none() | st.floats(0, 100_000)
TRANSIENT: st.SearchStrategy[ProviderOutcome] = st.one_of(
    st.builds(Throttled, st.just("slow down"), ASKED),
    st.builds(Unavailable, st.just("503"), ASKED, st.booleans()),
    st.builds(Misconfigured, st.just("401")),
)


@SETTINGS
@given(POLICIES, st.integers(1, 1_000_000), DRAWS)
def test_a_backoff_is_between_nothing_and_its_ceiling(policy: RetryPolicy, attempt: int, draw: float) -> None:
    """Full jitter: from 0 to base doubled with every attempt, and never above the ceiling, whatever the attempt."""
    wait_s = policy.backoff_s(attempt, lambda: draw)
    assert 0 <= wait_s <= policy.ceiling_s
    assert wait_s <= policy.base_s * 2.0 ** min(attempt - 1, 60)


@SETTINGS
@given(POLICIES, st.integers(1, 15), TRANSIENT, DRAWS)
def test_it_gives_up_exactly_at_the_last_attempt(
    policy: RetryPolicy, attempt: int, outcome: ProviderOutcome, draw: float
) -> None:
    """`max_attempts` counts the first one: that many tries, no more and no fewer."""
    decision = after_failure(policy, attempt, outcome, T0, lambda: draw)
    assert isinstance(decision, GiveUp) == (attempt >= policy.max_attempts)
    assert decision.cause == getattr(outcome, "cause", "")


@SETTINGS
@given(POLICIES, st.floats(0, 1_000_000), st.sampled_from([Throttled, Unavailable]), DRAWS)
def test_a_retry_after_is_never_undercut_nor_much_overdone(
    policy: RetryPolicy, asked_s: float, kind: type[Throttled | Unavailable], draw: float
) -> None:
    """Not one millisecond sooner than the provider asked; the jitter on top is that of a first retry."""
    forever = RetryPolicy(policy.base_s, policy.ceiling_s, 100)
    decision = after_failure(forever, 3, kind("busy", asked_s), T0, lambda: draw)
    assert isinstance(decision, TryAgain)
    assert decision.at >= T0 + asked_s * 1000
    assert decision.at <= T0 + (asked_s + min(policy.base_s, policy.ceiling_s)) * 1000 + 1


@pytest.mark.parametrize(
    "outcome", [Rejected("no such user"), Rejected("bounce", bad_address=True), Unregistered("gone")]
)
def test_a_permanent_failure_is_final_at_once(outcome: ProviderOutcome) -> None:
    """What will never be taken isn't tried again."""
    assert after_failure(RetryPolicy(), 1, outcome, T0, lambda: 0.5) == GiveUp(getattr(outcome, "cause", ""))


def test_the_default_ceiling_doubles() -> None:
    """The full draw shows the schedule: 2, 4, 8 … seconds, at most an hour."""
    policy = RetryPolicy()
    assert [policy.backoff_s(n, lambda: 1.0) for n in (1, 2, 3, 11, 12, 1000)] == [2, 4, 8, 2048, 3600, 3600]
