"""The unmodified `pywebpush` client (and py-vapid with it) against the lab's push service."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from py_vapid import Vapid
from pywebpush import WebPusher, WebPushException, webpush

from heliograph.lab.faults import Fault
from heliograph.lab.server import Lab

CLAIMS = {"sub": "mailto:ops@shop.example"}
MESSAGE = json.dumps({"title": "Ünïcode ✓", "body": "Hi 🎉", "data": {"order": "7"}}, ensure_ascii=False)


@pytest.fixture(scope="module")
def vapid() -> Vapid:
    made = Vapid()
    made.generate_keys()
    return made


@pytest.fixture
async def subscription(api: httpx.AsyncClient) -> Any:
    answer = await api.post("/lab/webpush/subscriptions")
    assert answer.status_code == 201
    return answer.json()


async def push(subscription: Any, vapid: Vapid, data: str = MESSAGE, **options: Any) -> Any:
    given = {"ttl": 60, "vapid_private_key": vapid, "vapid_claims": dict(CLAIMS), **options}
    return await asyncio.to_thread(webpush, subscription, data, **given)


async def refused(subscription: Any, vapid: Vapid, **options: Any) -> Any:
    """The service's answer to a push that it doesn't take."""
    with pytest.raises(WebPushException) as raised:
        await push(subscription, vapid, **options)
    assert raised.value.response is not None
    return raised.value.response


async def received(api: httpx.AsyncClient, **query: str) -> list[dict[str, Any]]:
    return list((await api.get("/lab/messages", params={"provider": "webpush", **query})).json()["messages"])


def id_of(subscription: Any) -> str:
    return str(subscription["endpoint"].rpartition("/")[2])


async def test_a_push_is_decrypted(api: httpx.AsyncClient, subscription: Any, vapid: Vapid) -> None:
    """201 with the message's own URL; the journal shows what the person would see."""
    answer = await push(subscription, vapid)
    assert (answer.status_code, answer.headers["TTL"]) == (201, "60")
    (message,) = await received(api, to=subscription["endpoint"])
    assert (message["title"], message["body"], message["data"]) == ("Ünïcode ✓", "Hi 🎉", {"order": "7"})
    assert message["payload"] == json.loads(MESSAGE)
    assert message["provider_id"] == answer.headers["Location"]
    assert message["headers"]["ttl"] == "60"
    assert "authorization" not in message["headers"]


async def test_plain_text_and_what_isnt_for_this_browser(api: httpx.AsyncClient, vapid: Vapid) -> None:
    """Text is a body; what can't be decrypted is shown as nothing."""
    mine, other = [(await api.post("/lab/webpush/subscriptions")).json() for _ in range(2)]
    await push(mine, vapid, "just text")
    await push({**mine, "keys": other["keys"]}, vapid)
    first, second = await received(api)
    assert (first["body"], first["payload"]) == ("just text", "just text")
    assert (second["title"], second["payload"], second["accepted"]) == ("", None, True)


async def test_ttl_is_required(api: httpx.AsyncClient, subscription: Any) -> None:
    """RFC 8030 section 5.2; before it, credentials are."""
    answer = await api.post(subscription["endpoint"], content=b"x")
    assert (answer.status_code, answer.json()["errno"]) == (401, 109)


@pytest.mark.parametrize(
    ("headers", "errno"),
    [
        ({"TTL": ""}, 111), ({"TTL": "-1"}, 111), ({"TTL": "x"}, 111), ({"TTL": "2592001"}, 112),
        ({"Topic": "x" * 33}, 113), ({"Topic": "a b"}, 113), ({"Urgency": "extreme"}, 111),
        ({"Content-Encoding": "aesgcm"}, 110),
    ],
)  # fmt: skip
async def test_headers_are_checked(subscription: Any, vapid: Vapid, headers: dict[str, str], errno: int) -> None:
    """Each with Mozilla's number."""
    signed = vapid.sign({**CLAIMS, "aud": subscription["endpoint"].partition("/webpush")[0]})
    sealed = WebPusher(subscription).encode(MESSAGE.encode())["body"]
    all_headers = {**signed, "TTL": "60", "Content-Encoding": "aes128gcm"} | headers
    async with httpx.AsyncClient() as client:
        found = await client.post(subscription["endpoint"], content=sealed, headers=all_headers)
    assert (found.status_code, found.json()["errno"]) == (400, errno)


async def test_the_audience_is_the_origin(vapid: Vapid) -> None:
    """pywebpush's trap: it writes the first audience into the caller's claims, and a second service refuses that."""
    labs = [Lab(), Lab()]
    for lab in labs:
        await lab.start()
    try:
        claims: dict[str, Any] = dict(CLAIMS)
        first, second = (lab.webpush_subscription() for lab in labs)
        await push(first, vapid, vapid_claims=claims)
        assert claims["aud"] == labs[0].base_url
        assert (await refused(second, vapid, vapid_claims=claims)).status_code == 403
        await push(second, vapid)
    finally:
        for lab in labs:
            await lab.stop()


