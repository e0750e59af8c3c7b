"""The pace of an account: never above the rate, P0's share kept, pauses to the millisecond, and back up again."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from heliograph.core import pacing
from heliograph.core.pacing import MARGIN_MS, Pace, PaceRules, fresh, rate_at, slowed, take
from tests.unit.given import T0

SETTINGS = settings(max_examples=150, deadline=None, database=None)
TEN = PaceRules(10.0)
FCM = PaceRules(600.0, kept=0.0, restart=0.0, pause_s=60.0, least_pause_s=10.0)
RULES = st.builds(
    PaceRules, st.floats(0.05, 20_000), reserve=st.floats(0, 0.5), kept=st.floats(0, 1), restart=st.floats(0, 1),
    ramp_s=st.floats(1, 120), pause_s=st.floats(0, 60), least_pause_s=st.floats(0, 20),
)  # fmt: skip


def taken(pace: Pace, rules: PaceRules, wanted: int, now: int, *, urgent: bool = True) -> tuple[Pace, int]:
    pace, got = pacing.take(pace, rules, wanted, urgent, now)
    return pace, got.count


def test_a_bucket_begins_full_and_holds_one_second() -> None:
    """One second's worth at once, then none until time goes by, never more than that however long one waits."""
    pace, count = taken(pacing.fresh(TEN, T0), TEN, 100, T0)
    assert count == 10
    pace, got = pacing.take(pace, TEN, 100, True, T0)
    assert (got.count, got.wait_s) == (0, pytest.approx(0.1))
    assert taken(pace, TEN, 100, T0 + 3_600_000)[1] == 10


def test_no_more_than_wanted() -> None:
    """What isn't taken stays."""
    pace, counts = pacing.fresh(TEN, T0), []
    for _ in range(4):
        pace, count = taken(pace, TEN, 4, T0)
        counts.append(count)
    assert counts == [4, 4, 2, 0]


def test_rates_below_one_a_second() -> None:
    """One every ten seconds is a rate too, and then nobody can have a share of a token."""
    slow = PaceRules(0.1)
    pace, count = taken(pacing.fresh(slow, T0), slow, 5, T0, urgent=False)
    assert count == 1
    pace, got = pacing.take(pace, slow, 5, False, T0 + 4_000)
    assert (got.count, got.wait_s) == (0, pytest.approx(6.0))
    assert taken(pace, slow, 5, T0 + 10_000, urgent=False)[1] == 1


def test_a_share_is_p0s_own() -> None:
    """P1 and P2 stop at the reserve; a P0 that comes then goes at once."""
    pace, count = taken(pacing.fresh(TEN, T0), TEN, 100, T0, urgent=False)
    assert count == 8
    pace, got = pacing.take(pace, TEN, 1, False, T0 + 50)
    assert (got.count, got.wait_s) == (0, pytest.approx(0.05))
    pace, count = taken(pace, TEN, 100, T0 + 50)
    assert count == 2


def test_a_pause_is_kept_and_the_rate_is_halved() -> None:
    """Nothing before the time that was asked for, not even a P0; then half the rate, and the whole again in time."""
    pace = pacing.slowed(pacing.fresh(TEN, T0), TEN, 30.0, T0, T0)
    until = T0 + 30_000 + MARGIN_MS
    _, got = pacing.take(pace, TEN, 1, True, until - 1)
    assert (got.count, got.wait_s) == (0, 0.001)
    assert [pacing.rate_at(pace, TEN, until + ms) for ms in (-1, 0, 15_000, 30_000, 90_000)] == [0, 5, 7.5, 10, 10]
    assert taken(pace, TEN, 5, until)[1] == 0, "what was in the bucket is gone"


