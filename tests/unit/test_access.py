"""Who is calling: what a server key and a user token are, and everything that only looks like one."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import jwt
import pytest

from heliograph.access import (
    AUDIENCE,
    KEY_PREFIX,
    ServerKeys,
    UserTokens,
    create_key,
    digest_of,
    revoke_keys,
    rotate_key,
)
from heliograph.core.errors import Problem, StoreUnavailable
from heliograph.core.keys import SCOPES
from heliograph.core.model import Key
from heliograph.testing.store import MemoryStore
from tests.unit.given import T0, FakeClock

SECRET = "a-secret-for-user-tokens-of-32-bytes-or-more"
ANNA = Key("acme", "anna")


async def refused(keys: ServerKeys, secret: str) -> str:
    with pytest.raises(Problem) as problem:
        await keys.find(secret)
    return problem.value.kind.code


async def test_a_key_opens_its_own_tenant() -> None:
    """Made once, shown once, stored as a digest; it looks like nothing else."""
    store, clock = MemoryStore(), FakeClock()
    secrets = [await create_key(store, tenant, clock()) for tenant in ("acme", "other")]
    keys = ServerKeys(store, clock)
    assert [(await keys.find(secret)).tenant for secret in secrets] == ["acme", "other"]
    assert all(secret.startswith(KEY_PREFIX) and len(secret) > 30 for secret in secrets)
    stored = await store.api_key(digest_of(secrets[0]))
    assert stored
    assert secrets[0].startswith(stored.prefix)
    assert secrets[0] not in repr(stored)


@pytest.mark.parametrize("secret", ["", "hg_sk_", "hg_sk_unknown", "ä" * 10, "x" * 4096])
async def test_an_unknown_key_is_nobodys(secret: str) -> None:
    """No key, half a key, another key: the same answer."""
    store, clock = MemoryStore(), FakeClock()
    await create_key(store, "acme", clock())
    assert await refused(ServerKeys(store, clock), secret) == "unauthorized"


@pytest.mark.parametrize("tenant", ["", "-a", "a b", "a/b", "a.b", "ä", "x" * 64, "a\n"])
async def test_a_tenant_has_a_name_that_fits_everywhere(tenant: str) -> None:
    """It stands in keys and subjects."""
    with pytest.raises(Problem):
        await create_key(MemoryStore(), tenant, T0)


async def test_the_bootstrap_key_is_the_default_tenants() -> None:
    """Accepted without standing in the store; an empty one is none at all."""
    store, clock = MemoryStore(), FakeClock()
    assert (await ServerKeys(store, clock, "hg_sk_boot").find("hg_sk_boot")).tenant == "default"
    assert await refused(ServerKeys(store, clock, "hg_sk_boot"), "hg_sk_boo") == "unauthorized"
    assert await refused(ServerKeys(store, clock, ""), "") == "unauthorized"


async def test_a_revoked_key_is_refused_on_every_node_within_five_seconds() -> None:
    """The cache spares the store, and forgets."""
    store, clock = MemoryStore(), FakeClock()
    secret = await create_key(store, "acme", clock())
    nodes = [ServerKeys(store, clock) for _ in range(3)]
    for node in nodes:
        await node.find(secret)
    assert await revoke_keys(store, "acme", secret[:14], clock()) == 1
    clock.forward(4.9)
    assert (await nodes[0].find(secret)).tenant == "acme"
    clock.forward(0.1)
    assert [await refused(node, secret) for node in nodes] == ["unauthorized"] * 3
    assert await refused(ServerKeys(store, clock), secret) == "unauthorized"


async def test_a_key_ends_to_the_millisecond() -> None:
    """Its own end is known beforehand: no cache keeps it alive."""
    store, clock = MemoryStore(), FakeClock()
    keys = ServerKeys(store, clock)
    secret = await create_key(store, "acme", clock(), expires_at=T0 + 1_000)
    clock.forward(0.999)
    assert (await keys.find(secret)).tenant == "acme"
    clock.forward(0.001)
    assert await refused(keys, secret) == "unauthorized"


async def test_a_rotation_leaves_two_keys_that_work() -> None:
    """The successor has the name, scopes and quotas; the old one ends when it was told to, an older one at once."""
    store, clock = MemoryStore(), FakeClock()
    keys = ServerKeys(store, clock)
    first = await create_key(store, "acme", clock(), "shop", ("send",), rate=5.0)
    clock.forward(1)  # of two made in the same millisecond nobody could tell which is newer
    second = await rotate_key(store, "acme", "shop", clock(), 60_000)
    assert [(await keys.find(one)).name for one in (first, second)] == ["shop", "shop"]
    clock.forward(10)
    third = await rotate_key(store, "acme", "shop", clock(), 60_000)
    assert await refused(ServerKeys(store, clock), first) == "unauthorized"
    newest = await keys.find(third)
    assert (newest.scopes, newest.rate, newest.expires_at) == (("send",), 5.0, None)
    clock.forward(60)
    assert await refused(ServerKeys(store, clock), second) == "unauthorized"
    assert (await keys.find(third)).name == "shop"


async def test_a_name_that_is_taken_or_unknown_is_told() -> None:
    """A second `create` of a name would make a third key out of a rotation; what isn't there can't be ended."""
    store, clock = MemoryStore(), FakeClock()
    await create_key(store, "acme", clock(), "shop")
    await create_key(store, "other", clock(), "shop")
    for wrong in (
        create_key(store, "acme", T0, "shop"), create_key(store, "acme", T0, "a b"),
        create_key(store, "acme", T0, scopes=("sending",)),
        rotate_key(store, "acme", "web", T0, 0), revoke_keys(store, "acme", "web", T0),
    ):  # fmt: skip
        with pytest.raises(Problem):
            await wrong
    await revoke_keys(store, "acme", "shop", T0)
    assert [key.lives(T0) for key in await store.api_keys("other")] == [True]
    await create_key(store, "acme", clock(), "shop")


async def test_it_is_known_when_a_key_was_used() -> None:
    """To the minute, for one write a minute."""
    store, clock = MemoryStore(), FakeClock()
    keys = ServerKeys(store, clock)
    secret = await create_key(store, "acme", clock())
    for _ in range(20):
        await keys.find(secret)
        await asyncio.sleep(0)
        clock.forward(6)
    (key,) = await store.api_keys("acme")
    assert T0 + 60_000 <= (key.used_at or 0) <= clock()
    assert key.scopes == SCOPES


async def test_a_store_that_is_away_is_no_wrong_key() -> None:
    """A 503 that is tried again, not a 401 that makes somebody change their keys."""
    store, clock = MemoryStore(), FakeClock()
    secret = await create_key(store, "acme", clock())
    known = ServerKeys(store, clock)
    await known.find(secret)
    await store.close_store()
    assert (await known.find(secret)).tenant == "acme"
    with pytest.raises(StoreUnavailable):
        await ServerKeys(store, clock).find(secret)


# --- user tokens ------------------------------------------------------------------------------------------------------


def token(secret: str = SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    given = {"sub": "anna", "tenant": "acme", "aud": AUDIENCE, "exp": T0 // 1000 + 60, **claims}
    return jwt.encode({k: v for k, v in given.items() if v is not None}, secret, algorithm=algorithm)


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_a_token_says_how_long_it_lasts() -> None:
    """By `exp` minus `iat`: a client needs no clock that agrees with ours."""
    minted, expires_at = UserTokens(SECRET, FakeClock()).mint(ANNA, 60)
    claims = jwt.decode(minted, options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 60
    assert claims["exp"] * 1000 == expires_at


def test_a_minted_token_is_its_users_until_it_expires() -> None:
    """To the second, by our own clock."""
    clock = FakeClock()
    tokens = UserTokens(SECRET, clock)
    minted, expires_at = tokens.mint(ANNA, 60)
    assert expires_at == T0 + 60_000
    assert tokens.verify(minted) == (ANNA, expires_at)
    clock.forward(59.999)
    assert tokens.verify(minted) == (ANNA, expires_at)
    clock.forward(0.001)
    with pytest.raises(Problem):
        tokens.verify(minted)


def test_a_token_of_the_customers_own_making_is_as_good() -> None:
    """Any library's HS256 with the four claims; an audience may be a list, times may be fractions."""
    tokens = UserTokens(SECRET, FakeClock())
    assert tokens.verify(token(aud=["other", AUDIENCE], exp=T0 / 1000 + 1.5, extra="x"))[0] == ANNA


