"""The lab's fault rules: what is refused as a fault, and what a fault makes of each call."""

from __future__ import annotations

from itertools import cycle
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.lab.faults import (
    Bucket,
    Dialect,
    Fault,
    FaultState,
    InvalidFaultError,
    complete,
    latency_ms,
    parse_fault,
)

DIALECT = Dialect(503, frozenset({"broken", "greylist"}), once=frozenset({"greylist"}))


def state(fault: Fault, *draws: float) -> FaultState:
    """A fault in force since 0.0, its random source giving these draws over and over."""
    source = cycle(draws)
    return FaultState(complete(fault, DIALECT), DIALECT, 0.0, lambda: next(source))


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b'{"mode": "broken"}', "mode"),
        (b'{"mode": "ok", "stauts": 500}', ""),
        (b'{"mode": "error", "status": 200}', "status"),
        (b'{"mode": "error", "status": "500"}', "status"),
        (b'{"mode": "throttle"}', "rate_per_s"),
        (b'{"mode": "throttle", "rate_per_s": 0}', "rate_per_s"),
        (b'{"mode": "flaky", "fraction": 1.5}', "fraction"),
        (b'{"latency_ms": -1}', "latency_ms"),
        (b'{"tokens": {"abc": "no such word"}}', "tokens.abc"),
        (b'{"tokens": {"abc": "once:no such word"}}', "tokens.abc"),
        (b'{"latency_p99_ms": 5}', "latency_p99_ms"),
        (b'{"latency_ms": 6, "latency_p99_ms": 5}', "latency_p99_ms"),
        (b'{"per_connection": 0}', "per_connection"),
        (b"[]", ""),
    ],
)
def test_an_unknown_field_mode_or_value_is_refused_with_its_path(raw: bytes, path: str) -> None:
    """A typing error in a fault must not silently mean "no fault"."""
    with pytest.raises(InvalidFaultError) as refused:
        parse_fault(raw, DIALECT)
    assert refused.value.path == path
    assert not refused.value.malformed


def test_what_is_not_json_is_told_apart() -> None:
    """Malformed JSON is a 400, a wrong field a 422."""
    with pytest.raises(InvalidFaultError) as refused:
        parse_fault(b"{", DIALECT)
    assert refused.value.malformed


def test_latency_may_have_a_tail() -> None:
    """Without one every answer waits the same; with one, half wait less than the median and 99 % less than p99."""
    steady = Fault(latency_ms=40)
    assert {latency_ms(steady, drawn) for drawn in (-3.0, 0.0, 3.0)} == {40}
    real = Fault(latency_ms=40, latency_p99_ms=300)
    assert latency_ms(real, 0.0) == pytest.approx(40)
    assert latency_ms(real, 2.326348) == pytest.approx(300)
    random = Random(1)
    waits = sorted(latency_ms(real, random.gauss()) for _ in range(20_000))
    assert waits[10_000] == pytest.approx(40, rel=0.05)
    assert waits[19_800] == pytest.approx(300, rel=0.1)
    assert latency_ms(Fault(latency_ms=1, latency_p99_ms=600_000), 9.0) == 600_000


@pytest.mark.parametrize("mode", ["error", "flaky"])
def test_error_modes_without_status_use_the_providers_usual_one(mode: str) -> None:
    """The effective fault says which status will be answered."""
    fault = parse_fault(msgspec.json.encode({"mode": mode}), DIALECT)
    assert fault.status == 503


def test_each_mode_has_its_verdict() -> None:
    """down drops, hang hangs, error fails, ok passes."""
    kinds = {mode: state(Fault(mode=mode)).judge(0.0).kind for mode in ("ok", "down", "hang", "error")}
    assert kinds == {"ok": "pass", "down": "drop", "hang": "hang", "error": "fail"}
    assert state(Fault(mode="error", status=418)).judge(0.0).status == 418


def test_flaky_fails_the_given_fraction() -> None:
    """A call fails when the draw is below the fraction, and passes otherwise."""
    flaky = state(Fault(mode="flaky", fraction=0.25, status=500), 0.0, 0.24, 0.25, 0.99)
    assert [flaky.judge(0.0).kind for _ in range(8)] == ["fail", "fail", "pass", "pass"] * 2


def test_throttle_lets_one_second_of_calls_through_and_then_the_rate() -> None:
    """A burst of rate_per_s passes, the next is refused and told when to come back; then it passes."""
    throttled = state(Fault(mode="throttle", rate_per_s=4))
    first = [throttled.judge(0.0) for _ in range(4)]
    assert [(verdict.kind, verdict.remaining) for verdict in first] == [
        ("pass", 3),
        ("pass", 2),
        ("pass", 1),
        ("pass", 0),
    ]
    refused = throttled.judge(0.0)
    assert (refused.kind, refused.status, refused.limit, refused.wait_s) == ("throttle", 429, 4, 0.25)
    assert throttled.judge(0.25).kind == "pass"


def test_a_rate_below_one_still_takes_one_call() -> None:
    """rate_per_s 0.1 means one call every ten seconds, not none."""
    throttled = state(Fault(mode="throttle", rate_per_s=0.1))
    assert throttled.judge(0.0).kind == "pass"
    assert throttled.judge(5.0).wait_s == pytest.approx(5.0)
    assert throttled.judge(10.0).kind == "pass"


@given(rate=st.floats(0.1, 1000), gaps=st.lists(st.floats(0, 3), max_size=60))
def test_no_second_ever_sees_more_than_burst_and_rate(rate: float, gaps: list[float]) -> None:
    """In any span of t seconds at most capacity + rate * t calls pass."""
    bucket, now, passed = Bucket(rate, 0.0), 0.0, []
    for gap in gaps:
        now += gap
        if bucket.take(now).kind == "pass":
            passed.append(now)
    for start, at in enumerate(passed):
        for end in range(start, len(passed)):
            assert end - start + 1 <= bucket.capacity + rate * (passed[end] - at) + 1e-6


@given(rate=st.floats(0.1, 1000), draws=st.integers(1, 20))
def test_whoever_waits_as_told_is_taken(rate: float, draws: int) -> None:
    """wait_s is neither too short nor missing: after it, the next call passes."""
    bucket, now = Bucket(rate, 0.0), 0.0
    for _ in range(draws):
        verdict = bucket.take(now)
        if verdict.kind == "throttle":
            now += verdict.wait_s + 1e-9
            assert bucket.take(now).kind == "pass"


def test_behaviours_belong_to_one_token() -> None:
    """Only the named token misbehaves; e-mail addresses ignore case, device tokens don't."""
    chosen = state(Fault(tokens={"Bob@Example.com": "broken", "Tok": "broken"}))
    assert chosen.behaviour("bob@example.COM") == "broken"
    assert chosen.behaviour("Tok") == "broken"
    assert chosen.behaviour("tok") is None
    assert chosen.behaviour("alice@example.com") is None


def test_one_time_behaviours_are_used_up_by_the_first_call() -> None:
    """`once:` and greylisting refuse the first call only, per token."""
    chosen = state(Fault(tokens={"a@x.io": "greylist", "b@x.io": "once:broken", "c@x.io": "broken"}))
    assert [chosen.behaviour("a@x.io") for _ in range(2)] == ["greylist", None]
    assert [chosen.behaviour("b@x.io") for _ in range(2)] == ["broken", None]
    assert [chosen.behaviour("c@x.io") for _ in range(2)] == ["broken", "broken"]
