"""What the system says of itself: structured logs and Prometheus metrics. Every name stands here.

Log lines carry `action` (a verb) and, where there is one, `notification`; secrets and message texts are never logged.
"""

from __future__ import annotations

import logging
import sys

import structlog
from prometheus_client import Counter, Gauge, Histogram

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

accepted_total = Counter("heliograph_accepted_total", "Notifications accepted and durable", ["level"])
requests_refused_total = Counter("heliograph_requests_refused_total", "Requests answered 4xx or 5xx", ["code"])
accept_seconds = Histogram("heliograph_accept_seconds", "Request to durable", buckets=_BUCKETS)
stage_items_total = Counter("heliograph_stage_items_total", "Items a stage ended", ["stage", "level", "outcome"])
stage_batch_seconds = Histogram("heliograph_stage_batch_seconds", "One batch in a stage", ["stage"], buckets=_BUCKETS)
stage_latency_seconds = Histogram(
    "heliograph_stage_latency_seconds", "Accepted to leaving a stage", ["stage", "level"], buckets=_BUCKETS
)
provider_attempts_total = Counter("heliograph_provider_attempts_total", "Calls to a provider", ["provider", "outcome"])
provider_tokens = Gauge("heliograph_provider_tokens_available", "Calls that may begin at once", ["provider"])
provider_rate = Gauge("heliograph_provider_rate", "Calls a second that are allowed now", ["provider"])
breaker_open = Gauge("heliograph_provider_breaker_open", "1 while the breaker is open", ["provider", "cause"])
breaker_opened_total = Counter("heliograph_provider_breaker_opened_total", "Breakers opened", ["provider"])
retry_budget_exhausted_total = Counter(
    "heliograph_retry_budget_exhausted_total", "Retries that had to wait for the retry budget", ["provider", "level"]
)
publish_failed_total = Counter("heliograph_publish_failed_total", "Items left to the reconciler", ["lane"])
reconciler_steps_total = Counter("heliograph_reconciler_steps_total", "What the reconciler did", ["step"])
swept_total = Counter("heliograph_swept_total", "What was kept long enough and went", ["kind"])
webhook_events_total = Counter("heliograph_webhook_events_total", "Provider events", ["provider", "event"])
lane_depth = Gauge("heliograph_queue_messages", "Notifications waiting", ["queue", "level"])
lane_in_flight = Gauge("heliograph_queue_in_flight", "Notifications in a worker's hands", ["queue", "level"])
lane_oldest = Gauge("heliograph_queue_oldest_age_seconds", "Age of the oldest message", ["queue", "level"])
dead_letters = Gauge("heliograph_dlq_messages", "Dead letters")
connections = Gauge("heliograph_ws_connections", "Open WebSockets of this process")
loop_lag_seconds = Gauge("heliograph_event_loop_lag_seconds", "How late the event loop wakes")


def configure_logging(level: str, style: str) -> None:
    """Sets up structlog and routes the standard library's loggers through it. `style`: auto, json or text."""
    readable = style == "text" or (style == "auto" and sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if readable
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[*(shared[:3] if readable else shared), renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=[
        structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer], foreign_pre_chain=shared))  # fmt: skip
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for chatty in ("nats", "pymongo", "uvicorn.access", "uvicorn.error", "aiohttp.access", "mail.log", "picows"):
        logging.getLogger(chatty).setLevel("WARNING")


def logger(name: str) -> structlog.typing.FilteringBoundLogger:
    found: structlog.typing.FilteringBoundLogger = structlog.get_logger(name)
    return found
