"""Google's access tokens: what we sign, how long we keep what we get, and that only one asks at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec_key
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from heliograph.core.outcomes import Misconfigured, Throttled, Unavailable
from heliograph.providers.google_token import GRANT, SCOPE, AccessToken, GoogleTokens, Refused, load_account
from heliograph.providers.http import NO_CONNECTION, SILENT, Answer, Failed

START = 1_700_000_000_000


def pem_of(key: Any) -> str:
    pem: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem.decode()


@pytest.fixture(scope="module")
def key() -> RSAPrivateKey:
    return generate_private_key(65537, 2048)


@pytest.fixture
def account(key: RSAPrivateKey) -> dict[str, str]:
    return {
        "type": "service_account",
        "project_id": "shop",
        "private_key_id": "kid1",
        "private_key": pem_of(key),
        "client_email": "us@shop.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.example/token",
    }


class Now:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.ms = START

    def __call__(self) -> int:
        return self.ms


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def tokens(account: dict[str, str], http: Any, now: Now) -> GoogleTokens:
    return GoogleTokens(load_account(account), http, now)


def granted(answer: Any, value: str, expires_in: int = 3599) -> Answer:
    made: Answer = answer(200, {"access_token": value, "expires_in": expires_in, "token_type": "Bearer"})
    return made


def value_of(token: AccessToken | Refused) -> str:
    assert isinstance(token, AccessToken)
    return token.value


async def test_signs_what_google_asks_for(tokens: GoogleTokens, http: Any, answer: Any, key: RSAPrivateKey) -> None:
    """RFC 7523: an RS256 assertion of at most an hour, as a form."""
    http.answers = [granted(answer, "t1")]
    assert value_of(await tokens.get()) == "t1"
    (request,) = http.requests
    form = parse_qs(request.body.decode())
    assertion = form["assertion"][0]
    assert request.url == "https://oauth2.example/token"
    assert request.headers == {"Content-Type": "application/x-www-form-urlencoded"}
    assert form["grant_type"] == [GRANT]
    assert jwt.get_unverified_header(assertion) == {"alg": "RS256", "typ": "JWT", "kid": "kid1"}
    checked = {"verify_exp": False, "verify_iat": False}
    assert jwt.decode(assertion, key.public_key(), ["RS256"], audience=request.url, options=checked) == {
        "iss": "us@shop.iam.gserviceaccount.com",
        "scope": SCOPE,
        "aud": "https://oauth2.example/token",
        "iat": START // 1000,
        "exp": START // 1000 + 3600,
    }


async def test_keeps_a_token_until_shortly_before_its_end(
    tokens: GoogleTokens, http: Any, answer: Any, now: Now
) -> None:
    """Replaced 225 s before it expires, not sooner."""
    http.answers = [granted(answer, "t1"), granted(answer, "t2")]
    await tokens.get()
    now.ms = START + (3599 - 226) * 1000
    assert value_of(await tokens.get()) == "t1"
    now.ms = START + (3599 - 225) * 1000
    assert value_of(await tokens.get()) == "t2"
    assert len(http.requests) == 2


async def test_a_short_life_is_used_by_half(tokens: GoogleTokens, http: Any, answer: Any, now: Now) -> None:
    """A token of a minute isn't asked for anew with every push."""
    http.answers = [granted(answer, "t1", 60)]
    await tokens.get()
    now.ms = START + 29_000
    assert value_of(await tokens.get()) == "t1"


async def test_a_refused_token_is_replaced_once_for_all(tokens: GoogleTokens, http: Any, answer: Any) -> None:
    """Whoever comes late with the same refused token gets the fresh one without another request."""
    http.answers = [granted(answer, "t1"), granted(answer, "t2")]
    old = await tokens.get()
    assert isinstance(old, AccessToken)
    fresh = await asyncio.gather(*(tokens.get(refused=old) for _ in range(50)))
    assert {value_of(token) for token in fresh} == {"t2"}
    assert value_of(await tokens.get(refused=old)) == "t2"
    assert len(http.requests) == 2


class GatedHttp:
    """Answers when the test says so."""

    def __init__(self, reply: Answer | Failed) -> None:
        self.reply = reply
        self.gate = asyncio.Event()
        self.asked = asyncio.Event()
        self.count = 0

    async def post(
        self, url: str, headers: Mapping[str, str], body: bytes, deadline: float | None = None
    ) -> Answer | Failed:
        self.count += 1
        self.asked.set()
        await self.gate.wait()
        return self.reply


async def test_one_request_for_all_who_wait(account: dict[str, str], answer: Any, now: Now) -> None:
    """500 pushes at a cold start ask Google once."""
    http = GatedHttp(granted(answer, "t1"))
    tokens = GoogleTokens(load_account(account), http, now)  # type: ignore[arg-type]
    waiting = [asyncio.create_task(tokens.get()) for _ in range(500)]
    await http.asked.wait()
    http.gate.set()
    assert {value_of(token) for token in await asyncio.gather(*waiting)} == {"t1"}
    assert http.count == 1


