"""Quotas: never more than a window's worth and what was earned since, nobody locked out, no count lost at midnight."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from heliograph.core.quota import Exceeded, Quota, Usage, spend

DAY = 86_400_000
NOON = 20_000 * DAY + DAY // 2


def run(quota: Quota, *steps: tuple[int, int]) -> list[Exceeded | None]:
    """What each of (milliseconds since noon, notifications) is answered."""
    usage, answers = Usage(), []
    for at, count in steps:
        usage, answer = spend(usage, quota, count, NOON + at)
        answers.append(answer)
    return answers


def test_a_rate_allows_a_window_at_once_and_then_as_it_is_earned() -> None:
    """10 a second: ten at once, the eleventh a tenth of a second later."""
    answers = run(Quota(10), *[(0, 1)] * 11, (99, 1), (100, 1), (101, 1), (10_000, 1))
    assert answers == [None] * 10 + [Exceeded("rate", 1)] * 2 + [None, Exceeded("rate", 1), None]


def test_a_request_larger_than_the_window_goes_and_is_paid_for() -> None:
    """A list of 1,000 at 100 a second: the next one waits for what it cost, and is told how long."""
    assert run(Quota(100), (0, 1_000), (0, 1), (8_000, 1), (9_009, 1), (9_010, 1)) == [
        None, Exceeded("rate", 10), Exceeded("rate", 2), Exceeded("rate", 1), None,
    ]  # fmt: skip


def test_a_day_begins_at_midnight_utc() -> None:
    """Until then, and to the second; what was refused counts nothing."""
    half_day = DAY // 2
    answers = run(Quota(daily=5), (0, 3), (0, 3), (0, 2), (half_day - 1_500, 1), (half_day, 5), (half_day, 1))
    assert answers == [None, Exceeded("daily", 43_200), None, Exceeded("daily", 2), None, Exceeded("daily", 86_400)]


def test_a_clock_that_was_wrong_locks_nobody_out() -> None:
    """A year ahead, once: the next request by the right clock goes."""
    usage, _ = spend(Usage(), Quota(10), 1, NOON + 365 * DAY)
    assert spend(usage, Quota(10), 1, NOON)[1] is None


@given(
    st.floats(0.1, 1_000), st.sampled_from([1.0, 60.0]),
    st.lists(st.tuples(st.integers(0, 5_000), st.integers(1, 50)), max_size=60),
)  # fmt: skip
def test_never_more_than_the_window_and_what_was_earned(
    rate: float, window_s: float, steps: list[tuple[int, int]]
) -> None:
    """In any stretch of time, but for the last request that was let through whole; and whoever waits as long as told
    is let through."""
    quota, usage, now = Quota(rate, window_s), Usage(), NOON
    taken = largest = 0
    for wait_ms, count in steps:
        now += wait_ms
        usage, exceeded = spend(usage, quota, count, now)
        if exceeded:
            assert spend(usage, quota, count, now + exceeded.retry_after_s * 1000)[1] is None
        else:
            taken, largest = taken + count, max(largest, count)
    assert taken <= max(1, rate * window_s) + rate * (now - NOON) / 1000 + largest + 1e-6
