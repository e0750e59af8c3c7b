"""The unmodified Expo SDK for Python (`exponent_server_sdk`) against the lab's push service."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import Any

import httpx
import pytest
from exponent_server_sdk import (
    DeviceNotRegisteredError,
    InvalidCredentialsError,
    MessageRateExceededError,
    MessageTooBigError,
    PushClient,
    PushMessage,
    PushServerError,
    PushTicketError,
)

from heliograph.lab.expo import ExpoSettings
from heliograph.lab.faults import Fault
from heliograph.lab.server import Lab

SEND = "/expo/--/api/v2/push/send"
RECEIPTS = "/expo/--/api/v2/push/getReceipts"


def token(name: object = "x") -> str:
    return f"ExponentPushToken[{name}]"


@pytest.fixture
def client(lab: Lab) -> PushClient:
    """It joins host and path so that the host's own path is lost."""
    return PushClient(host=lab.base_url, api_url="/expo/--/api/v2")


async def publish(client: PushClient, *tokens: str, **fields: Any) -> list[Any]:
    messages = [PushMessage(to=one, **{"title": "Ünïcode ✓", "body": "Hi 🎉", **fields}) for one in tokens]
    return list(await asyncio.to_thread(client.publish_multiple, messages))


async def received(api: httpx.AsyncClient, **query: str) -> list[dict[str, Any]]:
    return list((await api.get("/lab/messages", params={"provider": "expo", **query})).json()["messages"])


async def test_tickets_then_receipts(api: httpx.AsyncClient, client: PushClient) -> None:
    """Each push has its ticket, each ticket its receipt; the journal shows what the person would see."""
    tickets = await publish(client, token("a"), token("b"), data={"order": "7"}, ttl=60, badge=1, priority="high")
    assert [ticket.status for ticket in tickets] == ["ok", "ok"]
    receipts = await asyncio.to_thread(client.check_receipts_multiple, tickets)
    assert [(one.status, one.id) for one in receipts] == [("ok", ticket.id) for ticket in tickets]
    first, second = await received(api)
    assert (first["to"], second["to"]) == (token("a"), token("b"))
    assert (first["title"], first["body"], first["data"]) == ("Ünïcode ✓", "Hi 🎉", {"order": "7"})
    assert first["provider_id"] == tickets[0].id
    assert (await received(api, to=token("b"))) == [second]


async def test_receipts_take_their_time(lab: Lab, client: PushClient) -> None:
    """Until then the id is missing from the answer."""
    lab.set_expo(ExpoSettings(receipt_delay_s=3600))
    tickets = await publish(client, token())
    assert await asyncio.to_thread(client.check_receipts_multiple, tickets) == []
    lab.set_expo(ExpoSettings())
    assert len(await asyncio.to_thread(client.check_receipts_multiple, tickets)) == 1


@pytest.mark.parametrize(
    ("word", "error"),
    [
        ("unregistered", DeviceNotRegisteredError),
        ("too_big", MessageTooBigError),
        ("rate", MessageRateExceededError),
        ("credentials", PushTicketError),
        ("developer_error", PushTicketError),
    ],
)
async def test_errors_in_the_ticket(lab: Lab, client: PushClient, word: str, error: type[Exception]) -> None:
    """As the SDK knows them; a neighbour isn't touched."""
    lab.set_fault("expo", Fault(tokens={token("bad"): word}))
    good, bad = await publish(client, token("good"), token("bad"))
    good.validate_response()
    with pytest.raises(error):
        bad.validate_response()
    assert len(lab.inbox.select(provider="expo")) == 1
    assert len(lab.inbox.select(provider="expo", refused_too=True)) == 2


@pytest.mark.parametrize(
    ("word", "error"),
    [
        ("receipt_unregistered", DeviceNotRegisteredError),
        ("receipt_too_big", MessageTooBigError),
        ("receipt_rate", MessageRateExceededError),
        ("receipt_credentials", InvalidCredentialsError),
        ("receipt_provider_error", PushTicketError),
    ],
)
async def test_errors_only_in_the_receipt(lab: Lab, client: PushClient, word: str, error: type[Exception]) -> None:
    """The ticket was fine."""
    lab.set_fault("expo", Fault(tokens={token(): word, token("never"): "receipt_none"}))
    tickets = await publish(client, token(), token("never"))
    assert [ticket.is_success() for ticket in tickets] == [True, True]
    (receipt,) = await asyncio.to_thread(client.check_receipts_multiple, tickets)
    with pytest.raises(error):
        receipt.validate_response()


async def test_large_content_and_wrong_tokens(api: httpx.AsyncClient, client: PushClient) -> None:
    """Refused one by one, in the ticket."""
    (big,) = await publish(client, token(), body="x" * 4_096)
    with pytest.raises(MessageTooBigError):
        big.validate_response()
    answer = await api.post(SEND, json={"to": "no-token"})
    assert answer.json()["data"]["details"]["error"] == "DeviceNotRegistered"