async def test_who_gives_up_doesnt_end_it_for_the_others(account: dict[str, str], answer: Any, now: Now) -> None:
    """A cancelled push leaves the renewal alone, even the one that began it."""
    http = GatedHttp(granted(answer, "t1"))
    tokens = GoogleTokens(load_account(account), http, now)  # type: ignore[arg-type]
    first, second = asyncio.create_task(tokens.get()), asyncio.create_task(tokens.get())
    await http.asked.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    http.gate.set()
    assert value_of(await second) == "t1"


async def test_who_waits_too_long_gets_none(account: dict[str, str], answer: Any, now: Now) -> None:
    """A deadline ends the waiting, not the renewal: the next push finds its token."""
    http = GatedHttp(granted(answer, "t1"))
    tokens = GoogleTokens(load_account(account), http, now)  # type: ignore[arg-type]
    soon = asyncio.get_running_loop().time() + 0.05
    assert await tokens.get(deadline=soon) == Unavailable("fcm token: no answer in time")
    http.gate.set()
    assert value_of(await tokens.get()) == "t1"
    assert http.count == 1


async def test_closing_ends_the_renewal_and_tells_who_waits(account: dict[str, str], answer: Any, now: Now) -> None:
    """No task stays behind, and nobody hangs."""
    http = GatedHttp(granted(answer, "t1"))
    tokens = GoogleTokens(load_account(account), http, now)  # type: ignore[arg-type]
    waiting = asyncio.create_task(tokens.get())
    await http.asked.wait()
    await tokens.close()
    assert await waiting == Unavailable("fcm token: closed")
    assert [task for task in asyncio.all_tasks() if task.get_name() == "google-token"] == []


@pytest.mark.parametrize(
    ("status", "body", "headers", "expected"),
    [
        (400, {"error": "invalid_grant"}, {}, Misconfigured("fcm token 400 invalid_grant")),
        (401, b"<html>", {}, Misconfigured("fcm token 401")),
        (403, b"", {}, Misconfigured("fcm token 403")),
        (404, b"", {}, Misconfigured("fcm token 404")),
        (429, b"", {"Retry_After": "5"}, Throttled("fcm token 429", 5)),
        (500, {"error": "internal_failure"}, {}, Unavailable("fcm token 500 internal_failure")),
        (503, b"<html>", {"Retry_After": "7"}, Unavailable("fcm token 503", 7)),
        (200, b"<html>", {}, Unavailable("fcm token 200")),
        (200, {"id_token": "x"}, {}, Unavailable("fcm token 200")),
    ],
)
async def test_what_a_refusal_means(
    tokens: GoogleTokens, http: Any, answer: Any, status: int, body: Any, headers: dict[str, str], expected: Refused
) -> None:
    """Our credentials, too fast, or down: never the message's fault, never sent."""
    http.answers = [answer(status, body, **headers)]
    assert await tokens.get() == expected


@pytest.mark.parametrize("failure", [NO_CONNECTION, SILENT], ids=str)
async def test_no_answer_means_no_push_was_sent(tokens: GoogleTokens, http: Any, failure: Failed) -> None:
    """Whatever became of the token request: the push itself never left."""
    http.answers = [failure]
    assert await tokens.get() == Unavailable(f"fcm token: {failure.cause}", unknown=False)


async def test_a_good_token_outlives_a_failed_renewal(tokens: GoogleTokens, http: Any, answer: Any, now: Now) -> None:
    """While Google's token endpoint is down the old token serves to its end, and not every push asks again."""
    http.answers = [granted(answer, "t1"), answer(503), answer(503), answer(503)]
    await tokens.get()
    now.ms = START + 3_400_000
    assert [value_of(await tokens.get()) for _ in range(3)] == ["t1"] * 3
    assert len(http.requests) == 2
    now.ms += 10_000
    assert value_of(await tokens.get()) == "t1"
    assert len(http.requests) == 3
    now.ms = START + 3_599_000
    assert await tokens.get() == Unavailable("fcm token 503")


def test_reads_the_accounts_file(account: dict[str, str], tmp_path: Path) -> None:
    """The JSON as Google's console gives it, from a file or a dict; unknown fields don't matter."""
    path = tmp_path / "account.json"
    path.write_bytes(msgspec.json.encode(account))
    assert load_account(path) == load_account(account)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"not json", b'{"project_id": 5}', b"\xff"])
def test_a_file_that_is_no_account_is_told(content: bytes, tmp_path: Path) -> None:
    """A wrong setting stops the start."""
    path = tmp_path / "account.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="service account"):
        load_account(path)
    with pytest.raises(ValueError, match="service account"):
        load_account(tmp_path / "missing.json")


@pytest.mark.parametrize("pem", ["", "nonsense", "ec"])
def test_a_key_that_is_none_is_told(account: dict[str, str], http: Any, now: Now, pem: str) -> None:
    """Only an RSA key in PEM can sign."""
    text = pem_of(generate_ec_key(SECP256R1())) if pem == "ec" else pem
    with pytest.raises(ValueError, match="private_key"):
        GoogleTokens(load_account({**account, "private_key": text}), http, now)
