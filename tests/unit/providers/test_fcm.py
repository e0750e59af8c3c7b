"""FCM: the calls around a push: token first, one fresh token when it is refused, and no more."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from heliograph.core.model import PushMessage
from heliograph.core.outcomes import Delivered, Misconfigured, Unavailable
from heliograph.providers.fcm import Fcm
from heliograph.providers.http import LOST, NO_CONNECTION, SILENT, Failed

NOW = 1_700_000_000_000
PUSH = PushMessage(kind="fcm_token", token="tok", title="Shipped", body="It left.")
UNAUTHENTICATED = {"error": {"code": 401, "status": "UNAUTHENTICATED", "message": "x"}}
THIRD_PARTY = {
    "error": {
        "code": 401,
        "status": "UNAUTHENTICATED",
        "details": [
            {
                "@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError",
                "errorCode": "THIRD_PARTY_AUTH_ERROR",
            }
        ],
    }
}


@pytest.fixture(scope="module")
def pem() -> str:
    key = generate_private_key(65537, 2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.fixture
def provider(http: Any, pem: str) -> Fcm:
    account = {
        "project_id": "shop",
        "private_key": pem,
        "client_email": "us@shop.example",
        "token_uri": "https://oauth2.example/token",
    }
    return Fcm("https://fcm.googleapis.com/", account, http, lambda: NOW)


def token(answer: Any, value: str) -> Any:
    return answer(200, {"access_token": value, "expires_in": 3599})


async def test_a_push_is_one_request_with_a_bearer_token(provider: Fcm, http: Any, answer: Any) -> None:
    """Token, then the message to the project's endpoint; the next push needs no token request."""
    http.answers = [token(answer, "t1"), answer(200, {"name": "m1"}), answer(200, {"name": "m2"})]
    assert [await provider.send(PUSH), await provider.send(PUSH)] == [Delivered("m1"), Delivered("m2")]
    _, first, second = http.requests
    assert first.url == second.url == "https://fcm.googleapis.com/v1/projects/shop/messages:send"
    assert first.headers == {"Authorization": "Bearer t1", "Content-Type": "application/json"}
    assert first.json["message"]["token"] == "tok"


async def test_a_refused_token_is_replaced_once(provider: Fcm, http: Any, answer: Any) -> None:
    """401 UNAUTHENTICATED: a fresh token and the same message again."""
    http.answers = [
        token(answer, "t1"),
        answer(401, UNAUTHENTICATED),
        token(answer, "t2"),
        answer(200, {"name": "m1"}),
    ]
    assert await provider.send(PUSH) == Delivered("m1")
    assert http.requests[1].body == http.requests[3].body
    assert http.requests[3].headers["Authorization"] == "Bearer t2"


async def test_a_second_refusal_is_our_misconfiguration(provider: Fcm, http: Any, answer: Any) -> None:
    """No token helps: it waits for us, and there is no third try."""
    http.answers = [
        token(answer, "t1"),
        answer(401, UNAUTHENTICATED),
        token(answer, "t2"),
        answer(401, UNAUTHENTICATED),
    ]
    assert await provider.send(PUSH) == Misconfigured("fcm 401 UNAUTHENTICATED")
    assert http.answers == []


async def test_firebases_own_credentials_need_no_new_token(provider: Fcm, http: Any, answer: Any) -> None:
    """THIRD_PARTY_AUTH_ERROR is about APNs or Web Push keys held by Firebase: no refresh loop."""
    http.answers = [token(answer, "t1"), answer(401, THIRD_PARTY)]
    assert await provider.send(PUSH) == Misconfigured("fcm 401 THIRD_PARTY_AUTH_ERROR", alone=True)
    assert http.answers == []


async def test_no_fresh_token_to_be_had(provider: Fcm, http: Any, answer: Any) -> None:
    """The outcome is that of the token request; the push was refused, so it wasn't sent."""
    http.answers = [token(answer, "t1"), answer(401, UNAUTHENTICATED), answer(500)]
    assert await provider.send(PUSH) == Unavailable("fcm token 500")


@pytest.mark.parametrize(("failure", "unknown"), [(NO_CONNECTION, False), (SILENT, True), (LOST, True)], ids=str)
async def test_no_answer(provider: Fcm, http: Any, answer: Any, failure: Failed, unknown: bool) -> None:
    """Only a push that never left is certainly not sent."""
    http.answers = [token(answer, "t1"), failure]
    assert await provider.send(PUSH) == Unavailable(f"fcm: {failure.cause}", unknown=unknown)


async def test_closes_its_pool(provider: Fcm, http: Any) -> None:
    """Nothing stays open."""
    await provider.close()
    assert http.closed


def test_takes_tokens_and_installation_ids(provider: Fcm) -> None:
    """Both names of an FCM device."""
    assert provider.kinds == {"fcm_token", "fcm_fid"}
