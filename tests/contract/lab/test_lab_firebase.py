"""The official `firebase_admin` client (and google-auth with it) against the lab's FCM and OAuth endpoints."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

import firebase_admin
import httpx
import jwt
import pytest
from firebase_admin import credentials, exceptions, messaging
from requests.adapters import HTTPAdapter

from heliograph.lab.oauth import GOOGLE_AUDIENCE, GRANT_TYPE
from heliograph.lab.server import Lab

# The client warns that tokens give way to installation ids; devices that have tokens still do.
pytestmark = pytest.mark.filterwarnings("ignore:Message.token is deprecated")

SCOPE = "https://www.googleapis.com/auth/firebase.messaging"


@pytest.fixture
async def app(lab: Lab, api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    """A Firebase app made from `/lab/service-account.json`, its FCM URL turned to the lab."""
    url = lab.fcm_url + "/v1/projects/{0}/messages:send"
    monkeypatch.setattr(messaging._MessagingService, "FCM_URL", url)
    account = (await api.get("/lab/service-account.json")).json()
    made = firebase_admin.initialize_app(credentials.Certificate(account), name=uuid.uuid4().hex)
    service = messaging._get_messaging_service(made)
    service._client.session.mount(lab.fcm_url, HTTPAdapter(max_retries=0))  # its retries wait out Retry-After
    yield made
    service._client.close()
    await service._async_client.aclose()
    made._services.clear()
    firebase_admin.delete_app(made)


def push(target: str = "device-1", **fields: Any) -> messaging.Message:
    note = messaging.Notification(title="Ünïcode ✓", body="Hi 🎉")
    return messaging.Message(**{"token": target, "notification": note, "data": {"orderId": "7"}, **fields})


async def send(app: Any, message: messaging.Message, *, dry_run: bool = False) -> str:
    return str(await asyncio.to_thread(messaging.send, message, dry_run, app))


async def messages(api: httpx.AsyncClient, **query: str) -> list[dict[str, Any]]:
    return list((await api.get("/lab/messages", params={"provider": "fcm", **query})).json()["messages"])


async def access_token(lab: Lab, api: httpx.AsyncClient, **claims: Any) -> httpx.Response:
    """The token endpoint's answer to an assertion with these claims changed (None: left out)."""
    account = await lab.service_account()
    now = int(time.time())
    usual = {"iss": account["client_email"], "aud": GOOGLE_AUDIENCE, "scope": SCOPE, "iat": now, "exp": now + 3600}
    wanted = {name: value for name, value in (usual | claims).items() if value is not None}
    form = {"grant_type": GRANT_TYPE, "assertion": jwt.encode(wanted, account["private_key"], "RS256")}
    return await api.post("/oauth2/token", data=form)


async def raw_send(lab: Lab, api: httpx.AsyncClient, body: Any, project: str = "heliograph-lab") -> httpx.Response:
    token = (await access_token(lab, api)).json()["access_token"]
    url = f"/fcm/v1/projects/{project}/messages:send"
    return await api.post(url, json=body, headers={"Authorization": f"Bearer {token}"})


async def test_a_push_arrives_as_it_was_written(app: Any, api: httpx.AsyncClient) -> None:
    """The answer is a message name; title, body and data are on record unharmed, the bearer token isn't."""
    android = messaging.AndroidConfig(
        collapse_key="order-7", priority="high", ttl=60, notification=messaging.AndroidNotification(color="#00ff00")
    )
    aps = messaging.APNSPayload(messaging.Aps(badge=3, content_available=True))
    name = await send(app, push(android=android, apns=messaging.APNSConfig({"apns-priority": "5"}, aps)))
    assert name.startswith("projects/heliograph-lab/messages/")
    (message,) = await messages(api, to="device-1")
    assert (message["title"], message["body"], message["data"]) == ("Ünïcode ✓", "Hi 🎉", {"orderId": "7"})
    assert (message["accepted"], message["status"], message["provider_id"]) == (True, 200, name)
    assert message["payload"]["message"]["android"]["ttl"] == "60s"
    assert "authorization" not in message["headers"]


async def test_topics_conditions_and_installation_ids_are_targets(app: Any, api: httpx.AsyncClient) -> None:
    """token, fid, topic and condition each end up in `to`."""
    await send(app, messaging.Message(topic="news", data={"a": "b"}))
    await send(app, messaging.Message(condition="'a' in topics", data={"a": "b"}))
    await send(app, messaging.Message(fid="fid-1", data={"a": "b"}))
    assert [message["to"] for message in await messages(api)] == ["news", "'a' in topics", "fid-1"]


async def test_a_dry_run_validates_without_sending(app: Any, api: httpx.AsyncClient) -> None:
    """A fake name, nothing accepted."""
    assert await send(app, push(), dry_run=True) == "projects/heliograph-lab/messages/fake_message_id"
    assert await messages(api) == []
    assert [message["status"] for message in await messages(api, all="true")] == [200]


