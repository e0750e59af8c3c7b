"""APNs' provider against the lab's APNs, over real TLS and HTTP/2."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from heliograph.core.model import Level, PushMessage
from heliograph.core.outcomes import (
    Delivered,
    Misconfigured,
    ProviderOutcome,
    Rejected,
    Throttled,
    Unavailable,
    Unregistered,
)
from heliograph.lab.apns import ApnsApp
from heliograph.lab.apns_identity import KEY_ID, TEAM_ID, TOPIC
from heliograph.lab.faults import Fault
from heliograph.lab.server import Lab
from heliograph.providers.apns import Apns
from heliograph.providers.apns_pool import ApnsPool
from tests.support.apns import apns_of
from tests.support.eventually import eventually
from tests.unit.given import FakeClock

PUSH = PushMessage(
    kind="apns",
    token="device-1",
    title="Größer 🚀",
    body="Zeile eins\nZeile zwei",
    data={"notification_id": "ntf_1", "order": "1"},
    collapse_key="order-1",
    ttl_s=3600,
    urgent=True,
    badge=3,
    image_url="https://shop.example/1.png",
)


@pytest.fixture
async def provider(lab: Lab, tmp_path: Path) -> AsyncIterator[Apns]:
    """With patience, for crowds on a busy machine."""
    apns = apns_of(lab, tmp_path, timeout_s=50)
    yield apns
    await apns.close()


@pytest.fixture
async def hasty(lab: Lab, tmp_path: Path) -> AsyncIterator[Apns]:
    """With a short time-out."""
    apns = apns_of(lab, tmp_path, timeout_s=2)
    yield apns
    await apns.close()


def push(number: int, **fields: Any) -> PushMessage:
    data = {"notification_id": f"ntf_{number}"}
    return msgspec.structs.replace(PUSH, token=f"device-{number}", data=data, collapse_key=None, **fields)


async def burst(provider: Apns, size: int, **fields: Any) -> list[ProviderOutcome]:
    return await asyncio.gather(*(provider.send(push(number, **fields)) for number in range(size)))


def kinds(outcomes: list[ProviderOutcome]) -> dict[str, int]:
    return dict(Counter(type(outcome).__name__ for outcome in outcomes))


def arrivals(lab: Lab) -> Counter[str]:
    return Counter(received.to for received in lab.inbox.select(provider="apns"))


def once_each(size: int) -> Counter[str]:
    return Counter(f"device-{number}" for number in range(size))


async def test_a_push_arrives_unharmed(lab: Lab, provider: Apns) -> None:
    """APNs' own rules take it, and it says what it should; its id comes back."""
    outcome = await provider.send(PUSH)
    (received,) = lab.inbox.select(provider="apns")
    record = received.as_json()
    assert outcome == Delivered(received.provider_id)
    assert (record["to"], record["title"], record["body"]) == (PUSH.token, PUSH.title, PUSH.body)
    assert record["data"] == {**PUSH.data, "image_url": PUSH.image_url}
    assert record["payload"]["aps"]["badge"] == 3
    headers = record["headers"]
    assert (headers["apns-topic"], headers["apns-collapse-id"]) == (TOPIC, "order-1")
    assert (headers["apns-push-type"], headers["apns-priority"]) == ("alert", "10")


@pytest.mark.parametrize("token", ["a/../b", "ünï", "a b\r\nx: y", "?x=1"])
async def test_strange_tokens_stay_in_the_path(lab: Lab, provider: Apns, token: str) -> None:
    """A token is the user's input: it may not become another path or another header."""
    await provider.send(msgspec.structs.replace(PUSH, token=token))
    (record,) = lab.inbox.select(provider="apns", refused_too=True)
    assert record.to == token
    assert set(record.as_json()["headers"]) >= {"apns-topic", "apns-id"}
    assert "x" not in record.as_json()["headers"]


@pytest.mark.parametrize("size", [4000, 5000, 60_000])
async def test_no_body_is_too_long(lab: Lab, provider: Apns, size: int) -> None:
    """APNs' 4,096 bytes are kept by cutting."""
    long = msgspec.structs.replace(PUSH, body="é" * size, data={"k": "v" * size})
    assert isinstance(await provider.send(long), Delivered)


async def test_a_background_push_is_taken(lab: Lab, provider: Apns) -> None:
    """Without text it is one, and APNs refuses those with priority 10."""
    assert isinstance(await provider.send(push(1, title="", body="")), Delivered)


