"""Traces: which trace a notification belongs to, and where boxes say what they did for it. Off unless somebody listens.

A notification's trace id is its ULID, 128 bits of both: so every box, the log and a person know it from the id alone.
Nothing has to travel in an envelope, be unpacked with every item, or survive a wiped queue. Members of a batch share
its trace. What listens is `heliograph.otel`; without it a box pays for one comparison a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import structlog

from heliograph.core.ids import ulid_of
from heliograph.core.lanes import Lane
from heliograph.core.ports import Pulled


class Spans(Protocol):
    def accepted(self, any_id: str, took_s: float, caller: str | None) -> None:
        """It is on disk. `any_id` = of the notification or batch; `caller` = the request's `traceparent` header."""

    def handled(self, lane: Lane, batch: Sequence[Pulled], took_s: float, *, done: bool) -> None:
        """A stage had these in hand until now."""

    def called(self, notification_id: str, provider: str, attempt: int, outcome: str, took_s: float) -> None:
        """A provider answered just now."""


spans: Spans | None = None
"""Who listens, set once at start."""


def trace_id_of(any_id: str) -> str:
    """32 hex digits, as W3C Trace Context writes them; empty for an id that has no ULID."""
    number = ulid_of(any_id)
    return f"{number:032x}" if number else ""


def add_trace_id(_: object, __: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """A log line that names a notification names its trace."""
    found = line.get("notification")
    if isinstance(found, str) and (trace_id := trace_id_of(found)):
        line["trace_id"] = trace_id
    return line
