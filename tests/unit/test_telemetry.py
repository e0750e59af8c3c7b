"""Metrics: what is counted once a batch says the same as if it had been counted one by one; bugs in the log count."""

from __future__ import annotations

from prometheus_client import REGISTRY, CollectorRegistry, Histogram

from heliograph import telemetry
from heliograph.core.lifecycle import Event
from heliograph.core.model import Level
from heliograph.logs import count_bugs


def value(sample: str, **labels: str) -> float:
    """0 where there is no such series yet."""
    return REGISTRY.get_sample_value(sample, labels) or 0.0


def test_many_at_once_count_like_one_by_one() -> None:
    """Buckets with their upper bounds included, sum and count: Prometheus' cumulative histogram."""
    registry = CollectorRegistry()
    one_by_one = Histogram("one", "", buckets=(0.1, 1.0), registry=registry)
    at_once = Histogram("many", "", buckets=(0.1, 1.0), registry=registry)
    for seconds, count in ((0.05, 3), (0.1, 2), (0.7, 4), (5.0, 1)):
        telemetry.observe(at_once, seconds, count)
        for _ in range(count):
            one_by_one.observe(seconds)
    for bound in ("0.1", "1.0", "+Inf"):
        expected = registry.get_sample_value("one_bucket", {"le": bound})
        assert registry.get_sample_value("many_bucket", {"le": bound}) == expected
    assert registry.get_sample_value("many_count") == 10
    assert abs((registry.get_sample_value("many_sum") or 0) - (registry.get_sample_value("one_sum") or 0)) < 1e-9


def test_a_stage_says_what_left_it() -> None:
    """Per stage, channel and level."""
    stage = telemetry.Stage("test-worker", "push")
    stage.took(Level.P0, 0.02)
    stage.ended(Level.P0, "done", 5)
    stage.ended(Level.P0, "done", 2)
    stage.left(Level.P0, 4.0, 7)
    labels = {"stage": "test-worker", "channel": "push", "level": "p0"}
    assert value("heliograph_stage_items_total", **labels, outcome="done") == 7
    assert value("heliograph_stage_duration_seconds_count", **labels) == 1
    assert value("heliograph_stage_latency_seconds_bucket", **labels, le="2.5") == 0
    assert value("heliograph_stage_latency_seconds_bucket", **labels, le="5.0") == 7
    assert value("heliograph_stage_last_processed_timestamp_seconds", stage="test-worker", channel="push") > 0


def test_only_ends_are_counted_as_ends() -> None:
    """By channel; a device's id is no label."""
    before = value("heliograph_terminal_total", channel="push", state="sent")
    telemetry.count_ends([
        Event(tenant="t", notification_id="n", at=1, kind="sent", target="push:dev_1"),
        Event(tenant="t", notification_id="n", at=1, kind="sent", target="push:dev_2"),
        Event(tenant="t", notification_id="n", at=1, kind="sending", target="push:dev_2"),
        Event(tenant="t", notification_id="n", at=1, kind="opened", target="email"),
    ])  # fmt: skip
    assert value("heliograph_terminal_total", channel="push", state="sent") == before + 2
    assert value("heliograph_terminal_total", channel="email", state="opened") == 0


def test_what_the_log_calls_a_bug_is_counted() -> None:
    """And nothing else is; the line itself stays as it is."""
    before = value("heliograph_invariant_violations_total")
    line = {"event": "bug", "action": "bury", "notification": "ntf_1"}
    assert count_bugs(None, "", line) is line
    count_bugs(None, "", {"event": "batch_failed", "action": "bury"})
    assert value("heliograph_invariant_violations_total") == before + 1