def test_a_crowd_of_refusals_lowers_the_rate_once() -> None:
    """A hundred calls were under way together: the first answer is news, the others only keep the pause."""
    pace = pacing.slowed(pacing.fresh(TEN, T0), TEN, 2.0, T0, T0 + 10)
    for late in range(20, 120):
        pace = pacing.slowed(pace, TEN, 2.0, T0, T0 + late)
    assert pacing.rate_at(pace, TEN, pace.since) == 5
    assert pace.since == T0 + 119 + 2_000 + MARGIN_MS
    again = pacing.slowed(pace, TEN, 2.0, pace.since, pace.since)
    assert pacing.rate_at(again, TEN, again.since) == 2.5


@pytest.mark.parametrize(("asked", "least_s"), [(None, 60), (1.0, 10), (30.0, 30)])
def test_fcm_waits_and_begins_anew(asked: float | None, least_s: float) -> None:
    """Never sooner than 10 s, 60 s where nothing was asked; then from 0 to the peak over 60 s."""
    pace = pacing.slowed(pacing.fresh(FCM, T0), FCM, asked, T0, T0)
    assert pace.since == T0 + least_s * 1000 + MARGIN_MS
    assert [pacing.rate_at(pace, FCM, pace.since + s * 1000) for s in (0, 6, 30, 60, 90)] == [0, 60, 300, 600, 600]
    total = 0
    for tick in range(600):
        pace, count = taken(pace, FCM, 10_000, pace.since + tick * 100)
        total += count
    assert total == pytest.approx(600 * 60 / 2, rel=0.02)


def test_after_an_outage_fcm_begins_anew_and_others_go_on() -> None:
    """`restart` of the ceiling, unless it was slower before."""
    assert pacing.restarted(pacing.fresh(TEN, T0), TEN, T0 + 9) == pacing.fresh(TEN, T0)
    pace = pacing.restarted(pacing.fresh(FCM, T0), FCM, T0 + 9)
    assert (pace.tokens, pacing.rate_at(pace, FCM, T0 + 9)) == (0, 0)


def test_clocks_that_differ() -> None:
    """A clock that is behind adds nothing twice; one that was an hour ahead stops nobody for an hour."""
    pace, _ = taken(pacing.fresh(TEN, T0 + 500), TEN, 10, T0 + 500)
    assert taken(pace, TEN, 10, T0)[1] == 0
    wrong, _ = taken(pacing.fresh(TEN, T0), TEN, 10, T0 + 3_600_000)
    wrong, _ = taken(wrong, TEN, 10, T0)
    assert taken(wrong, TEN, 10, T0 + 1_000)[1] == 10


def test_the_stricter_of_two_sides_counts() -> None:
    """One side heard of a pause while the cache was away, the other used up the tokens."""
    paused = pacing.slowed(pacing.fresh(TEN, T0), TEN, 5.0, T0, T0)
    empty, _ = taken(pacing.fresh(TEN, T0), TEN, 10, T0 + 7)
    for both in (pacing.stricter(paused, empty), pacing.stricter(empty, paused)):
        assert (both.since, both.tokens, both.at, both.rate) == (paused.since, 0, T0 + 7, 5)


def test_unused_tokens_are_in_the_bucket_again() -> None:
    """Never more than it holds; and none that were taken before the provider asked for silence."""
    pace, _ = taken(pacing.fresh(TEN, T0), TEN, 10, T0)
    assert pacing.given_back(pace, TEN, 4, T0, T0).tokens == 4
    assert pacing.given_back(pace, TEN, 4, T0, T0 + 300).tokens == 7
    assert pacing.given_back(pace, TEN, 40, T0, T0).tokens == 10
    paused = pacing.slowed(pace, TEN, 5.0, T0, T0)
    assert pacing.given_back(paused, TEN, 4, T0, T0 + 6_000) == paused


