"""User tokens of an outside issuer: by the keys it publishes, by one algorithm, and nothing that only looks like one
(attack 5)."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jwt
import pytest
import pytest_asyncio
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from heliograph.access import AUDIENCE, UserTokens
from heliograph.backends import jwks
from heliograph.core.errors import Problem
from heliograph.core.model import Key
from heliograph.roles.api import inbox
from heliograph.signing_keys import CALM_S, STALE_S, SigningKeys
from heliograph.web import Callers, application
from tests.unit.given import T0, FakeClock
from tests.unit.roles.api.service import SECRET, Answer, Service, call

RSA_KEY = rsa.generate_private_key(65_537, 2_048)
OTHER_KEY = rsa.generate_private_key(65_537, 2_048)
SMALL_KEY = rsa.generate_private_key(65_537, 1_024)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
ANNA = Key("acme", "anna")


def entry(kid: str, **more: Any) -> dict[str, Any]:
    """Of the RSA key, as an issuer lists it."""
    return {**RSAAlgorithm.to_jwk(RSA_KEY.public_key(), as_dict=True), "kid": kid, "use": "sig", **more}


def token(kid: str | None = "k1", key: Any = RSA_KEY, algorithm: str = "RS256", **claims: Any) -> str:
    given = {"sub": "anna", "tenant": "acme", "aud": AUDIENCE, "exp": T0 // 1000 + 60, **claims}
    return jwt.encode(given, key, algorithm, headers={"kid": kid} if kid else None)


class Issuer:
    """Publishes `keys`, unless it is away; counts who asks."""

    def __init__(self, *keys: dict[str, Any]) -> None:
        self.keys = list(keys)
        self.asked = 0
        self.away = False
        self.now = 0.0

    async def fetch(self) -> bytes:
        self.asked += 1
        await asyncio.sleep(0)
        if self.away:
            raise jwks.JwksUnavailable("away, as the test wants it")
        return json.dumps({"keys": self.keys}).encode()

    def tokens(self, algorithm: str = "RS256") -> UserTokens:
        return UserTokens(SECRET, FakeClock(), SigningKeys(self.fetch, algorithm, lambda: self.now))


async def user_of(tokens: UserTokens, given: str) -> Key | str:
    try:
        await tokens.prepare(given)
        return tokens.verify(given)[0]
    except Problem as problem:
        return problem.kind.code


async def test_both_sources_open_the_inbox() -> None:
    """The issuer's key and our own secret, each by its own algorithm."""
    tokens = Issuer(entry("k1")).tokens()
    assert await user_of(tokens, token()) == ANNA
    assert await user_of(tokens, tokens.mint(ANNA, 60)[0]) == ANNA


async def test_another_algorithm_can_be_pinned() -> None:
    """Then that one only: keys and tokens of others are none."""
    listed = {**ECAlgorithm.to_jwk(EC_KEY.public_key(), as_dict=True), "kid": "e1"}
    tokens = Issuer(entry("k1"), listed).tokens("ES256")
    assert await user_of(tokens, token("e1", EC_KEY, "ES256")) == ANNA
    assert await user_of(tokens, token("k1")) == "unauthorized"


async def test_a_new_key_is_fetched_when_it_is_met() -> None:
    """Once for all who wait; and a key that was taken out is refused from the next fetch on."""
    issuer = Issuer(entry("k1"))
    tokens = issuer.tokens()
    assert await asyncio.gather(*(user_of(tokens, token()) for _ in range(50))) == [ANNA] * 50
    assert issuer.asked == 1
    issuer.keys, issuer.now = [entry("k2")], CALM_S
    assert await asyncio.gather(*(user_of(tokens, token("k2")) for _ in range(50))) == [ANNA] * 50
    assert issuer.asked == 2
    assert await user_of(tokens, token("k1")) == "unauthorized"


async def test_made_up_keys_are_not_asked_for_again_and_again() -> None:
    """A flood of unknown `kid`s costs the issuer one question in ten seconds."""
    issuer = Issuer(entry("k1"))
    tokens = issuer.tokens()
    for number in range(100):
        assert await user_of(tokens, token(f"made-up-{number}")) == "unauthorized"
    assert issuer.asked == 1
    issuer.now = CALM_S
    await user_of(tokens, token("made-up"))
    assert issuer.asked == 2


async def test_an_issuer_that_is_away() -> None:
    """Known keys hold for a day. Without any, nobody can tell: 503, not a 401 that signs everybody out. Our own tokens
    need no issuer."""
    issuer = Issuer(entry("k1"))
    tokens = issuer.tokens()
    issuer.away = True
    assert await user_of(tokens, token()) == "issuer_unavailable"
    assert await user_of(tokens, tokens.mint(ANNA, 60)[0]) == ANNA
    issuer.away, issuer.now = False, CALM_S
    assert await user_of(tokens, token()) == ANNA
    issuer.away, issuer.now = True, CALM_S + STALE_S - 1
    assert await user_of(tokens, token()) == ANNA
    issuer.now += 1
    assert await user_of(tokens, token()) == "issuer_unavailable"


async def test_the_service_asks_before_anybody_needs_it() -> None:
    """At its start; so the first live connection, which can't wait, is let in."""
    issuer = Issuer(entry("k1"))
    keys = SigningKeys(issuer.fetch, "RS256", lambda: issuer.now)
    stop = asyncio.Event()
    running = asyncio.create_task(keys.run(stop))
    for _ in range(5):
        await asyncio.sleep(0)
    assert UserTokens(SECRET, FakeClock(), keys).verify(token())[0] == ANNA
    stop.set()
    await running


