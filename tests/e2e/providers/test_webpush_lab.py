"""Web Push's provider against the lab's push service, over real sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

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
from heliograph.providers.vapid import Vapid, new_key_pair
from heliograph.providers.webpush import WebPush, guarded_http

PAIR = new_key_pair()
PUSH = PushMessage(
    kind="webpush",
    token="",
    title="Größer 🚀",
    body="Zeile eins\nZeile zwei",
    data={"order": "1"},
    collapse_key="order-1",
    ttl_s=3600,
    urgent=True,
    action_url="https://shop.example/o/1",
    image_url="https://shop.example/i.png",
    badge=3,
    id="ntf_1",
    type="transactional",
)


def provider_of(lab: Lab, timeout_s: float = 0.5) -> WebPush:
    allowed = frozenset(lab.webpush_hosts.split(","))
    vapid = Vapid(PAIR.private, "mailto:ops@shop.example")
    return WebPush(vapid, guarded_http(timeout_s, allowed), allowed_hosts=allowed)


@pytest.fixture
async def provider(lab: Lab) -> AsyncIterator[WebPush]:
    made = provider_of(lab)
    yield made
    await made.close()


@pytest.fixture
def subscription(lab: Lab) -> dict[str, Any]:
    return lab.webpush_subscription(PAIR.public)


@pytest.fixture
def push(subscription: dict[str, Any]) -> PushMessage:
    return msgspec.structs.replace(PUSH, token=json.dumps(subscription))


async def test_a_push_arrives_unharmed(
    lab: Lab, provider: WebPush, push: PushMessage, subscription: dict[str, Any]
) -> None:
    """The browser decrypts what the page's service worker is meant to read; the message's URL comes back."""
    outcome = await provider.send(push)
    (received,) = lab.inbox.select(provider="webpush")
    record = received.as_json()
    assert outcome == Delivered(received.provider_id)
    assert record["to"] == subscription["endpoint"]
    assert record["payload"] == {
        "id": "ntf_1", "type": "transactional", "title": PUSH.title, "body": PUSH.body, "data": {"order": "1"},
        "action_url": PUSH.action_url, "image_url": PUSH.image_url, "badge": 3, "collapse_key": "order-1",
    }  # fmt: skip
    sent = {name: record["headers"][name] for name in ("ttl", "urgency", "content-encoding")}
    assert sent == {"ttl": "3600", "urgency": "high", "content-encoding": "aes128gcm"}


async def test_a_newer_push_replaces_the_older_one(lab: Lab, provider: WebPush, push: PushMessage) -> None:
    """While the browser is away: the same collapse key is the same topic."""
    for body, key in (("one", "a"), ("two", "b"), ("three", "a")):
        await provider.send(msgspec.structs.replace(push, body=body, collapse_key=key))
    name = json.loads(push.token)["endpoint"].rpartition("/")[2]
    browser = lab._parts.subscriptions.get(name)
    assert browser
    waiting = [browser.decrypt(one.body)["body"] for one in browser.collect(0)]
    assert waiting == ["two", "three"]


async def test_two_services_side_by_side(lab: Lab) -> None:
    """Each is shown a token for itself; one origin's under another name is another origin."""
    other = Lab()
    await other.start()
    provider = provider_of(lab)
    provider._allowed |= frozenset(other.webpush_hosts.split(","))
    here, there = lab.webpush_subscription(), other.webpush_subscription()
    named = {**here, "endpoint": here["endpoint"].replace("127.0.0.1", "localhost")}
    try:
        for one in (here, there, named, here):
            outcome = await provider.send(msgspec.structs.replace(PUSH, token=json.dumps(one)))
            assert isinstance(outcome, Delivered)
    finally:
        await provider.close()
        await other.stop()
    assert (len(lab.inbox.select()), len(other.inbox.select())) == (3, 1)


async def test_many_at_once(lab: Lab) -> None:
    """Five hundred browsers, each gets its own message."""
    provider = provider_of(lab, 10)
    made = [lab.webpush_subscription() for _ in range(500)]
    pushes = [msgspec.structs.replace(PUSH, token=json.dumps(one), body=str(number)) for number, one in enumerate(made)]
    outcomes = await asyncio.gather(*(provider.send(push) for push in pushes))
    await provider.close()
    assert all(isinstance(outcome, Delivered) for outcome in outcomes)
    bodies = {record.to: record.content.view().body for record in lab.inbox.select()}
    assert bodies == {one["endpoint"]: str(number) for number, one in enumerate(made)}


