"""OpenTelemetry: writes what `heliograph.tracing` is told as spans, and sends them by OTLP; extra `heliograph[otel]`.

Reads nothing else; imported only when `otlp_url` is set. A span's trace is the notification's (`tracing`), and all of
its spans hang below the API's, whose id both sides derive from the ULID too. Names and attributes follow the semantic
conventions for messaging, v1.44 (github.com/open-telemetry/semantic-conventions, docs/messaging).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Final

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    TraceFlags,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from heliograph import __version__
from heliograph.core.ids import ulid_of
from heliograph.core.lanes import Lane
from heliograph.core.ports import Pulled

_HALF: Final = (1 << 64) - 1
_BESIDE: Final = 0x9E3779B97F4A7C15
"""Makes the root span's id differ from the trace id's lower half."""


class _Ids(IdGenerator):
    """Random ids, but for the root span that is about to begin."""

    def __init__(self) -> None:
        self._random = RandomIdGenerator()
        self.root = 0

    def generate_trace_id(self) -> int:
        return self.root or self._random.generate_trace_id()

    def generate_span_id(self) -> int:
        return root_span_of(self.root) if self.root else self._random.generate_span_id()


def root_span_of(trace_id: int) -> int:
    return ((trace_id & _HALF) ^ _BESIDE) or 1


class OtelSpans:
    """Implements `tracing.Spans`.

    Args:
        ratio: the share of notifications that are traced; every process chooses the same ones, by their id.
        roles: this process's, as the service's name.
    """

    def __init__(self, processor: SpanProcessor, ratio: float, roles: Sequence[str]) -> None:
        self._ids = _Ids()
        self._sampled = TraceIdRatioBased(ratio)
        resource = Resource.create({
            "service.namespace": "heliograph", "service.name": "heliograph " + " ".join(roles),
            "service.version": __version__,
        })  # fmt: skip
        self._provider = TracerProvider(
            sampler=ParentBased(self._sampled), resource=resource, id_generator=self._ids, shutdown_on_exit=False
        )
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("heliograph", __version__)

    def close(self) -> None:
        """Sends what is left."""
        self._provider.shutdown()

    def accepted(self, any_id: str, took_s: float, caller: str | None) -> None:
        self._ids.root = ulid_of(any_id)
        try:
            self._write("accept", SpanKind.PRODUCER, Context(), took_s, {
                "messaging.system": "nats", "messaging.operation.type": "create", "heliograph.id": any_id,
            }, _links(caller))  # fmt: skip
        finally:
            self._ids.root = 0

    def handled(self, lane: Lane, batch: Sequence[Pulled], took_s: float, *, done: bool) -> None:
        for pulled in batch:
            found = self._parent(pulled.item.key.id)
            if found is not None:
                self._write(f"process {lane.name}", SpanKind.CONSUMER, found, took_s, {
                    "messaging.system": "nats", "messaging.operation.type": "process",
                    "messaging.destination.name": lane.name, "messaging.batch.message_count": len(batch),
                    "heliograph.id": pulled.item.key.id, "heliograph.target": pulled.item.target,
                    "heliograph.level": pulled.level.name.lower(), "heliograph.stage": lane.role,
                    "heliograph.redelivered": pulled.orphaned, "heliograph.settled": done,
                })  # fmt: skip

    def called(self, notification_id: str, provider: str, attempt: int, outcome: str, took_s: float) -> None:
        found = self._parent(notification_id)
        if found is not None:
            self._write(f"call {provider}", SpanKind.CLIENT, found, took_s, {
                "peer.service": provider, "heliograph.id": notification_id, "heliograph.attempt": attempt,
                "heliograph.outcome": outcome,
            })  # fmt: skip

    def _parent(self, any_id: str) -> Context | None:
        """The API's span of this id; None when its trace isn't one of those that are kept."""
        trace_id = ulid_of(any_id)
        if not trace_id or (trace_id & _HALF) >= self._sampled.bound:
            return None
        root = SpanContext(trace_id, root_span_of(trace_id), is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
        return set_span_in_context(NonRecordingSpan(root), Context())

    def _write(
        self, name: str, kind: SpanKind, parent: Context, took_s: float, attributes: Mapping[str, str | int | bool],
        links: Sequence[Link] = (),
    ) -> None:  # fmt: skip
        """A span that ends now."""
        ended = time.time_ns()
        began = ended - round(took_s * 1e9)
        span = self._tracer.start_span(name, parent, kind, attributes, links, start_time=began)
        span.end(ended)


def _links(caller: str | None) -> Sequence[Link]:
    """The caller's own span is another trace: linked, not continued, since one request may make many notifications."""
    if caller is None:
        return ()
    context = TraceContextTextMapPropagator().extract({"traceparent": caller})
    found = get_current_span(context).get_span_context()
    return (Link(found),) if found.is_valid else ()


def exporting(url: str, ratio: float, roles: Sequence[str]) -> OtelSpans:
    """Spans that are sent to an OTLP collector over HTTP; `url` is its base."""
    exporter = OTLPSpanExporter(endpoint=f"{url.rstrip('/')}/v1/traces")
    return OtelSpans(BatchSpanProcessor(exporter), ratio, roles)