@SETTINGS
@given(RULES, st.lists(st.tuples(st.integers(0, 3_000), st.integers(1, 500), st.booleans()), max_size=60), st.data())
def test_never_above_the_rate(rules: PaceRules, steps: list[tuple[int, int, bool]], data: st.DataObject) -> None:
    """Whatever is taken and refused, in any order: no more than the rate allows plus one bucket, nothing in a pause,
    and what P2 leaves is P0's."""
    pace, now, since, granted = pacing.fresh(rules, T0), T0, T0, 0.0
    for pass_ms, wanted, urgent in steps:
        now += pass_ms
        if data.draw(st.integers(0, 9)) == 0:
            pace = pacing.slowed(pace, rules, data.draw(st.none() | st.floats(0, 5)), now, now)
        before = pace
        pace, count = taken(pace, rules, wanted, now, urgent=urgent)
        assert 0 <= count <= wanted
        unused = data.draw(st.integers(0, count))
        count -= unused
        pace = pacing.given_back(pace, rules, unused, now, now)
        assert now >= before.since or count == 0
        granted += count
        assert granted <= rules.ceiling * (now - since) / 1000 + max(1.0, rules.ceiling) + 1e-6
        if count and not urgent:
            share = int(max(1.0, pacing.rate_at(pace, rules, now)) * rules.reserve)
            assert pacing.tokens_at(pace, rules, now) >= share - 1e-6


@SETTINGS
@given(RULES, st.integers(0, 90_000), st.booleans())
def test_the_wait_is_until_the_next_token(rules: PaceRules, later_ms: int, urgent: bool) -> None:
    """A caller that asks again just before it was told gets none: nobody polls in vain for long."""
    pace = pacing.slowed(pacing.fresh(rules, T0), rules, 1.0, T0, T0)
    now = pace.since + later_ms
    pace, _ = pacing.take(pace, rules, 10**9, urgent, now)
    pace, got = pacing.take(pace, rules, 1, urgent, now)
    assert got.count == 0
    soon = now + int(got.wait_s * 1000 * 0.99) - 1
    assert soon <= now or pacing.take(pace, rules, 1, urgent, soon)[1].count == 0


class Bucket(RuleBasedStateMachine):
    """A bucket against the plainest model there is: whoever counts what was granted in any second, and when it was told
    to stop, never sees more than the ceiling allows, nor anything in a pause."""

    def __init__(self) -> None:
        super().__init__()
        self.rules = PaceRules(10.0, reserve=0.2, ramp_s=5.0)
        self.now = T0
        self.pace = fresh(self.rules, T0)
        self.granted: list[tuple[int, int]] = []
        self.paused_until = 0

    @rule(ms=st.integers(1, 3_000))
    def time_passes(self, ms: int) -> None:
        self.now += ms

    @rule(wanted=st.integers(1, 30), urgent=st.booleans())
    def calls_begin(self, wanted: int, urgent: bool) -> None:
        self.pace, taken = take(self.pace, self.rules, wanted, urgent, self.now)
        assert 0 <= taken.count <= wanted
        assert (taken.count > 0) != (taken.wait_s > 0), "either tokens or a time to wait for them"
        if taken.count:
            assert self.now >= self.paused_until
            self.granted.append((self.now, taken.count))

    @rule(after_s=st.one_of(st.none(), st.floats(0.01, 5)), ago_ms=st.integers(0, 500))
    def the_provider_says_slower(self, after_s: float | None, ago_ms: int) -> None:
        before = rate_at(self.pace, self.rules, max(self.now, self.pace.since))
        self.pace = slowed(self.pace, self.rules, after_s, self.now - ago_ms, self.now)
        self.paused_until = max(self.paused_until, self.now + round(1000 * (1.0 if after_s is None else after_s)))
        assert rate_at(self.pace, self.rules, self.pace.since) <= before + 1e-9

    @invariant()
    def never_more_than_the_ceiling(self) -> None:
        """In any stretch that ends now: a full bucket at its start, and the ceiling's worth for as long as it took."""
        total = 0
        for at, count in reversed(self.granted):
            total += count
            assert total <= self.rules.ceiling * (1 + (self.now - at) / 1000) + 1

    @invariant()
    def nothing_is_lost_for_ever(self) -> None:
        """After the pause and a ramp, P0 gets a token."""
        later = max(self.now, self.pace.since) + 10_000
        assert take(self.pace, self.rules, 1, True, later)[1].count == 1


TestBucket = Bucket.TestCase
TestBucket.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
