"""Web Push: the call around a push: to whom, signed for whom, and when a second one is made."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from heliograph.core.model import PushMessage
from heliograph.core.outcomes import Delivered, Rejected, Unavailable, Unregistered
from heliograph.providers.http import FORBIDDEN, LOST, NO_CONNECTION, SILENT, Failed
from heliograph.providers.vapid import Vapid, base64url, new_key_pair, point_of
from heliograph.providers.webpush import WebPush

NOW = 1_700_000_000_000
KEYS = {"p256dh": base64url(point_of(ec.generate_private_key(ec.SECP256R1()))), "auth": base64url(b"a" * 16)}
PAIR = new_key_pair()


def to(endpoint: str = "https://push.example/1", keys: Any = KEYS, **changes: Any) -> PushMessage:
    token = json.dumps({"endpoint": endpoint, "keys": keys})
    message = PushMessage(kind="webpush", token=token, title="Shipped", body="It left.", id="ntf_1")
    return msgspec.structs.replace(message, **changes)


@pytest.fixture
async def provider(http: Any) -> AsyncIterator[WebPush]:
    made = WebPush(Vapid(PAIR.private, "mailto:us@shop.example"), http, lambda: NOW)
    yield made
    await made.close()


async def test_a_push_is_one_request_to_its_endpoint(provider: WebPush, http: Any, answer: Any) -> None:
    """Sealed, and with every header that services insist on."""
    http.answers = [answer(201, Location="https://push.example/m/1")]
    assert await provider.send(to(ttl_s=60, collapse_key="k", urgent=True)) == Delivered("https://push.example/m/1")
    (request,) = http.requests
    assert request.url == "https://push.example/1"
    named = {name: request.headers[name] for name in ("TTL", "Urgency", "Content-Encoding", "Content-Type")}
    assert named == {
        "TTL": "60", "Urgency": "high", "Content-Encoding": "aes128gcm", "Content-Type": "application/octet-stream",
    }  # fmt: skip
    assert len(request.headers["Topic"]) == 32
    assert b"Shipped" not in request.body


async def test_each_origin_gets_its_own_token(provider: WebPush, http: Any, answer: Any) -> None:
    """Never one that was signed for another push service (pywebpush's known trap)."""
    http.answers = [answer(201)] * 3
    for endpoint in ("https://a.example/1", "https://b.example:8443/1", "https://A.example/2"):
        await provider.send(to(endpoint))
    tokens = [
        request.headers["Authorization"].split(" ")[1].removeprefix("t=").rstrip(",") for request in http.requests
    ]
    audiences = [jwt.decode(token, options={"verify_signature": False})["aud"] for token in tokens]
    assert audiences == ["https://a.example", "https://b.example:8443", "https://a.example"]
    assert tokens[0] == tokens[2]


async def test_one_that_is_too_large_is_sent_again_smaller(provider: WebPush, http: Any, answer: Any) -> None:
    """A service that hands on to another network takes 2,744 bytes; it refused the first, so nothing comes twice."""
    http.answers = [answer(413), answer(201)]
    assert await provider.send(to(body="x" * 5_000)) == Delivered()
    assert [len(request.body) for request in http.requests] == [4_096, 2_744]
    http.answers = [answer(413), answer(413)]
    assert await provider.send(to()) == Rejected("webpush 413")
    assert http.answers == []


@pytest.mark.parametrize(
    ("token", "cause"),
    [
        ("no json", "webpush: not a subscription"),
        ('{"endpoint": "https://push.example"}', "webpush: not a subscription"),
        (to("http://push.example/1").token, "webpush: expected an https URL"),
        (to("https://10.0.0.1/1").token, "webpush: blocked_address"),
        (to("http://127.0.0.1:8090/1").token, "webpush: expected an https URL"),
    ],
)
async def test_nothing_is_sent_where_nothing_may_go(provider: WebPush, http: Any, token: str, cause: str) -> None:
    """Checked here again: it was stored by another version, or while a lab was allowed."""
    assert await provider.send(PushMessage(kind="webpush", token=token, title="t", body="b")) == Rejected(cause)
    assert http.requests == []


async def test_a_lab_may_be_allowed(http: Any, answer: Any) -> None:
    """By host and port."""
    http.answers = [answer(201)]
    vapid = Vapid(PAIR.private, "https://shop.example")
    provider = WebPush(vapid, http, lambda: NOW, frozenset({"127.0.0.1:8090"}))
    assert await provider.send(to("http://127.0.0.1:8090/1")) == Delivered()
    await provider.close()


async def test_a_subscription_without_usable_keys_is_gone(provider: WebPush, http: Any) -> None:
    """Nothing can ever be encrypted for it."""
    outcome = await provider.send(to(keys={"p256dh": "x", "auth": "y"}))
    assert outcome == Unregistered("webpush: the subscription's keys can't be used")
    assert http.requests == []


@pytest.mark.parametrize(("failure", "unknown"), [(NO_CONNECTION, False), (SILENT, True), (LOST, True)], ids=str)
async def test_no_answer(provider: WebPush, http: Any, failure: Failed, unknown: bool) -> None:
    """Only a push that never left is certainly not sent."""
    http.answers = [failure]
    assert await provider.send(to()) == Unavailable(f"webpush: {failure.cause}", unknown=unknown, alone=True)


async def test_a_name_that_leads_inside(provider: WebPush, http: Any) -> None:
    """No use in trying again."""
    http.answers = [FORBIDDEN]
    assert await provider.send(to()) == Rejected("webpush: blocked_address")


async def test_closes_its_pool(http: Any) -> None:
    """Nothing stays open, also if nothing was sent."""
    provider = WebPush(Vapid(PAIR.private, "https://shop.example"), http)
    await provider.close()
    assert http.closed
    assert provider.kinds == {"webpush"}