async def test_a_burst_uses_few_connections_and_one_token(lab: Lab, provider: Apns) -> None:
    """Two thousand at once from cold: each arrives once, over two connections at most, with a single token."""
    assert kinds(await burst(provider, 2000)) == {"Delivered": 2000}
    assert arrivals(lab) == once_each(2000)
    assert lab.apns.made <= 2
    assert len(lab.apns.service.tokens.seen) == 1


async def test_large_payloads_wait_for_the_windows(lab: Lab, provider: Apns) -> None:
    """Five hundred times 4 KiB is far more than a connection's 64 KiB window."""
    assert kinds(await burst(provider, 500, body="x" * 5000)) == {"Delivered": 500}
    assert arrivals(lab) == once_each(500)


async def test_the_settings_dance(lab: Lab, provider: Apns) -> None:
    """The limit jumps about under load, far below what is under way and to nothing: no loss, no copy, no reset."""
    lab.set_fault("apns", Fault(latency_ms=5))
    sending = asyncio.create_task(burst(provider, 3000))
    for limit in (500, 1, 1000, 3, 0, 700, 1, 2, 1000, 0, 1):
        seen = len(lab.inbox)
        await eventually(lambda seen=seen: _more(lab, seen))
        lab.apns.allow(limit)
        if limit == 0:
            lab.apns.allow(4)
    lab.apns.allow(1000)
    assert kinds(await sending) == {"Delivered": 3000}
    assert arrivals(lab) == once_each(3000)
    assert len(lab.inbox.select(provider="apns", refused_too=True)) == 3000


async def _more(lab: Lab, seen: int) -> bool:
    return len(lab.inbox) > seen


async def test_errors_lower_the_limit_and_nothing_is_lost(lab: Lab, provider: Apns) -> None:
    """APNs slows a connection down after errors in a row; the good pushes behind them arrive all the same."""
    lab.set_fault("apns", Fault(tokens={f"device-{n}": "payload_too_large" for n in range(100, 200)}))
    assert kinds(await burst(provider, 600)) == {"Delivered": 500, "Rejected": 100}
    assert set(arrivals(lab).values()) == {1}


@pytest.mark.parametrize("drop", [0, 7, 1000])
async def test_goaway_in_the_middle_of_a_burst(lab: Lab, provider: Apns, drop: int) -> None:
    """Only what APNs has not looked at is sent again, over a fresh connection: no loss and no copy."""
    await provider.send(push(0))
    lab.inbox.clear()
    lab.set_fault("apns", Fault(latency_ms=20))
    sending = asyncio.create_task(burst(provider, 1500))
    await eventually(lambda: _more(lab, 100))
    lab.apns.say_goodbye("Shutdown", drop)
    assert kinds(await sending) == {"Delivered": 1500}
    assert arrivals(lab) == once_each(1500)
    assert lab.apns.made >= 2


async def test_refused_streams_are_sent_again(lab: Lab, provider: Apns) -> None:
    """REFUSED_STREAM: not processed, so it is safe."""
    lab.set_fault("apns", Fault(tokens={f"device-{n}": "once:refused" for n in range(50)}))
    assert kinds(await burst(provider, 100)) == {"Delivered": 100}
    assert arrivals(lab) == once_each(100)


async def test_a_stream_refused_for_ever_comes_to_an_end(lab: Lab, provider: Apns) -> None:
    """It certainly hasn't arrived."""
    lab.set_fault("apns", Fault(tokens={"device-1": "refused"}))
    assert await provider.send(PUSH) == Unavailable("apns: stream refused")


async def test_an_answer_that_is_lost_leaves_it_unknown(lab: Lab, provider: Apns) -> None:
    """Taken, and nobody told us: it is not sent again from here. A second copy carries the same ids."""
    lab.set_fault("apns", Fault(tokens={"device-1": "once:lost_answer"}))
    assert await provider.send(PUSH) == Unavailable("apns: stream reset", unknown=True)
    assert isinstance(await provider.send(PUSH), Delivered)
    first, again = lab.inbox.select(provider="apns")
    assert first.provider_id == again.provider_id
    assert [note.title for note in lab.apns.service.devices.screen("device-1").shown] == [PUSH.title]