@pytest.mark.parametrize(
    "bad",
    [
        "", "x", "a.b.c", ".", "é", token()[:-2], token() + "x", token(secret=SECRET[::-1]),
        token(secret=SECRET * 2, algorithm="HS512"), token(secret=SECRET * 2, algorithm="HS384"),
        f"{part({'alg': 'none', 'typ': 'JWT'})}.{token().split('.')[1]}.",
        f"{part({'alg': 'None', 'typ': 'JWT'})}.{token().split('.')[1]}.{token().split('.')[2]}",
        token(sub=None), token(tenant=None), token(exp=None), token(aud=None), token(aud="other"), token(aud=[]),
        token(sub="a b"), token(sub=""), token(sub="a/b"), token(tenant="a b"), token(tenant=5), token(tenant=["acme"]),
        token(exp=T0 // 1000), token(exp=T0 // 1000 - 1), token(exp=0), token(exp=-1), token(exp=True),
        token(exp=float("inf")), token(exp=float("nan")), token(exp=10**400), token(exp=T0 + 60_000),
    ],
)  # fmt: skip
def test_everything_else_is_refused_alike(bad: str) -> None:
    """Another algorithm, secret or audience, missing or odd claims, no token at all: one answer that tells nothing."""
    with pytest.raises(Problem) as problem:
        UserTokens(SECRET, FakeClock()).verify(bad)
    assert (problem.value.kind.code, problem.value.detail, problem.value.flaws) == (
        "unauthorized", problem.value.kind.title, (),
    )  # fmt: skip