async def test_one_message_alone_and_several_recipients(api: httpx.AsyncClient) -> None:
    """A single object is answered by a single ticket; a list of recipients by one each."""
    assert (await api.post(SEND, json={"to": token()})).json()["data"]["status"] == "ok"
    many = (await api.post(SEND, json={"to": [token(1), token(2)]})).json()["data"]
    assert [ticket["status"] for ticket in many] == ["ok", "ok"]
    assert [message["to"] for message in await received(api)] == [token(), token(1), token(2)]


async def test_zipped_requests(api: httpx.AsyncClient) -> None:
    """As the Node SDK sends large ones; what isn't gzip is refused, and so is a bomb."""
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    body = json.dumps([{"to": token(), "title": "zipped"}]).encode()
    assert (await api.post(SEND, content=gzip.compress(body), headers=headers)).status_code == 200
    assert [message["title"] for message in await received(api)] == ["zipped"]
    for wrong in (body, gzip.compress(b"[" * 40_000_000)):
        assert (await api.post(SEND, content=wrong, headers=headers)).status_code == 400


async def test_no_more_than_a_hundred(lab: Lab, api: httpx.AsyncClient, client: PushClient) -> None:
    """Recipients count. (The SDK makes chunks of a hundred by itself: 600 and 50 more meet the next limit.)"""
    answer = await api.post(SEND, json=[{"to": [token(1), token(2)]}] * 51)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "PUSH_TOO_MANY_NOTIFICATIONS")
    assert len(await publish(client, *(token(number) for number in range(250)))) == 250
    assert len(lab.inbox.select(provider="expo")) == 250


async def test_six_hundred_a_second(lab: Lab, client: PushClient) -> None:
    """Then 429 TOO_MANY_REQUESTS; nothing of that request is taken."""
    lab.set_expo(ExpoSettings(rate_per_s=2))
    await publish(client, token(1), token(2))
    with pytest.raises(PushServerError) as raised:
        await publish(client, token(3), token(4))
    assert raised.value.response.status_code == 429
    assert raised.value.errors[0]["code"] == "TOO_MANY_REQUESTS"
    assert len(lab.inbox.select(provider="expo")) == 2


async def test_one_project_a_request(lab: Lab, client: PushClient) -> None:
    """Else it is refused, with the tokens by project; either alone is fine."""
    lab.set_fault("expo", Fault(tokens={token("other"): "other_project"}))
    with pytest.raises(PushServerError) as raised:
        await publish(client, token("ours"), token("other"))
    (error,) = raised.value.errors
    assert error["code"] == "PUSH_TOO_MANY_EXPERIENCE_IDS"
    assert error["details"] == {"@lab/app": [token("ours")], "@lab/other": [token("other")]}
    for name in ("ours", "other"):
        (ticket,) = await publish(client, token(name))
        assert ticket.is_success()


async def test_an_account_that_insists_on_its_token(lab: Lab, api: httpx.AsyncClient) -> None:
    """Both endpoints."""
    assert (await api.put("/lab/expo", json={"access_token": "secret"})).json()["access_token"] == "secret"
    for path, body in ((SEND, {"to": token()}), (RECEIPTS, {"ids": []})):
        answer = await api.post(path, json=body)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (401, "UNAUTHORIZED")
        answer = await api.post(path, json=body, headers={"Authorization": "Bearer secret"})
        assert answer.status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        (SEND, b"", "VALIDATION_ERROR"),
        (SEND, b"{", "VALIDATION_ERROR"),
        (SEND, b'[{"to": 5}]', "VALIDATION_ERROR"),
        (RECEIPTS, b"[]", "VALIDATION_ERROR"),
        (RECEIPTS, b'{"ids": [5]}', "VALIDATION_ERROR"),
        (RECEIPTS, json.dumps({"ids": ["x"] * 1_001}).encode(), "PUSH_TOO_MANY_RECEIPTS"),
    ],
)
async def test_wrong_requests(api: httpx.AsyncClient, path: str, body: bytes, code: str) -> None:
    """Refused as a whole."""
    answer = await api.post(path, content=body)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, code)


@pytest.mark.parametrize("body", [b"{", b'{"receipt_delay": 1}', b'{"rate_per_s": "x"}'])
async def test_wrong_settings(api: httpx.AsyncClient, body: bytes) -> None:
    """Problems; a typing error can't silently mean the default."""
    assert (await api.put("/lab/expo", content=body)).status_code in (400, 422)


async def test_receipts_have_faults_of_their_own(lab: Lab, api: httpx.AsyncClient) -> None:
    """And aren't messages."""
    lab.set_fault("expo_receipts", Fault("error", status=503, retry_after_s=9))
    answer = await api.post(RECEIPTS, json={"ids": ["x"]})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "9")
    assert (await api.post(SEND, json={"to": token()})).status_code == 200
    shown = (await api.get("/lab/messages", params={"all": "true"})).json()["messages"]
    assert {message["provider"] for message in shown} == {"expo"}
    assert len(lab.inbox.select(provider="expo_receipts", refused_too=True)) == 1