async def test_silence_is_unknown_and_the_connection_is_not_trusted_again(lab: Lab, hasty: Apns) -> None:
    """Accepted and never answered; nothing at all was heard, so the next push goes over a fresh connection."""
    await hasty.send(PUSH)
    lab.set_fault("apns", Fault("hang"))
    assert await hasty.send(PUSH) == Unavailable("apns: no answer in time", unknown=True)
    lab.set_fault("apns", Fault())
    assert isinstance(await hasty.send(PUSH), Delivered)
    assert lab.apns.made == 2


async def test_waiting_for_a_stream_is_not_unknown(lab: Lab, hasty: Apns) -> None:
    """A single stream hangs and the others wait behind it: they were certainly not sent."""
    lab.set_fault("apns", Fault("hang"))
    outcomes = await burst(hasty, 5)
    assert sorted(outcome.unknown for outcome in outcomes if isinstance(outcome, Unavailable)) == [
        *[False] * 4, True,
    ]  # fmt: skip


async def test_a_provider_that_is_down_comes_back(lab: Lab, provider: Apns) -> None:
    """Connections end as they begin; the next push after the outage arrives."""
    await provider.send(PUSH)
    lab.set_fault("apns", Fault("down"))
    outcome = await provider.send(PUSH)
    assert isinstance(outcome, Unavailable)
    lab.set_fault("apns", Fault())
    assert isinstance(await provider.send(PUSH), Delivered)


async def test_nobody_there(tmp_path: Path, lab: Lab) -> None:
    """Refused connections: nothing was sent."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    ca, key = lab.apns.service.identity.write(tmp_path)
    pool = ApnsPool(f"https://127.0.0.1:{port}", str(ca))
    apns = Apns(pool, key.read_bytes(), KEY_ID, TEAM_ID, TOPIC)
    assert await apns.send(PUSH) == Unavailable("apns: no connection")
    await apns.close()


async def test_a_stranger_on_the_other_side(lab: Lab, tmp_path: Path) -> None:
    """A certificate that no trusted authority has signed: nothing is said to it."""
    _, key = lab.apns.service.identity.write(tmp_path)
    apns = Apns(ApnsPool(lab.apns_url), key.read_bytes(), KEY_ID, TEAM_ID, TOPIC)
    outcome = await apns.send(PUSH)
    assert outcome == Unavailable("apns: no connection: CERTIFICATE_VERIFY_FAILED")
    await apns.close()


async def test_important_pushes_overtake(lab: Lab, provider: Apns) -> None:
    """While APNs grants a single stream, P0 goes before P1 before P2, whoever came first."""
    lab.apns.allow(1)
    order = [Level.P2, Level.P1, Level.P0, Level.P2, Level.P0, Level.P1]
    outcomes = await asyncio.gather(*(provider.send(push(n, level=level)) for n, level in enumerate(order)))
    assert kinds(outcomes) == {"Delivered": 6}
    arrived = [received.to for received in lab.inbox.select()]
    assert arrived == ["device-2", "device-4", "device-1", "device-5", "device-0", "device-3"]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("payload_too_large", Rejected("apns 413 PayloadTooLarge")),
        ("bad_device_token", Unregistered("apns 400 BadDeviceToken")),
        ("too_many_requests", Throttled("apns 429 TooManyRequests", 60, alone=True)),
        ("invalid_provider_token", Misconfigured("apns 403 InvalidProviderToken")),
        ("topic_disallowed", Misconfigured("apns 400 TopicDisallowed")),
        ("service_unavailable", Unavailable("apns 503 ServiceUnavailable")),
        ("internal_server_error", Unavailable("apns 500 InternalServerError")),
    ],
)
async def test_refusals(lab: Lab, provider: Apns, word: str, expected: ProviderOutcome) -> None:
    """What APNs says, over the wire; one refusal doesn't touch the neighbour."""
    lab.set_fault("apns", Fault(tokens={"device-1": word}))
    assert await provider.send(PUSH) == expected
    assert isinstance(await provider.send(push(2)), Delivered)


async def test_a_device_that_is_gone(lab: Lab, provider: Apns) -> None:
    """With the moment since when APNs knows it."""
    lab.set_fault("apns", Fault(tokens={"device-1": "unregistered"}))
    first, again = await provider.send(PUSH), await provider.send(PUSH)
    assert isinstance(first, Unregistered)
    assert first == again
    assert first.since is not None


async def test_a_wave_of_bad_tokens_forgets_nobody(lab: Lab, provider: Apns) -> None:
    """The key of another environment: a handful is believed, the fleet is not; APNs says goodbye in between."""
    lab.set_fault("apns", Fault(tokens={f"device-{n}": "bad_device_token" for n in range(300)}))
    outcomes = await burst(provider, 300)
    assert kinds(outcomes) == {"Unregistered": 5, "Misconfigured": 295}
    assert lab.apns.made > 1


