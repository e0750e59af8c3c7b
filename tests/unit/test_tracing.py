"""Traces: a notification's id is its trace, in every process; what isn't chosen costs no span; logs name the trace."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from heliograph import tracing
from heliograph.cli.up import _trace
from heliograph.core.ids import batch_member_id, new_batch_id, new_notification_id, ulid_of
from heliograph.core.lanes import OUTBOX, OutboxItem
from heliograph.core.model import Level, Mail
from heliograph.core.ports import Pulled
from heliograph.otel import OtelSpans
from heliograph.settings import load
from tests.unit.roles.api.service import Service

CALLER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
ID = "ntf_01m879myc3gcdwz6krdftxvwyf"


def mail_in_hand(notification_id: str) -> Pulled:
    item = OutboxItem(tenant="acme", id=notification_id, at_level=0, mail=Mail("a@b.c", "s", "t", "h"))
    return Pulled(item, Level.P0, orphaned=False, deliveries=1, receipt=None)


class Traced:
    """Two processes of one installation, whose spans come together."""

    def __init__(self, ratio: float = 1.0) -> None:
        self._exporter = InMemorySpanExporter()
        processor = SimpleSpanProcessor(self._exporter)
        self.api, self.worker = (OtelSpans(processor, ratio, [role]) for role in ("api", "email-sender"))

    @property
    def spans(self) -> Sequence[ReadableSpan]:
        return self._exporter.get_finished_spans()


def test_spans_of_all_processes_are_one_trace() -> None:
    """Trace id = ULID; what was done hangs below the API's span, and the caller's own trace is linked from there."""
    traced = Traced()
    traced.api.accepted(ID, 0.004, CALLER)
    traced.worker.handled(OUTBOX, [mail_in_hand(ID)], 0.02, done=True)
    traced.worker.called(ID, "sendgrid", 2, "throttled", 0.01)
    accept, process, call = traced.spans
    assert [span.name for span in traced.spans] == ["accept", "process outbox", "call sendgrid"]
    assert {f"{span.context.trace_id:032x}" for span in traced.spans} == {tracing.trace_id_of(ID)}
    assert accept.parent is None
    assert {one.parent.span_id for one in (process, call) if one.parent} == {accept.context.span_id}
    assert process.context.span_id != call.context.span_id
    (link,) = accept.links
    assert f"{link.context.trace_id:032x}" == CALLER.split("-")[1]
    assert process.end_time
    assert process.start_time
    assert process.end_time - process.start_time == 20_000_000
    told: Any = {**(process.attributes or {}), **(call.attributes or {})}
    assert told["messaging.destination.name"] == "outbox"
    assert (told["heliograph.id"], told["heliograph.attempt"], told["heliograph.outcome"]) == (ID, 2, "throttled")


def test_processes_choose_the_same_notifications() -> None:
    """The ratio is decided by the id: a trace is whole, or isn't there at all."""
    traced = Traced(ratio=0.5)
    ids = [new_notification_id(1_000_000) for _ in range(200)]
    for one in ids:
        traced.api.accepted(one, 0.001, None)
    accepted = {span.context.trace_id for span in traced.spans}
    assert 50 < len(accepted) < 150
    traced.worker.handled(OUTBOX, [mail_in_hand(one) for one in ids], 0.01, done=True)
    handled = {span.context.trace_id for span in traced.spans if span.name == "process outbox"}
    assert handled == accepted


@pytest.mark.parametrize("caller", [None, "nonsense", "00-" + "0" * 32 + "-" + "0" * 16 + "-01"])
def test_a_caller_without_a_trace_is_no_trouble(caller: str | None) -> None:
    """A header that says nothing is as good as none."""
    traced = Traced()
    traced.api.accepted(ID, 0.001, caller)
    assert traced.spans[0].links == ()


def test_members_share_their_batch_s_trace() -> None:
    """And an id without a ULID has none."""
    batch = new_batch_id(1_000_000)
    assert tracing.trace_id_of(batch_member_id(batch, 7)) == tracing.trace_id_of(batch) != ""
    assert [ulid_of(one) for one in ("", "ntf_1", "ntf_" + "u" * 26)] == [0, 0, 0]


def test_a_log_line_names_the_trace_of_its_notification() -> None:
    """So that a line leads to the trace, and the trace to its lines."""
    line = tracing.add_trace_id(None, "", {"event": "bug", "notification": ID})
    assert line["trace_id"] == f"{ulid_of(ID):032x}"
    assert "trace_id" not in tracing.add_trace_id(None, "", {"event": "bug", "notifications": [ID]})


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Traced:
    traced = Traced()
    monkeypatch.setattr(tracing, "spans", traced.api)
    return traced


async def test_the_api_traces_what_it_accepted_once(heard: Traced) -> None:
    """With the caller's header; a repeated request is no second acceptance."""
    service = await Service().open()
    headers = {"traceparent": CALLER, "Idempotency-Key": "once"}
    body = {"to": "anna", "title": "Hello"}
    first = await service.call("POST", "/v1/send", body, headers=headers)
    await service.call("POST", "/v1/send", body, headers=headers)
    (span,) = heard.spans
    assert f"{span.context.trace_id:032x}" == tracing.trace_id_of(first.json["id"])
    assert len(span.links) == 1


async def test_without_the_extra_the_setting_is_refused_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is left to believe that traces are being written."""
    monkeypatch.setitem(sys.modules, "heliograph.otel", None)
    with pytest.raises(ValueError, match=r"pip install heliograph\[otel\]"):
        _trace(load(otlp_url="http://127.0.0.1:4318"), ["api"], AsyncExitStack())
