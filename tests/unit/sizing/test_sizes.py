"""Sizes: enough for the peak, never more senders than the pace can use, and nobody alone."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.sizing.costs import shipped
from heliograph.sizing.sizes import Load, Sizes, sizes

LOADS = st.builds(
    Load, rate=st.floats(0.1, 100_000), peak=st.floats(1, 20), online=st.floats(0, 1),
    sockets=st.integers(0, 1_000_000), devices=st.floats(0, 3),
    pace=st.just(0.0) | st.floats(1, 5_000), busy=st.floats(0.1, 0.9),
    retention_days=st.floats(1, 400),
)  # fmt: skip


def processes(found: Sizes) -> dict[str, int]:
    return {role.name: role.processes for role in found.roles}


def test_a_load_by_hand() -> None:
    """10,000/s at the peak, 155 µs each, of a core that may be busy by half: 1.55 cores are four processes."""
    costs = msgspec.structs.replace(shipped(), accept_us=155.0, route_us=44.0)
    found = processes(sizes(Load(rate=5_000, peak=2, busy=0.5), costs))
    assert (found["api"], found["router"], found["reconciler"]) == (4, 2, 2)


def test_more_senders_than_the_pace_can_use_are_none() -> None:
    free, paced = (processes(sizes(Load(rate=50_000, pace=pace), shipped())) for pace in (0, 100))
    assert free["email-sender"] > 2
    assert paced["email-sender"] == 2


@settings(max_examples=150, deadline=None, database=None)
@given(LOADS)
def test_no_process_is_busier_than_allowed(load: Load) -> None:
    found = sizes(load, shipped())
    assert all(role.cores <= load.busy * role.processes + 1e-9 for role in found.roles)
    assert all(role.processes >= load.least for role in found.roles)
    amounts = [driver.amount for driver in found.drivers] + [one.disk_bytes for one in found.backends]
    assert all(math.isfinite(amount) and amount >= 0 for amount in amounts)


@settings(max_examples=100, deadline=None, database=None)
@given(LOADS, st.floats(1, 10))
def test_more_load_never_needs_less(load: Load, times: float) -> None:
    more = sizes(msgspec.structs.replace(load, rate=load.rate * times), shipped())
    less = sizes(load, shipped())
    assert all(processes(more)[name] >= count for name, count in processes(less).items())
    assert all(a.amount >= b.amount - 1e-6 for a, b in zip(more.drivers, less.drivers, strict=True))


@pytest.mark.parametrize("pace", [0.0, 50.0])
def test_a_month_is_billed_for_what_is_sent(pace: float) -> None:
    found = {one.name: one.amount for one in sizes(Load(rate=100, online=0.25, pace=pace), shipped()).drivers}
    assert found["e-mail"] == min(75.0, pace or math.inf) * 30 * 86_400