@pytest.mark.parametrize("word", ["idle_timeout", "unrelated_key_id_in_token", "too_many_provider_token_updates"])
async def test_a_connection_that_is_no_good_is_left(lab: Lab, provider: Apns, word: str) -> None:
    """Once more over a fresh one, with the same token."""
    await provider.send(push(2))
    lab.set_fault("apns", Fault(tokens={"device-1": f"once:{word}"}))
    assert isinstance(await provider.send(PUSH), Delivered)
    assert lab.apns.made == 2
    assert len(lab.apns.service.tokens.seen) == 1


@pytest.fixture
async def years(tmp_path: Path) -> AsyncIterator[tuple[Lab, Apns, FakeClock]]:
    """A lab and a provider on one clock that is moved by hand."""
    clock = FakeClock()
    lab = Lab(apns=ApnsApp(topic=TOPIC, ids=(KEY_ID, TEAM_ID), clock=lambda: clock.now / 1000))
    await lab.start()
    apns = apns_of(lab, tmp_path, clock=clock)
    yield lab, apns, clock
    await apns.close()
    await lab.stop()


async def test_a_day_of_provider_tokens(years: tuple[Lab, Apns, FakeClock]) -> None:
    """APNs' rules by the minute (an hour old at most, twenty minutes between two): never refused, one connection."""
    lab, apns, clock = years
    for _ in range(24 * 60):
        assert isinstance(await apns.send(PUSH), Delivered)
        clock.forward(60)
    assert 28 <= len(lab.apns.service.tokens.seen) <= 30
    assert lab.apns.made == 1


async def test_apns_clock_is_ahead_of_ours(years: tuple[Lab, Apns, FakeClock], tmp_path: Path) -> None:
    """Our tokens look too old; once one may be replaced, the refused push goes again with a fresh one."""
    lab, _, clock = years
    slow = FakeClock(clock.now)
    apns = apns_of(lab, tmp_path / "slow", clock=slow)
    slow.now -= slow.now % 3_000_000 - 2_980_000  # shortly before the grid's next token
    clock.now = slow.now + 900_000  # a quarter of an hour ahead
    outcomes = []
    for _ in range(120):
        outcomes.append(await apns.send(PUSH))
        slow.forward(60)
        clock.forward(60)
    assert {type(outcome) for outcome in outcomes[-60:]} == {Delivered}
    assert {type(outcome) for outcome in outcomes} <= {Delivered, Misconfigured}
    await apns.close()


async def test_another_app(years: tuple[Lab, Apns, FakeClock], tmp_path: Path) -> None:
    """A topic that isn't ours parks the pushes instead of losing them."""
    lab, _, clock = years
    apns = apns_of(lab, tmp_path / "other", clock=clock, topic="com.example.other")
    assert await apns.send(PUSH) == Misconfigured("apns 400 TopicDisallowed")
    await apns.close()


async def test_an_idle_connection_is_pinged(lab: Lab, tmp_path: Path) -> None:
    """It lives on; the next push uses it."""
    apns = apns_of(lab, tmp_path, ping_after_s=0.02)
    await apns.send(PUSH)
    await eventually(lambda: _pinged(lab))
    assert isinstance(await apns.send(PUSH), Delivered)
    assert lab.apns.made == 1
    await apns.close()


async def _pinged(lab: Lab) -> bool:
    return lab.apns.pings > 0


async def test_closing_in_the_middle(lab: Lab, tmp_path: Path) -> None:
    """Everybody gets an answer at once: sent and unanswered is unknown, waiting is not."""
    apns = apns_of(lab, tmp_path)
    await apns.send(PUSH)
    lab.apns.allow(10)
    lab.set_fault("apns", Fault("hang"))
    sending = asyncio.create_task(burst(apns, 30))
    await eventually(lambda: _hanging(lab, 10))
    await apns.close()
    outcomes = await sending
    assert kinds(outcomes) == {"Unavailable": 30}
    unknown = sum(outcome.unknown for outcome in outcomes if isinstance(outcome, Unavailable))
    assert 10 <= unknown <= 20  # two connections at most
    assert await apns.send(PUSH) == Unavailable("apns: closed")


async def _hanging(lab: Lab, count: int) -> bool:
    return len(lab.inbox.select(refused_too=True)) > count