@pytest.mark.parametrize("size", [4_000, 60_000])
@pytest.mark.parametrize("word", ["", "bridged"])
async def test_no_body_is_too_long(lab: Lab, provider: WebPush, push: PushMessage, size: int, word: str) -> None:
    """4,096 bytes are kept by cutting; a service that takes only 2,744 gets a smaller one."""
    name = json.loads(push.token)["endpoint"].rpartition("/")[2]
    lab.set_fault("webpush", Fault(tokens={name: word} if word else {}))
    long = msgspec.structs.replace(push, body="é" * size, data={"k": "v" * size})
    assert isinstance(await provider.send(long), Delivered)
    (record,) = lab.inbox.select()
    assert record.size <= (2_744 if word else 4_096)
    assert set(record.content.view().body) == {"é", "…"}


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault("down"), Unavailable("webpush: connection lost", unknown=True, alone=True)),
        (Fault("hang"), Unavailable("webpush: no answer in time", unknown=True, alone=True)),
        (Fault("error"), Unavailable("webpush 500 errno 999", alone=True)),
        (Fault("error", status=401), Misconfigured("webpush 401", alone=True)),
        (Fault("error", status=502), Unavailable("webpush 502", unknown=True, alone=True)),
        (
            Fault("error", status=503, retry_after_s=17),
            Unavailable("webpush 503 errno 201", 17, alone=True, asked=True),
        ),
        (Fault("flaky", fraction=1.0), Unavailable("webpush 500 errno 999", alone=True)),
    ],
)
async def test_every_way_to_fail(
    lab: Lab, provider: WebPush, push: PushMessage, fault: Fault, expected: object
) -> None:
    """Each fault of the lab becomes its outcome, and the next push after it gets through."""
    lab.set_fault("webpush", fault)
    assert await provider.send(push) == expected
    lab.set_fault("webpush", Fault())
    assert isinstance(await provider.send(push), Delivered)


async def test_too_fast(lab: Lab, provider: WebPush, push: PushMessage) -> None:
    """The wait is the one that Retry-After tells."""
    lab.set_fault("webpush", Fault("throttle", rate_per_s=0.01))
    assert isinstance(await provider.send(push), Delivered)
    outcome = await provider.send(push)
    assert isinstance(outcome, Throttled)
    assert outcome.after_s is not None
    assert 90 < outcome.after_s <= 101


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("unregistered", Unregistered("webpush 410 errno 106")),
        ("not_found", Unregistered("webpush 404 errno 102")),
        ("bad_request", Rejected("webpush 400 errno 110")),
        ("vapid_mismatch", Misconfigured("webpush 403 errno 109", alone=True)),
        ("too_large", Rejected("webpush 413 errno 104")),
        ("throttled", Throttled("webpush 429 errno 201", 1, alone=True)),
        ("internal", Unavailable("webpush 500 errno 999", alone=True)),
        ("unavailable", Unavailable("webpush 503 errno 201", 1, alone=True, asked=True)),
        ("lost_answer", Unavailable("webpush: connection lost", unknown=True, alone=True)),
    ],
)
async def test_what_subscriptions_draw(
    lab: Lab, provider: WebPush, push: PushMessage, word: str, expected: object
) -> None:
    """Every answer a push service has for a subscription."""
    lab.set_fault("webpush", Fault(tokens={json.loads(push.token)["endpoint"]: word}))
    assert await provider.send(push) == expected


async def test_a_browser_that_subscribed_to_another_server(lab: Lab, provider: WebPush) -> None:
    """Our configuration, not the device: it isn't forgotten."""
    foreign = lab.webpush_subscription(new_key_pair().public)
    outcome = await provider.send(msgspec.structs.replace(PUSH, token=json.dumps(foreign)))
    assert outcome == Misconfigured("webpush 403 errno 109", alone=True)


async def test_nothing_reaches_ourselves_unless_allowed(lab: Lab, subscription: dict[str, Any]) -> None:
    """Not by address, not by a name that leads here, not after a redirect: no request is made."""
    provider = WebPush(Vapid(PAIR.private, "https://shop.example"), guarded_http(0.5))
    for endpoint in (
        subscription["endpoint"],
        f"https://127.0.0.1:{lab.port}/webpush/push/1",
        f"https://localhost:{lab.port}/webpush/push/1",
        f"https://127.1:{lab.port}/webpush/push/1",
    ):
        token = json.dumps({**subscription, "endpoint": endpoint})
        assert isinstance(await provider.send(msgspec.structs.replace(PUSH, token=token)), Rejected)
    await provider.close()
    assert lab.inbox.select(refused_too=True) == []
