"""FCM's provider against the lab's FCM and OAuth endpoint, over real sockets."""

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
from heliograph.lab.faults import Fault
from heliograph.lab.server import Lab
from heliograph.providers.fcm import Fcm
from heliograph.providers.http import Http

PUSH = PushMessage(
    kind="fcm_token",
    token="device-1",
    title="Größer 🚀",
    body="Zeile eins\nZeile zwei",
    data={"order": "1", "from": "us"},
    collapse_key="order-1",
    ttl_s=3600,
    urgent=True,
)


@pytest.fixture
async def provider(lab: Lab) -> AsyncIterator[Fcm]:
    fcm = Fcm(lab.fcm_url, await lab.service_account(), Http(timeout_s=0.5))
    yield fcm
    await fcm.close()


@pytest.fixture
async def patient(lab: Lab) -> AsyncIterator[Fcm]:
    """With the usual time-out, for crowds."""
    fcm = Fcm(lab.fcm_url, await lab.service_account(), Http())
    yield fcm
    await fcm.close()


@pytest.mark.parametrize(("kind", "target"), [("fcm_token", "token"), ("fcm_fid", "fid")])
async def test_a_push_arrives_unharmed(lab: Lab, provider: Fcm, kind: str, target: str) -> None:
    """FCM's own rules take it, and it says what it should; its name comes back."""
    outcome = await provider.send(msgspec.structs.replace(PUSH, kind=kind))  # type: ignore[arg-type]
    (received,) = lab.inbox.select(provider="fcm")
    record = received.as_json()
    assert outcome == Delivered(received.provider_id)
    assert (record["to"], record["title"], record["body"]) == (PUSH.token, PUSH.title, PUSH.body)
    assert record["data"] == {"order": "1", "_from": "us"}
    message = record["payload"]["message"]
    assert message[target] == PUSH.token
    assert (message["android"]["priority"], message["android"]["ttl"]) == ("HIGH", "3600s")
    assert (message["android"]["collapse_key"], message["apns"]["headers"]["apns-priority"]) == ("order-1", "10")


async def test_five_hundred_cold_pushes_ask_for_one_token(lab: Lab, patient: Fcm) -> None:
    """Single flight: one token request, whatever the crowd."""
    pushes = [msgspec.structs.replace(PUSH, token=f"device-{number}") for number in range(500)]
    outcomes = await asyncio.gather(*(patient.send(push) for push in pushes))
    assert all(isinstance(outcome, Delivered) for outcome in outcomes)
    assert len(lab.inbox.select(provider="oauth2")) == 1
    assert {received.to for received in lab.inbox.select(provider="fcm")} == {push.token for push in pushes}


async def test_five_hundred_refusals_ask_for_one_token(lab: Lab, patient: Fcm) -> None:
    """Google forgets the token: one new one for all, and every push arrives once."""
    await patient.send(PUSH)
    lab._parts.tokens.revoke_all()
    outcomes = await asyncio.gather(*(patient.send(PUSH) for _ in range(500)))
    assert all(isinstance(outcome, Delivered) for outcome in outcomes)
    assert len(lab.inbox.select(provider="oauth2")) == 2
    assert len(lab.inbox.select(provider="fcm")) == 501


@pytest.mark.parametrize("size", [4000, 5000, 60_000])
async def test_no_body_is_too_long(lab: Lab, provider: Fcm, size: int) -> None:
    """FCM's 4096 bytes are kept by cutting, on a character."""
    push = msgspec.structs.replace(PUSH, body="é" * size, data={"k": "v" * size})
    assert isinstance(await provider.send(push), Delivered)
    assert set(lab.inbox.select()[0].as_json()["body"]) == {"é", "…"}


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault("down"), Unavailable("fcm: connection lost", unknown=True)),
        (Fault("hang"), Unavailable("fcm: no answer in time", unknown=True)),
        (Fault("error"), Unavailable("fcm 500 INTERNAL", 10)),
        (Fault("error", status=400), Rejected("fcm 400 INVALID_ARGUMENT")),
        (Fault("error", status=401), Misconfigured("fcm 401 UNAUTHENTICATED")),
        (Fault("error", status=502), Unavailable("fcm 502", 10, unknown=True)),
        (Fault("error", status=503, retry_after_s=17), Unavailable("fcm 503 UNAVAILABLE", 17, asked=True)),
        (Fault("flaky", fraction=1.0), Unavailable("fcm 500 INTERNAL", 10)),
    ],
)
async def test_every_way_to_fail(lab: Lab, provider: Fcm, fault: Fault, expected: object) -> None:
    """Each fault of the lab becomes its outcome, and the next push after it gets through."""
    lab.set_fault("fcm", fault)
    assert await provider.send(PUSH) == expected
    lab.set_fault("fcm", Fault())
    assert isinstance(await provider.send(PUSH), Delivered)


