"""Contract of the store: what a user wants to hear where, kept beside the user and read with them."""

from __future__ import annotations

import asyncio

from heliograph.core.model import CHANNELS, Device, Key, Preferences, Recipient, User
from heliograph.core.ports import Store
from tests.contract.store.examples import AWKWARD, NOW, TENANT, event, inbox_ids, key, sent, submission

ANNA, BEN = key("anna"), key("ben")
NEWS = Preferences({"email": False}, {"marketing.news": {"push": False, "in_app": True}})
MANY = Preferences(dict.fromkeys(CHANNELS, False), {f"{n}.{AWKWARD}": {"email": n % 2 == 0} for n in range(100)})


async def test_preferences_come_back_whole(store: Store, rival: Store) -> None:
    """Names with dots, dollars and quotes in them too; in the order of the keys, repeated and unknown ones included."""
    await store.put_preferences(ANNA, MANY, NOW)
    await store.put_preferences(BEN, NEWS, NOW)
    asked = [BEN, key("nobody"), ANNA, Key("zoo", "anna"), BEN]
    assert list(await rival.preferences(asked)) == [NEWS, Preferences(), MANY, Preferences(), NEWS]
    assert list(await store.preferences([])) == []


async def test_putting_preferences_replaces(store: Store) -> None:
    """Whole: what isn't said any more is not muted."""
    await store.put_preferences(ANNA, NEWS, NOW)
    await store.put_preferences(ANNA, Preferences({"push": False}), NOW + 1)
    assert list(await store.preferences([ANNA])) == [Preferences({"push": False})]
    await store.put_preferences(ANNA, Preferences(), NOW + 2)
    assert list(await store.preferences([ANNA])) == [Preferences()]


async def test_they_come_with_the_recipient(store: Store) -> None:
    """In the one read that the router makes anyway."""
    ben = await store.put_user(User(TENANT, "ben", email="b@x", updated_at=NOW))
    await store.put_preferences(BEN, NEWS, NOW)
    phone = await store.add_device(Device("dev_1", TENANT, "ben", "apns", "t", NOW))
    assert list(await store.recipients([ANNA, BEN])) == [Recipient(None), Recipient(ben, (phone,), NEWS)]


async def test_what_else_is_said_of_a_user_leaves_them_alone(store: Store) -> None:
    """Putting the user, naming them in a send; and preferences leave the user alone."""
    await store.put_preferences(ANNA, NEWS, NOW)
    anna = await store.put_user(User(TENANT, "anna", email="a@x", name="A", data={"a": 1}, updated_at=NOW + 1))
    await store.accept([submission(users=(User(TENANT, "anna", locale="de", updated_at=NOW + 2),))])
    (found,) = await store.recipients([ANNA])
    assert found.preferences == NEWS
    assert found.user == User(TENANT, "anna", "a@x", "A", "de", data={"a": 1}, updated_at=NOW + 2)
    await store.put_preferences(ANNA, Preferences(), NOW + 3)
    assert (await store.recipients([ANNA]))[0] == Recipient(found.user)
    assert anna.email == "a@x"


async def test_who_has_preferences_is_known(store: Store) -> None:
    """With nothing but these, until more is told; a namesake in another tenant is somebody else."""
    await store.put_preferences(ANNA, NEWS, NOW)
    assert await store.user(ANNA) == User(TENANT, "anna", updated_at=NOW)
    assert await store.user(Key("zoo", "anna")) is None


async def test_an_erased_user_has_none(store: Store, rival: Store) -> None:
    """They are part of the person; whoever comes after under the same id begins anew."""
    for one in (ANNA, BEN, Key("zoo", "anna")):
        await store.put_preferences(one, NEWS, NOW)
    assert await store.erase_user(ANNA) is True
    assert list(await rival.preferences([ANNA, BEN, Key("zoo", "anna")])) == [Preferences(), NEWS, NEWS]
    await store.put_user(User(TENANT, "anna", updated_at=NOW))
    assert (await store.recipients([ANNA]))[0] == Recipient(User(TENANT, "anna", updated_at=NOW))


async def test_preferences_raced_for(store: Store, rival: Store) -> None:
    """Whoever is last wins whole: two changes at once never mix, and a new user comes into being once."""
    made = [Preferences({"push": False}, {f"c{n}": {"email": False}}) for n in range(20)]
    await asyncio.gather(*((store, rival)[n % 2].put_preferences(ANNA, one, NOW) for n, one in enumerate(made)))
    assert (await store.preferences([ANNA]))[0] in made


async def test_what_its_user_muted_in_app_leaves_the_inbox(store: Store) -> None:
    """From the event that says so on, for every question about the inbox; others stay, and it can be read by id."""
    shown, hidden = await sent(store), await sent(store)
    decision = event(hidden, "routed", plan=("email",), hides=True)
    await store.record([event(shown, "routed", plan=("email",)), decision], {hidden.key: NOW})
    assert await inbox_ids(store) == [shown.id]
    assert await store.unread([ANNA]) == [1]
    assert await store.engage(ANNA, hidden.id, "read", NOW) is None
    assert await store.read_all(ANNA, NOW) == 1
    (history,) = await store.histories([hidden.key])
    assert history
    assert (history.events, history.open) == ((decision,), 1)


async def test_it_stays_hidden(store: Store) -> None:
    """Whatever is recorded again or later; a repeat of the same decision hides what the first one left."""
    one, other = await sent(store), await sent(store)
    await store.record([event(one, "routed", plan=("email",), hides=True), event(other, "routed", plan=("email",))])
    await store.record([event(one, "routed", plan=("in_app",)), event(one, "sent", "email"), event(one, "opened")])
    assert await inbox_ids(store) == [other.id]
    await store.record([event(other, "routed", plan=("email",), hides=True)])
    assert await inbox_ids(store) == []
