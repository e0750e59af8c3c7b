"""Contract of the store: users and their devices."""

from __future__ import annotations

import asyncio

from heliograph.core.model import Device, Key, Recipient, User
from heliograph.core.ports import Store
from tests.contract.store.examples import AWKWARD, DATA, NOW, TENANT, key

ANNA, BEN = key("anna"), key("ben")


def device(id_: str, user: str = "anna", value: str = "token", **fields: object) -> Device:
    made = {"id": id_, "tenant": TENANT, "user": user, "kind": "fcm_token", "value": value, "created_at": NOW} | fields
    return Device(**made)  # type: ignore[arg-type]


async def test_a_user_comes_back_whole(store: Store, rival: Store) -> None:
    """Every field, and `put_user` answers with what is stored."""
    full = User(TENANT, "anna@x|1", "a@x.example", AWKWARD, "de-AT", "Europe/Vienna", DATA, NOW)
    assert await store.put_user(full) == full
    assert await rival.user(full.key) == full


async def test_putting_replaces(store: Store) -> None:
    """What isn't given any more is gone; another tenant's user of the same id is another user."""
    await store.put_user(User(TENANT, "anna", email="a@x", name="Anna", data={"a": 1}))
    await store.put_user(User("zoo", "anna", email="z@x"))
    await store.put_user(User(TENANT, "anna", locale="de", updated_at=NOW))
    assert await store.user(ANNA) == User(TENANT, "anna", locale="de", updated_at=NOW)
    assert await store.user(Key("zoo", "anna")) == User("zoo", "anna", email="z@x")
    assert await store.user(BEN) is None


async def test_recipients(store: Store) -> None:
    """In the order of the keys, unknown and repeated ones included; devices also of users nobody described."""
    anna = await store.put_user(User(TENANT, "anna", email="a@x"))
    theirs = await store.put_user(User("zoo", "ben", email="z@x"))
    first, second = await store.add_device(device("dev_1")), await store.add_device(device("dev_2", value="t2"))
    bens = await store.add_device(device("dev_3", "ben", "t3"))
    assert list(await store.recipients([BEN, ANNA, Key("zoo", "ben"), Key("zoo", "anna"), key("x"), ANNA])) == [
        Recipient(None, (bens,)), Recipient(anna, (first, second)), Recipient(theirs), Recipient(None), Recipient(None),
        Recipient(anna, (first, second)),
    ]  # fmt: skip
    assert list(await store.devices(ANNA)) == [first, second]
    assert list(await store.devices(Key("zoo", "anna"))) == []


async def test_a_device_belongs_to_one_user(store: Store) -> None:
    """Registered again it is refreshed, under another user it moves; its first id stays."""
    await store.add_device(device("dev_1"))
    again = await store.add_device(device("dev_2", created_at=NOW + 5))
    assert again == device("dev_1", created_at=NOW + 5)
    moved = await store.add_device(device("dev_3", "ben", created_at=NOW + 6))
    assert moved == device("dev_1", "ben", created_at=NOW + 6)
    assert (list(await store.devices(ANNA)), list(await store.devices(BEN))) == ([], [moved])


async def test_what_makes_a_device_another_one(store: Store) -> None:
    """Its tenant, its kind and its value."""
    subscription = '{"endpoint":"https://push.example/$a.b","keys":{"p256dh":"x","auth":"y"}}' + "z" * 2000
    made = [
        device("dev_1"), device("dev_2", value="TOKEN"), device("dev_3", kind="apns"),
        device("dev_4", kind="webpush", value=subscription), device("dev_5", tenant="zoo"),
    ]  # fmt: skip
    assert [await store.add_device(one) for one in made] == made
    assert list(await store.devices(ANNA)) == made[:4]


async def test_one_token_raced_for(store: Store, rival: Store) -> None:
    """However many register the same token at once, it is one device of one user."""
    made = [device(f"dev_{i}", f"user-{i % 3}") for i in range(30)]
    found = await asyncio.gather(*((store, rival)[i % 2].add_device(one) for i, one in enumerate(made)))
    assert len({one.id for one in found}) == 1
    left = [one for user in range(3) for one in await store.devices(key(f"user-{user}"))]
    assert [one.id for one in left] == [found[0].id]


async def test_removing_devices(store: Store) -> None:
    """Only of the user named; False where there was none, also for a second time in one call."""
    for i, user in enumerate(("anna", "anna", "ben")):
        await store.add_device(device(f"dev_{i}", user, f"t{i}"))
    pairs = [
        (ANNA, "dev_0"),
        (ANNA, "dev_2"),
        (BEN, "dev_2"),
        (ANNA, "dev_0"),
        (Key("zoo", "anna"), "dev_1"),
        (BEN, "x"),
    ]
    assert list(await store.remove_devices(pairs)) == [True, False, True, False, False, False]
    assert [one.id for one in await store.devices(ANNA)] == ["dev_1"]
    assert list(await store.devices(BEN)) == []
