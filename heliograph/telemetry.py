"""What the system says of itself: its logger, and its Prometheus metrics. Every name stands here (docs/metrics.md).

Figures of a process are counted where things happen, once a batch; those of the whole installation (lanes, dead
letters) are read when somebody asks (cli/health.py). Labels have few values: never a tenant, a user or an id.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter as Counted
from collections.abc import Iterable, Mapping
from itertools import product
from typing import Final

import structlog
from prometheus_client import Counter, Gauge, Histogram, Info, disable_created_metrics

from heliograph.core.errors import ERRORS
from heliograph.core.lanes import LANES
from heliograph.core.lifecycle import Event
from heliograph.core.model import Level

disable_created_metrics()  # type: ignore[no-untyped-call]
_FAST: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SLOW: Final = (*_FAST, 30.0, 60.0, 300.0, 1800.0)
"""1, 5 and 60 s are limits of service levels (docs/operations.md): each has its bucket."""

# --- accepting ----------------------------------------------------------------------------------------------------
accepted_total = Counter("heliograph_accepted_total", "Notifications accepted and durable", ["level"])
requests_refused_total = Counter("heliograph_requests_refused_total", "Requests answered 4xx or 5xx", ["code"])
accept_seconds = Histogram("heliograph_accept_seconds", "Request to durable", buckets=_FAST)
publish_failed_total = Counter("heliograph_publish_failed_total", "Items left to the reconciler", ["lane"])

# --- stages -------------------------------------------------------------------------------------------------------
stage_items_total = Counter(
    "heliograph_stage_items_total", "Items a stage ended", ["stage", "channel", "level", "outcome"]
)
stage_duration_seconds = Histogram(
    "heliograph_stage_duration_seconds", "One batch in a stage", ["stage", "channel", "level"], buckets=_FAST
)
stage_latency_seconds = Histogram(
    "heliograph_stage_latency_seconds", "Accepted to leaving a stage", ["stage", "channel", "level"], buckets=_SLOW
)
stage_last_at = Gauge(
    "heliograph_stage_last_processed_timestamp_seconds", "When a stage last ended a batch", ["stage", "channel"]
)
terminal_total = Counter("heliograph_terminal_total", "Ends of deliveries, as recorded", ["channel", "state"])

# --- providers ----------------------------------------------------------------------------------------------------
provider_attempts_total = Counter("heliograph_provider_attempts_total", "Calls to a provider", ["provider", "outcome"])
provider_tokens = Gauge("heliograph_provider_tokens_available", "Calls that may begin at once", ["provider"])
provider_rate = Gauge("heliograph_provider_rate", "Calls a second that are allowed now", ["provider"])
breaker_open = Gauge("heliograph_provider_breaker_open", "1 while the breaker is open", ["provider", "cause"])
breaker_opened_total = Counter("heliograph_provider_breaker_opened_total", "Breakers opened", ["provider"])
retry_budget_exhausted_total = Counter(
    "heliograph_retry_budget_exhausted_total", "Retries that had to wait for the retry budget", ["provider", "level"]
)
webhook_events_total = Counter("heliograph_webhook_events_total", "Provider events", ["provider", "event"])

# --- the installation ---------------------------------------------------------------------------------------------
lane_depth = Gauge("heliograph_queue_messages", "Notifications waiting", ["queue", "level"])
lane_in_flight = Gauge("heliograph_queue_in_flight", "Notifications in a worker's hands", ["queue", "level"])
lane_oldest = Gauge("heliograph_queue_oldest_age_seconds", "Age of the oldest message", ["queue", "level"])
dead_letters = Gauge("heliograph_dlq_messages", "Dead letters")
reconciler_republished_total = Counter(
    "heliograph_reconciler_republished_total", "What the reconciler handed to a lane again", ["reason"]
)
reconciler_round_at = Gauge(
    "heliograph_reconciler_last_round_timestamp_seconds", "When this process last went through all that was due"
)

swept_total = Counter("heliograph_swept_total", "What was kept long enough and went", ["kind"])
heartbeat_at = Gauge(
    "heliograph_heartbeat_delivered_timestamp_seconds", "When a heartbeat notification last came through"
)
heartbeat_seconds = Gauge("heliograph_heartbeat_seconds", "How long the last one took, accepted to delivered")

# --- this process -------------------------------------------------------------------------------------------------
build = Info("heliograph_build", "What runs here")
backend_up = Gauge("heliograph_backend_up", "1 while this process reaches it", ["backend"])
db_in_use = Gauge("heliograph_db_pool_in_use", "Calls of this process to the store that wait or are being answered")
connections = Gauge("heliograph_ws_connections", "Open WebSockets of this process")
ws_accepted_total = Counter("heliograph_ws_accepted_total", "WebSockets that were opened")
ws_frames_total = Counter("heliograph_ws_frames_total", "Frames of live connections", ["direction"])
ws_slow_closed_total = Counter("heliograph_ws_slow_closed_total", "WebSockets closed because they read too slowly")
loop_lag_seconds = Gauge("heliograph_event_loop_lag_seconds", "How late the event loop woke, worst of 15 s")
invariant_violations_total = Counter("heliograph_invariant_violations_total", "Bugs met, each with a line in the log")

# A series that begins at its first event shows no increase of it: what alerts look at begins at 0.
CHANNELS: Final = ("in_app", "push", "email", "routing")
ENDS: Final = ("sent", "delivered", "failed", "suppressed", "expired")
REPUBLISHED: Final = ("due", "lost", "unrouted", "batch", "unseen")
for _code in ERRORS:
    requests_refused_total.labels(_code)
for _lane in LANES:
    publish_failed_total.labels(_lane.name)
for _reason in REPUBLISHED:
    reconciler_republished_total.labels(_reason)
for _channel, _state in product(CHANNELS, ENDS):
    terminal_total.labels(_channel, _state)


def by_level(metric: Counter) -> Mapping[Level, Counter]:
    """Its series, looked up once: that costs more than changing them."""
    return {level: metric.labels(level.name.lower()) for level in Level}


class Stage:
    """What one consumer says of its batches. Series are looked up when they are first needed, then kept."""

    def __init__(self, stage: str, channel: str) -> None:
        self._labels = (stage, channel)
        self._durations = {level: stage_duration_seconds.labels(stage, channel, level.name.lower()) for level in Level}
        self._latencies = {level: stage_latency_seconds.labels(stage, channel, level.name.lower()) for level in Level}
        self._ended: dict[tuple[Level, str], Counter] = {}
        self._last = stage_last_at.labels(stage, channel)

    def took(self, level: Level, seconds: float) -> None:
        """One batch, which is of one level."""
        self._durations[level].observe(seconds)
        self._last.set_to_current_time()

    def ended(self, level: Level, outcome: str, count: int) -> None:
        found = self._ended.get((level, outcome))
        if found is None:
            found = stage_items_total.labels(*self._labels, level.name.lower(), outcome)
            self._ended[level, outcome] = found
        found.inc(count)

    def left(self, level: Level, latency_s: float, count: int) -> None:
        """So many items left the stage, all as long after they were accepted."""
        observe(self._latencies[level], latency_s, count)


def observe(histogram: Histogram, value: float, count: int) -> None:
    """`count` times `histogram.observe(value)`, at the price of one; the library has no way to say it."""
    histogram._sum.inc(value * count)
    histogram._buckets[bisect_left(histogram._upper_bounds, value)].inc(count)


def count_ends(events: Iterable[Event]) -> None:
    """Counts those that end a delivery. Call it where they are recorded, when they are."""
    for (channel, state), count in Counted(
        (event.target.partition(":")[0], event.kind) for event in events if event.kind in ENDS
    ).items():
        terminal_total.labels(channel, state).inc(count)


def logger(name: str) -> structlog.typing.FilteringBoundLogger:
    found: structlog.typing.FilteringBoundLogger = structlog.get_logger(name)
    return found