async def test_many_pushes_share_one_access_token(app: Any, api: httpx.AsyncClient) -> None:
    """The client's own cache works against the lab: one token request for all of them."""
    await send(app, push("warm-up"))
    batch = await asyncio.to_thread(messaging.send_each, [push(f"device-{n}") for n in range(20)], False, app)
    assert (batch.success_count, batch.failure_count) == (20, 0)
    assert len(await messages(api)) == 21
    tokens = (await api.get("/lab/messages?provider=oauth2")).json()["messages"]
    assert len(tokens) == 1
    assert tokens[0]["data"]["aud"] == GOOGLE_AUDIENCE


async def test_the_async_client_works_too(app: Any, api: httpx.AsyncClient) -> None:
    """httpx over HTTP/1.1; on a loop of its own, because it fetches its token with a blocking call."""

    async def work() -> int:
        batch = await messaging.send_each_async([push("a"), push("b")], False, app)
        await messaging._get_messaging_service(app)._async_client.aclose()
        return int(batch.success_count)

    assert await asyncio.to_thread(asyncio.run, work()) == 2
    assert {message["to"] for message in await messages(api)} == {"a", "b"}


@pytest.mark.parametrize(
    ("word", "error"),
    [
        ("unregistered", messaging.UnregisteredError),
        ("sender_id_mismatch", messaging.SenderIdMismatchError),
        ("third_party_auth", messaging.ThirdPartyAuthError),
        ("quota", messaging.QuotaExceededError),
        ("device_quota", messaging.QuotaExceededError),
        ("invalid", exceptions.InvalidArgumentError),
        ("permission_denied", exceptions.PermissionDeniedError),
        ("not_found", exceptions.NotFoundError),
        ("unauthenticated", exceptions.UnauthenticatedError),
        ("html502", exceptions.UnknownError),
    ],
)
async def test_one_token_can_be_refused(app: Any, api: httpx.AsyncClient, word: str, error: type[Exception]) -> None:
    """Each behaviour is the very exception the official client has for it; other tokens are not touched."""
    await api.put("/lab/faults/fcm", json={"tokens": {"bad": word}})
    with pytest.raises(error) as refused:
        await send(app, push("bad"))
    assert type(refused.value) is error
    assert await messages(api, to="bad") == []
    await send(app, push("good"))
    assert len(await messages(api)) == 1


async def test_the_clients_own_retry_obeys_our_retry_after(app: Any, lab: Lab, api: httpx.AsyncClient) -> None:
    """With its retries left on, a 503 with Retry-After is followed by a second attempt that succeeds."""
    del messaging._get_messaging_service(app)._client.session.adapters[lab.fcm_url]
    await api.put("/lab/faults/fcm", json={"tokens": {"device-1": "once:unavailable"}})
    await send(app, push())
    assert [message["status"] for message in await messages(api, all="true")] == [503, 200]


@pytest.mark.parametrize(
    ("word", "status", "code"), [("internal", 500, "INTERNAL"), ("unavailable", 503, "UNAVAILABLE")]
)
async def test_server_errors_carry_their_code(
    lab: Lab, api: httpx.AsyncClient, word: str, status: int, code: str
) -> None:
    """By plain HTTP: the official client would retry them with its own pauses. 503 says Retry-After."""
    await api.put("/lab/faults/fcm", json={"tokens": {"bad": word}, "retry_after_s": 30})
    answer = await raw_send(lab, api, {"message": {"token": "bad"}})
    assert (answer.status_code, answer.json()["error"]["details"][0]["errorCode"]) == (status, code)
    assert answer.headers.get("retry-after") == ("30" if status == 503 else None)


async def test_throttle_is_quota_exceeded_with_retry_after(app: Any, api: httpx.AsyncClient) -> None:
    """429 RESOURCE_EXHAUSTED QUOTA_EXCEEDED; Retry-After is the true time to the next token."""
    await api.put("/lab/faults/fcm", json={"mode": "throttle", "rate_per_s": 0.001})
    await send(app, push())
    with pytest.raises(messaging.QuotaExceededError) as refused:
        await send(app, push())
    assert refused.value.code == exceptions.RESOURCE_EXHAUSTED
    assert 900 < int(refused.value.http_response.headers["Retry-After"]) <= 1000


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (401, "UNAUTHENTICATED"),
        (403, "PERMISSION_DENIED"),
        (429, "RESOURCE_EXHAUSTED"),
        (500, "INTERNAL"),
        (418, "UNKNOWN"),
    ],
)
async def test_mode_error_answers_the_status(lab: Lab, api: httpx.AsyncClient, status: int, word: str) -> None:
    """In Google's shape; the refused message is on record with its content."""
    await api.put("/lab/faults/fcm", json={"mode": "error", "status": status})
    answer = await raw_send(lab, api, {"message": {"token": "t", "notification": {"title": "Hi"}}})
    assert (answer.status_code, answer.json()["error"]["status"]) == (status, word)
    (message,) = await messages(api, all="true")
    assert (message["accepted"], message["status"], message["title"]) == (False, status, "Hi")


