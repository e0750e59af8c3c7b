"""When to try again: within bounds, never sooner than asked, never once too often."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from heliograph.core.model import Level
from heliograph.core.outcomes import (
    Held,
    Misconfigured,
    ProviderOutcome,
    Rejected,
    Throttled,
    Unavailable,
    Unregistered,
)
from heliograph.core.retry import GiveUp, RetryPolicy, TryAgain, after_failure, excuses
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


@pytest.mark.parametrize(
    ("level", "unknown", "least_s"),
    [(Level.P0, True, 0), (Level.P1, True, 60), (Level.P2, True, 60), (Level.P2, False, 0)],
)
def test_a_doubtful_mail_waits_for_word_of_it(level: Level, unknown: bool, least_s: int) -> None:
    """It may have arrived: only P0 is worth a second copy at once."""
    policy = RetryPolicy(2, 60, 8, resend_unknown=frozenset({Level.P0}), unknown_hold_s=60)
    decision = after_failure(policy, 1, Unavailable("503", unknown=unknown), T0, lambda: 0.5, level=level)
    assert isinstance(decision, TryAgain)
    assert decision.at == T0 + least_s * 1000 + 1_000
    asked = after_failure(policy, 1, Unavailable("503", 90, unknown=unknown), T0, lambda: 0.5, level=level)
    assert isinstance(asked, TryAgain)
    assert asked.at == T0 + 91_000, "what the provider asked for holds in any case"


@pytest.mark.parametrize(
    ("outcome", "is_open", "excused"),
    [
        (Misconfigured("401"), False, True),
        (Misconfigured("401", alone=True), True, False),
        (Held("open"), False, True),
        (Throttled("429", 30), False, True),
        (Throttled("smtp 451 4.3.0"), False, False),
        (Throttled("429", 30, alone=True), True, False),
        (Unavailable("503"), False, False),
        (Unavailable("503"), True, True),
        (Unavailable("452 4.2.2", alone=True), True, False),
        (Rejected("550"), True, False),
    ],
)
def test_what_excuses_an_attempt(outcome: ProviderOutcome, is_open: bool, excused: bool) -> None:
    """Trouble of the provider's account; never what concerns this recipient alone."""
    assert excuses(outcome, is_open) is excused


def test_an_excused_failure_waits_in_its_lane() -> None:
    """The breaker spaces the probes: with a backoff of its own an urgent one would miss the moment when that closes.
    A time that was asked for holds."""
    decision = after_failure(RetryPolicy(), 1, Unavailable("503"), T0, lambda: 0.9, excused=True)
    assert decision == TryAgain(T0, "503")
    asked = after_failure(RetryPolicy(), 1, Unavailable("503", 7), T0, lambda: 0.0, excused=True)
    assert asked == TryAgain(T0 + 7_000, "503")


@pytest.mark.parametrize("outcome", [Misconfigured("401"), Throttled("429"), Unavailable("503"), Held("open")])
def test_an_excused_attempt_is_never_the_last(outcome: ProviderOutcome) -> None:
    """However many there were; but what is refused for good is refused."""
    policy = RetryPolicy(max_attempts=2)
    assert isinstance(after_failure(policy, 99, outcome, T0, lambda: 0.5, excused=True), TryAgain)
    assert isinstance(after_failure(policy, 99, outcome, T0, lambda: 0.5), GiveUp)
    assert isinstance(after_failure(policy, 1, Rejected("550"), T0, lambda: 0.5, excused=True), GiveUp)


class OneItem(RuleBasedStateMachine):
    """An item against a plain model of it: a count of failures that were its own, and the earliest time of the next."""

    def __init__(self) -> None:
        super().__init__()
        self.policy = RetryPolicy(base_s=2.0, ceiling_s=60.0, max_attempts=4)
        self.now = T0
        self.counted = 0
        self.due = T0
        self.dead = False

    @precondition(lambda self: not self.dead)
    @rule(outcome=TRANSIENT, draw=DRAWS, is_open=st.booleans(), late_ms=st.integers(0, 10_000))
    def it_fails(self, outcome: ProviderOutcome, draw: float, is_open: bool, late_ms: int) -> None:
        self.now = max(self.now, self.due) + late_ms
        excused = excuses(outcome, is_open)
        found = after_failure(self.policy, self.counted + 1, outcome, self.now, lambda: draw, excused=excused)
        self.counted += not excused
        self.dead = isinstance(found, GiveUp)
        assert self.dead == (self.counted >= self.policy.max_attempts and not excused)
        if isinstance(found, TryAgain):
            asked_s = getattr(outcome, "after_s", None)
            most_s = (asked_s + self.policy.base_s) if asked_s is not None else self.policy.ceiling_s
            assert self.now + 1000 * (asked_s or 0) <= found.at <= self.now + 1000 * most_s + 1
            self.due = found.at

    @precondition(lambda self: not self.dead)
    @rule(outcome=st.sampled_from([Rejected("550"), Unregistered("gone")]))
    def it_is_refused(self, outcome: ProviderOutcome) -> None:
        """For good, whatever the count says."""
        self.dead = isinstance(after_failure(self.policy, self.counted + 1, outcome, self.now, float), GiveUp)
        assert self.dead

    @precondition(lambda self: self.dead)
    @rule()
    def it_is_replayed(self) -> None:
        """A dead letter that is replayed has all its attempts again."""
        self.counted, self.dead = 0, False

    @invariant()
    def never_more_attempts_than_allowed(self) -> None:
        assert self.counted <= self.policy.max_attempts


TestOneItem = OneItem.TestCase
TestOneItem.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
