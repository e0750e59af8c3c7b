"""Contract of the store: server keys, settings of the installation, leases."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from heliograph.core.keys import ApiKey
from heliograph.core.ports import Store
from tests.contract.store.examples import NOW


async def test_server_keys(store: Store, rival: Store) -> None:
    """Found by their digest; adding one again (at every start) is no error."""
    key = ApiKey(
        digest="digest-1", tenant="shop", prefix="hg_sk_ab", created_at=NOW, name="web", scopes=("send", "read"),
        expires_at=NOW + 10, used_at=NOW, rate=1.5, daily=100,
    )  # fmt: skip
    await store.add_key(key)
    await store.add_key(key)
    assert await rival.api_key("digest-1") == key
    assert await store.api_key("digest") is None


async def test_a_tenants_keys(store: Store, rival: Store) -> None:
    """Oldest first, ended ones too, nobody else's; an end moves only closer; a use is noted."""
    made = [
        ApiKey(digest=f"d{n}", tenant="shop" if n < 3 else "zoo", prefix=f"p{n}", created_at=NOW - n) for n in range(4)
    ]
    for key in made:
        await store.add_key(key)
    for at in (NOW + 9, NOW + 5, NOW + 7):
        await rival.end_key("d1", at)
    await store.touch_key("d0", NOW + 3)
    assert await rival.api_keys("shop") == [
        made[2], replace(made[1], expires_at=NOW + 5), replace(made[0], used_at=NOW + 3)
    ]  # fmt: skip
    assert await store.api_keys("zoo") == [made[3]]
    assert await store.api_keys("none") == []


async def test_settings_are_kept(store: Store, rival: Store) -> None:
    """The first value stands until it is replaced."""
    assert await store.keep("a.b", "first") == "first"
    assert await rival.keep("a.b", "second") == "first"
    assert await store.keep("other", "$x") == "$x"
    await rival.replace("a.b", "third")
    await rival.replace("new", "fresh")
    assert [await store.keep(name, "late") for name in ("a.b", "new")] == ["third", "fresh"]


async def test_racing_for_a_setting(store: Store, rival: Store) -> None:
    """Processes that start at once agree on one secret."""
    found = await asyncio.gather(*((store, rival)[i % 2].keep("secret", f"value-{i}") for i in range(20)))
    assert len(set(found)) == 1


async def test_a_lease(store: Store, rival: Store) -> None:
    """One holder until its time is over; renewed by its holder; another name is another lease."""
    assert await store.lease("reconciler", "a", NOW, NOW + 10)
    assert not await rival.lease("reconciler", "b", NOW + 9, NOW + 19)
    assert await rival.lease("other", "b", NOW, NOW + 10)
    assert await store.lease("reconciler", "a", NOW + 9, NOW + 20)
    assert not await rival.lease("reconciler", "b", NOW + 10, NOW + 30)
    assert await rival.lease("reconciler", "b", NOW + 20, NOW + 30)
    assert not await store.lease("reconciler", "a", NOW + 21, NOW + 40)


async def test_a_lease_is_given_back(store: Store) -> None:
    """Its holder ends it by renewing it until now."""
    await store.lease("reconciler", "a", NOW, NOW + 10)
    assert await store.lease("reconciler", "a", NOW + 1, NOW + 1)
    assert await store.lease("reconciler", "b", NOW + 1, NOW + 10)


async def test_racing_for_a_lease(store: Store, rival: Store) -> None:
    """Of many one gets it, when it is new and when it has run out."""
    for now in (NOW, NOW + 10):
        found = await asyncio.gather(
            *((store, rival)[i % 2].lease("reconciler", f"{now}-{i}", now, now + 10) for i in range(20))
        )
        assert sum(found) == 1