async def test_a_browser_may_insist_on_its_server(api: httpx.AsyncClient, vapid: Vapid) -> None:
    """`applicationServerKey`: another key is refused."""
    other = Vapid()
    other.generate_keys()
    for key, status in ((vapid, 201), (other, 403)):
        point = key.public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        server_key = base64.urlsafe_b64encode(point).decode()
        made = (await api.post("/lab/webpush/subscriptions", json={"application_server_key": server_key})).json()
        if status == 201:
            assert (await push(made, vapid)).status_code == 201
        else:
            assert (await refused(made, vapid)).status_code == 403


async def test_sizes(subscription: Any, vapid: Vapid) -> None:
    """3,993 bytes fill the 4,096 that services take."""
    assert (await push(subscription, vapid, "x" * 3_993)).status_code == 201
    assert (await refused(subscription, vapid, data="x" * 3_994)).status_code == 413


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("unregistered", 410), ("not_found", 404), ("bad_request", 400), ("vapid_mismatch", 403), ("too_large", 413),
        ("throttled", 429), ("internal", 500), ("unavailable", 503),
    ],
)  # fmt: skip
@pytest.mark.parametrize("by_id", [True, False])
async def test_what_subscriptions_draw(
    lab: Lab, subscription: Any, vapid: Vapid, word: str, status: int, by_id: bool
) -> None:
    """Named by their endpoint or by the id at its end; Retry-After where one waits."""
    token = id_of(subscription) if by_id else subscription["endpoint"]
    lab.set_fault("webpush", Fault(tokens={token: word}, retry_after_s=7))
    answer = await refused(subscription, vapid)
    assert answer.status_code == status
    assert answer.headers.get("Retry-After") == ("7" if status in (429, 503) else None)
    assert answer.json()["code"] == status


async def test_a_bridged_service_takes_less(lab: Lab, subscription: Any, vapid: Vapid) -> None:
    """2,744 bytes."""
    lab.set_fault("webpush", Fault(tokens={id_of(subscription): "bridged"}))
    assert (await push(subscription, vapid, "x" * 2_641)).status_code == 201
    assert (await refused(subscription, vapid, data="x" * 2_642)).status_code == 413


async def test_modes(lab: Lab, subscription: Any, vapid: Vapid) -> None:
    """Errors and limits of the whole service."""
    lab.set_fault("webpush", Fault("error", status=410))
    assert (await refused(subscription, vapid)).json()["errno"] == 106
    lab.set_fault("webpush", Fault("throttle", rate_per_s=0.01))
    await push(subscription, vapid)
    assert int((await refused(subscription, vapid)).headers["Retry-After"]) > 90


async def test_what_waits_for_a_browser(api: httpx.AsyncClient, subscription: Any, vapid: Vapid) -> None:
    """A newer message with the same topic replaces the older one; TTL 0 doesn't wait; collecting empties the queue."""
    topic, low = {"Topic": "t"}, {"Urgency": "low"}
    for body, headers in (("one", topic), ("two", low), ("three", topic)):
        await push(subscription, vapid, body, headers=headers)
    await push(subscription, vapid, "never", ttl=0)
    path = f"/lab/webpush/subscriptions/{id_of(subscription)}"
    waiting = (await api.post(f"{path}/collect")).json()["messages"]
    assert [(one["payload"], one["topic"], one["urgency"]) for one in waiting] == [
        ("two", "", "low"), ("three", "t", "normal"),
    ]  # fmt: skip
    assert (await api.post(f"{path}/collect")).json() == {"messages": []}
    assert len(await received(api)) == 4


async def test_a_subscription_that_was_taken_back(api: httpx.AsyncClient, subscription: Any, vapid: Vapid) -> None:
    """410 from then on."""
    assert (await api.delete(f"/lab/webpush/subscriptions/{id_of(subscription)}")).status_code == 204
    assert (await refused(subscription, vapid)).status_code == 410


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/lab/webpush/subscriptions", b"{", 400),
        ("POST", "/lab/webpush/subscriptions", b'{"key": 1}', 422),
        ("POST", "/lab/webpush/subscriptions/none/collect", b"", 404),
        ("DELETE", "/lab/webpush/subscriptions/none", b"", 404),
    ],
)
async def test_wrong_orders(api: httpx.AsyncClient, method: str, path: str, body: bytes, status: int) -> None:
    """Problems, with nothing changed."""
    answer = await api.request(method, path, content=body)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