async def test_too_fast(lab: Lab, provider: Fcm) -> None:
    """The wait is the one that Retry-After tells."""
    lab.set_fault("fcm", Fault("throttle", rate_per_s=0.01))
    assert isinstance(await provider.send(PUSH), Delivered)
    outcome = await provider.send(PUSH)
    assert isinstance(outcome, Throttled)
    assert outcome.after_s is not None
    assert 90 < outcome.after_s <= 101


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("unregistered", Unregistered("fcm 404 UNREGISTERED")),
        ("sender_id_mismatch", Unregistered("fcm 403 SENDER_ID_MISMATCH")),
        ("invalid", Unregistered("fcm 400 INVALID_ARGUMENT message.token")),
        ("not_found", Misconfigured("fcm 404 NOT_FOUND")),
        ("permission_denied", Misconfigured("fcm 403 PERMISSION_DENIED")),
        ("third_party_auth", Misconfigured("fcm 401 THIRD_PARTY_AUTH_ERROR", alone=True)),
        ("unauthenticated", Misconfigured("fcm 401 UNAUTHENTICATED")),
        ("quota", Throttled("fcm 429 QUOTA_EXCEEDED", 10)),
        ("device_quota", Throttled("fcm 429 QUOTA_EXCEEDED", 10, alone=True)),
        ("internal", Unavailable("fcm 500 INTERNAL", 10)),
        ("html502", Unavailable("fcm 502", 10, unknown=True)),
        ("unavailable", Unavailable("fcm 503 UNAVAILABLE", 10, asked=True)),
        ("lost_answer", Unavailable("fcm: connection lost", unknown=True)),
    ],
)
async def test_what_devices_draw(lab: Lab, provider: Fcm, word: str, expected: object) -> None:
    """Every answer FCM has for a device."""
    lab.set_fault("fcm", Fault(tokens={PUSH.token: word}))
    assert await provider.send(PUSH) == expected


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault("down"), Unavailable("fcm token: connection lost")),
        (Fault("hang"), Unavailable("fcm token: no answer in time")),
        (Fault("error", status=503), Unavailable("fcm token 503")),
        (Fault("error", status=400), Misconfigured("fcm token 400")),
    ],
)
async def test_no_token_no_push(lab: Lab, provider: Fcm, fault: Fault, expected: Unavailable | Misconfigured) -> None:
    """Without a token nothing was sent, so nothing is unknown; when Google is back, so are we."""
    lab.set_fault("oauth2", fault)
    outcome = await provider.send(PUSH)
    assert isinstance(outcome, Unavailable | Misconfigured)
    assert outcome.cause.startswith(expected.cause)  # Google's own word for it may follow
    assert msgspec.structs.replace(outcome, cause=expected.cause) == expected
    assert lab.inbox.select(provider="fcm", refused_too=True) == []
    lab.set_fault("oauth2", Fault())
    outcomes = [await provider.send(PUSH) for _ in range(2)]  # the first may still join the renewal that hung
    assert isinstance(outcomes[-1], Delivered)


async def test_a_wrong_project_makes_pushes_wait(lab: Lab) -> None:
    """Our mistake, not the devices'."""
    fcm = Fcm(lab.fcm_url, {**await lab.service_account(), "project_id": "other"}, Http())
    assert await fcm.send(PUSH) == Misconfigured("fcm 403 PERMISSION_DENIED")
    await fcm.close()
