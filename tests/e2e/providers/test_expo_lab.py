"""Expo's provider against the lab's Expo, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from heliograph.core.model import PushMessage
from heliograph.core.outcomes import (
    Delivered,
    Misconfigured,
    Rejected,
    Throttled,
    Unavailable,
    Unregistered,
)
from heliograph.lab.expo import ExpoSettings
from heliograph.lab.faults import Fault
from heliograph.lab.server import Lab
from heliograph.providers.expo import Expo
from heliograph.providers.http import Http

PUSH = PushMessage(
    kind="expo",
    token="ExponentPushToken[1]",
    title="Größer 🚀",
    body="Zeile eins\nZeile zwei",
    data={"order": "1"},
    collapse_key="order-1",
    ttl_s=3600,
    urgent=True,
    image_url="https://shop.example/i.png",
    badge=3,
)


def to(name: object) -> PushMessage:
    return msgspec.structs.replace(PUSH, token=f"ExponentPushToken[{name}]")


@pytest.fixture
async def provider(lab: Lab) -> AsyncIterator[Expo]:
    made = Expo(lab.expo_url, Http(timeout_s=0.5))
    yield made
    await made.close()


@pytest.fixture
async def patient(lab: Lab) -> AsyncIterator[Expo]:
    """With the usual time-out, for crowds."""
    made = Expo(lab.expo_url, Http())
    yield made
    await made.close()


async def test_a_push_arrives_unharmed(lab: Lab, provider: Expo) -> None:
    """Expo's own rules take it, and it says what it should; its ticket's id comes back, and there is a receipt."""
    outcome = await provider.send(PUSH)
    (received,) = lab.inbox.select(provider="expo")
    record = received.as_json()
    assert outcome == Delivered(received.provider_id, receipt=True)
    assert (record["to"], record["title"], record["body"], record["data"]) == (
        PUSH.token, PUSH.title, PUSH.body, {"order": "1"},
    )  # fmt: skip
    payload = record["payload"]
    assert (payload["priority"], payload["ttl"], payload["badge"]) == ("high", 3600, 3)
    assert (payload["collapseId"], payload["richContent"]) == ("order-1", {"image": PUSH.image_url})
    assert await provider.receipts([received.provider_id]) == {received.provider_id: Delivered(final=True)}


async def test_a_crowd_shares_a_few_requests(lab: Lab, patient: Expo) -> None:
    """Within the 600 a second that Expo takes: six requests of a hundred."""
    outcomes = await asyncio.gather(*(patient.send(to(number)) for number in range(600)))
    assert all(isinstance(outcome, Delivered) for outcome in outcomes)
    records = lab.inbox.select(provider="expo")
    assert {record.to for record in records} == {to(number).token for number in range(600)}
    ids = [outcome.provider_id for outcome in outcomes if isinstance(outcome, Delivered)]
    assert [record.provider_id for record in records] == ids
    found = await patient.receipts([str(one) for one in ids])
    assert found == dict.fromkeys(ids, Delivered(final=True))


async def test_more_than_that_waits(lab: Lab, patient: Expo) -> None:
    """429 for whole requests; what was refused was not taken."""
    lab.set_expo(ExpoSettings(rate_per_s=100))
    outcomes = await asyncio.gather(*(patient.send(to(number)) for number in range(300)))
    throttled = [outcome for outcome in outcomes if isinstance(outcome, Throttled)]
    assert len(throttled) in (100, 200)
    assert len(throttled) + len(lab.inbox.select(provider="expo")) == 300


async def test_each_of_a_crowd_has_its_own_outcome(lab: Lab, provider: Expo) -> None:
    """Those that are gone, and their neighbours."""
    gone = {to(number).token: "unregistered" for number in range(0, 100, 7)}
    lab.set_fault("expo", Fault(tokens=gone))
    outcomes = await asyncio.gather(*(provider.send(to(number)) for number in range(100)))
    found = [number for number, outcome in enumerate(outcomes) if isinstance(outcome, Unregistered)]
    assert found == list(range(0, 100, 7))


async def test_projects_are_sent_apart(lab: Lab, provider: Expo) -> None:
    """Expo takes one project a request."""
    lab.set_fault("expo", Fault(tokens={to(number).token: "other_project" for number in range(5)}))
    outcomes = await asyncio.gather(*(provider.send(to(number)) for number in range(20)))
    assert all(isinstance(outcome, Delivered) for outcome in outcomes)
    assert len(lab.inbox.select(provider="expo")) == 20


@pytest.mark.parametrize("size", [4_000, 60_000])
async def test_no_body_is_too_long(lab: Lab, provider: Expo, size: int) -> None:
    """4,096 bytes are kept by cutting."""
    long = msgspec.structs.replace(PUSH, body="é" * size, data={"k": "v" * size})
    assert isinstance(await provider.send(long), Delivered)
    assert set(lab.inbox.select()[0].content.view().body) == {"é", "…"}


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault("down"), Unavailable("expo: connection lost", unknown=True)),
        (Fault("hang"), Unavailable("expo: no answer in time", unknown=True)),
        (Fault("error"), Unavailable("expo 500 INTERNAL_SERVER_ERROR")),
        (Fault("error", status=400), Rejected("expo 400 VALIDATION_ERROR")),
        (Fault("error", status=401), Misconfigured("expo 401 UNAUTHORIZED")),
        (Fault("error", status=429, retry_after_s=7), Throttled("expo 429 TOO_MANY_REQUESTS", 7)),
        (Fault("error", status=502), Unavailable("expo 502 INTERNAL_SERVER_ERROR", unknown=True)),
        (Fault("flaky", fraction=1.0), Unavailable("expo 500 INTERNAL_SERVER_ERROR")),
    ],
)
async def test_every_way_to_fail(lab: Lab, provider: Expo, fault: Fault, expected: object) -> None:
    """Each fault of the lab becomes its outcome, and the next push after it gets through."""
    lab.set_fault("expo", fault)
    assert await provider.send(PUSH) == expected
    lab.set_fault("expo", Fault())
    assert isinstance(await provider.send(PUSH), Delivered)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("unregistered", Unregistered("expo ticket DeviceNotRegistered")),
        ("too_big", Rejected("expo ticket MessageTooBig")),
        ("rate", Throttled("expo ticket MessageRateExceeded", alone=True)),
        ("sender_mismatch", Misconfigured("expo ticket MismatchSenderId", alone=True)),
        ("credentials", Misconfigured("expo ticket InvalidCredentials", alone=True)),
        ("developer_error", Rejected("expo ticket DeveloperError")),
        ("expo_error", Unavailable("expo ticket ExpoError", alone=True)),
        ("provider_error", Unavailable("expo ticket ProviderError", alone=True)),
        ("lost_answer", Unavailable("expo: connection lost", unknown=True)),
    ],
)
async def test_what_devices_draw(lab: Lab, provider: Expo, word: str, expected: object) -> None:
    """Every answer Expo has for a device."""
    lab.set_fault("expo", Fault(tokens={PUSH.token: word}))
    assert await provider.send(PUSH) == expected


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("receipt_unregistered", Unregistered("expo receipt DeviceNotRegistered")),
        ("receipt_credentials", Misconfigured("expo receipt InvalidCredentials", alone=True)),
        ("receipt_none", None),
    ],
)
async def test_what_receipts_say(lab: Lab, provider: Expo, word: str, expected: object) -> None:
    """After a ticket that was fine."""
    lab.set_fault("expo", Fault(tokens={PUSH.token: word}))
    outcome = await provider.send(PUSH)
    assert isinstance(outcome, Delivered)
    assert outcome.provider_id
    found = await provider.receipts([outcome.provider_id])
    assert found == ({outcome.provider_id: expected} if expected else {})


@pytest.mark.parametrize("fault", [Fault("down"), Fault("hang"), Fault("error", status=503)])
async def test_receipts_that_cant_be_had(lab: Lab, provider: Expo, fault: Fault) -> None:
    """They can be asked for again."""
    lab.set_fault("expo_receipts", fault)
    outcome = await provider.receipts(["x"])
    assert isinstance(outcome, Unavailable)
    assert not outcome.unknown


async def test_an_account_that_insists_on_its_token(lab: Lab, provider: Expo) -> None:
    """Without it pushes wait for us; with it they get through."""
    lab.set_expo(ExpoSettings(access_token="secret"))
    assert await provider.send(PUSH) == Misconfigured("expo 401 UNAUTHORIZED")
    assert await provider.receipts(["x"]) == Misconfigured("expo 401 UNAUTHORIZED")
    known = Expo(lab.expo_url, Http(), "secret")
    assert isinstance(await known.send(PUSH), Delivered)
    await known.close()