@pytest.mark.parametrize(
    "listed",
    [
        [], [entry("k1", use="enc")], [entry("k1", alg="RS512")], [{**entry("k1"), "kid": 5}], ["k1"],
        [entry("k1", n="")],
        [{**RSAAlgorithm.to_jwk(SMALL_KEY.public_key(), as_dict=True), "kid": "k1"}],
        [{"kty": "oct", "k": "c2VjcmV0", "kid": "k1"}],
        [{**ECAlgorithm.to_jwk(EC_KEY.public_key(), as_dict=True), "kid": "k1"}],
    ],
)  # fmt: skip
async def test_only_keys_that_fit_are_taken(listed: list[Any]) -> None:
    """For signatures, of the pinned kind, large enough, with a name; a set without any is no set."""
    assert await user_of(Issuer(*listed).tokens(), token()) == "issuer_unavailable"
    assert await user_of(Issuer(*listed, entry("k2")).tokens(), token("k2")) == ANNA


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def signed_with_public_key(kid: str = "k1") -> str:
    """HS256, with the text of the RSA public key as the secret: what a verifier accepts that lets the token choose."""
    public = RSA_KEY.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    body = f"{part({'alg': 'HS256', 'kid': kid})}.{token().split('.')[1]}"
    signature = hmac.new(public, body.encode(), hashlib.sha256).digest()
    return f"{body}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


async def test_attack_5_everything_else_is_refused_alike() -> None:
    """No algorithm, the public key as an HMAC secret, expired, another audience, a key id that is a path, another
    algorithm of the same key: 401 each, byte for byte the same; the genuine one opens the inbox."""
    service = Service()
    keys = SigningKeys(Issuer(entry("k1")).fetch, "RS256")
    callers = Callers(None, UserTokens(SECRET, service.clock, keys))  # type: ignore[arg-type] # no server key here
    routes = inbox.routes(service.store, None, callers, service.clock)  # type: ignore[arg-type] # nothing is marked
    app = application(routes, ready=service.ready, before_metrics=service.refresh)
    attacks = {
        "none": f"{part({'alg': 'none', 'kid': 'k1'})}.{token().split('.')[1]}.",
        "hs256 by the public key": signed_with_public_key(),
        "expired": token(exp=T0 // 1000 - 1),
        "audience": token(aud="other"),
        "path": token("../../x"),
        "no kid": token(None),
        "rs512": token(algorithm="RS512"),
        "another key": token(key=OTHER_KEY),
        "another tenant's shape": token(tenant="a/b"),
    }

    async def read(given: str) -> Answer:
        return await call(app, "GET", "/v1/inbox", headers={"authorization": f"Bearer {given}"})

    answers = {name: await read(given) for name, given in attacks.items()}
    for name, answer in answers.items():
        assert (answer.status, answer.body) == (401, answers["none"].body), name
    assert (await read(token())).status == 200


async def test_attack_4_a_token_is_one_persons(service: Service) -> None:
    """Nothing in a request of a user names whose inbox is meant but the token. Another's item is a 404, byte for byte
    like an unknown one; the calls of client services are a 401."""
    theirs = (await service.send(to="bert"))["id"]
    anna = service.token("anna")
    assert (await service.call("GET", "/v1/inbox", key=anna)).json["items"] == []
    foreign = await service.call("POST", f"/v1/inbox/{theirs}/read", key=anna)
    unknown = await service.call("POST", f"/v1/inbox/{theirs[:-1]}{'z' if theirs[-1] != 'z' else 'y'}/read", key=anna)
    foreign.problem(404, "not_found")
    assert foreign.everything == unknown.everything
    other = await service.call("GET", "/v1/inbox", key=service.token("bert", "other"))
    assert other.json["items"] == []
    (await service.call("GET", f"/v1/notifications/{theirs}", key=anna)).problem(401, "unauthorized")


@pytest_asyncio.fixture
async def service() -> Service:
    return await Service().open()


# --- fetching ---------------------------------------------------------------------------------------------------------


@pytest_asyncio.fixture
async def site() -> AsyncIterator[str]:
    """A web server that answers as its paths say."""

    async def answer(request: web.Request) -> web.Response:
        kind = request.path.strip("/")
        if kind == "redirect":
            raise web.HTTPFound("/keys")
        if kind == "large":
            return web.Response(body=b" " * jwks.MAX_BYTES)
        return web.Response(status=500 if kind == "error" else 200, text='{"keys": []}')

    app = web.Application()
    app.router.add_get("/{kind}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    listener = web.TCPSite(runner, "127.0.0.1", 0)
    await listener.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_a_key_set_comes_from_its_url_or_file_and_nowhere_else(site: str, tmp_path: Path) -> None:
    """No redirect is followed, no endless answer read; what can't be had is said to be so."""
    assert await jwks.fetch(f"{site}/keys") == b'{"keys": []}'
    file = tmp_path / "keys.json"
    file.write_bytes(b"{}")
    assert await jwks.fetch(str(file)) == b"{}"
    for wrong in (f"{site}/redirect", f"{site}/large", f"{site}/error", "http://127.0.0.1:1/keys", f"{file}.none"):
        with pytest.raises(jwks.JwksUnavailable):
            await jwks.fetch(wrong)


def test_a_url_that_anybody_could_answer_is_refused() -> None:
    """Plain HTTP only to this very machine."""
    assert jwks.is_url("https://issuer.example/keys")
    assert jwks.is_url("http://127.0.0.1:1/keys")
    assert not jwks.is_url("/etc/heliograph/keys.json")
    with pytest.raises(ValueError, match="https"):
        jwks.is_url("http://issuer.example/keys")
