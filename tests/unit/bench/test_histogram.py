"""Percentiles of log-linear buckets against those of the sorted values themselves."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from heliograph.bench.histogram import Histogram

Values = st.lists(st.integers(0, 10**11), min_size=1, max_size=200)


@given(Values, st.sampled_from([1.0, 50.0, 90.0, 99.0, 100.0]))
def test_a_percentile_is_at_most_a_bucket_above_the_value_it_stands_for(nanoseconds: list[int], percent: float) -> None:
    ordered = sorted(value // 1000 for value in nanoseconds)
    exact = ordered[max(1, math.ceil(percent / 100 * len(ordered))) - 1]

    found = Histogram.of_ns(nanoseconds).percentile_ms(percent) * 1000

    assert exact - 0.5 <= found <= exact * (1 + 1 / 128) + 0.5


@given(Values, Values)
def test_two_histograms_add_up_to_that_of_all_values(some: list[int], others: list[int]) -> None:
    together = Histogram.of_ns(some) + Histogram.of_ns(others)

    assert together.to_json() == Histogram.of_ns([*some, *others]).to_json()
    assert together.total == len(some) + len(others)
    assert Histogram.of_json(together.to_json()).summary_ms() == together.summary_ms()


def test_nothing_measured_is_zero() -> None:
    assert Histogram().percentile_ms(99) == 0
    assert list(Histogram().curve_ms()) == []