async def test_bad_messages_are_refused_and_recorded(lab: Lab, api: httpx.AsyncClient) -> None:
    """Every kind of nonsense is a 400 INVALID_ARGUMENT; the process lives and the journal can be read."""
    nonsense: list[Any] = [
        {},
        [],
        None,
        {"message": None},
        {"message": {"token": "t", "data": {"n": 12}}},
        {"message": {"token": 5}},
        {"message": {"token": "t", "notification": "hi"}},
        {"message": {"token": "t", "android": {"notification": {"title": ["a"]}}}},
        {"message": {"token": "t", "topic": "x"}},
        {"message": {"token": "t", "data": {"k": "x" * 5000}}},
    ]
    for body in nonsense:
        answer = await raw_send(lab, api, body)
        assert (answer.status_code, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert len(await messages(api, all="true")) == len(nonsense)
    assert await messages(api) == []


async def test_calls_without_a_valid_token_are_unauthenticated(app: Any, lab: Lab, api: httpx.AsyncClient) -> None:
    """Missing, unknown and expired tokens; the official client then gets a new one by itself."""
    for headers in ({}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic abc"}):
        url = "/fcm/v1/projects/heliograph-lab/messages:send"
        answer = await api.post(url, json={"message": {"token": "t"}}, headers=headers)
        assert (answer.status_code, answer.json()["error"]["status"]) == (401, "UNAUTHENTICATED")
    await send(app, push())
    await api.post("/lab/oauth2/expire")
    await send(app, push())
    assert len(await messages(api)) == 2
    assert len((await api.get("/lab/messages?provider=oauth2")).json()["messages"]) == 2


async def test_another_project_is_forbidden(lab: Lab, api: httpx.AsyncClient) -> None:
    """The service account has rights on its own project only."""
    answer = await raw_send(lab, api, {"message": {"token": "t"}}, project="other")
    assert (answer.status_code, answer.json()["error"]["status"]) == (403, "PERMISSION_DENIED")


async def test_the_token_endpoint_issues_short_lived_bearers(lab: Lab, api: httpx.AsyncClient) -> None:
    """3599 s, for Google's audience and for the lab's own token_uri alike."""
    for audience in (GOOGLE_AUDIENCE, lab.token_uri):
        answer = await access_token(lab, api, aud=audience)
        assert (answer.status_code, answer.json()["expires_in"], answer.json()["token_type"]) == (200, 3599, "Bearer")


@pytest.mark.parametrize(
    ("claims", "error"),
    [
        ({"iss": "eve@example.com"}, "invalid_grant"),
        ({"aud": "https://example.com/token"}, "invalid_grant"),
        ({"exp": 1_000}, "invalid_grant"),
        ({"iat": 1_000}, "invalid_grant"),
        ({"iat": 9_999_999_999, "exp": 9_999_999_999}, "invalid_grant"),
        ({"exp": None}, "invalid_grant"),
        ({"iss": None}, "invalid_grant"),
        ({"scope": None}, "invalid_scope"),
    ],
)
async def test_a_wrong_assertion_gets_no_token(
    lab: Lab, api: httpx.AsyncClient, claims: dict[str, Any], error: str
) -> None:
    """Wrong issuer, audience, lifetime or scope: 400 with Google's error word."""
    answer = await access_token(lab, api, **claims)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


async def test_a_forged_or_missing_assertion_gets_no_token(lab: Lab, api: httpx.AsyncClient) -> None:
    """Somebody else's key, no key, no JWT at all, another grant type."""
    now = int(time.time())
    account = await lab.service_account()
    claims = {"iss": account["client_email"], "aud": GOOGLE_AUDIENCE, "scope": SCOPE, "iat": now, "exp": now + 60}
    forged = jwt.encode(claims, "not the private key of the account", "HS256")
    for assertion in (forged, "nonsense", ""):
        answer = await api.post("/oauth2/token", data={"grant_type": GRANT_TYPE, "assertion": assertion})
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    answer = await api.post("/oauth2/token", data={"grant_type": "password"})
    assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_grant_type")


async def test_a_token_without_the_right_scope_sends_nothing(lab: Lab, api: httpx.AsyncClient) -> None:
    """FCM, not the token endpoint, refuses it."""
    token = (await access_token(lab, api, scope="https://www.googleapis.com/auth/drive")).json()["access_token"]
    url = "/fcm/v1/projects/heliograph-lab/messages:send"
    answer = await api.post(url, json={"message": {"token": "t"}}, headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["error"]["status"]) == (403, "PERMISSION_DENIED")


async def test_the_token_endpoint_can_fail_too(app: Any, api: httpx.AsyncClient) -> None:
    """Its fault is separate from FCM's."""
    await api.put("/lab/faults/oauth2", json={"mode": "error", "status": 403})
    with pytest.raises(Exception, match="access_denied"):
        await send(app, push())
    assert await messages(api, all="true") == []
