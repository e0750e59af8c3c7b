"""Contract of the store: an erased person is gone from everywhere, and nobody else is touched."""

from __future__ import annotations

import msgspec

from heliograph.core.model import Batch, Device, Key, Level, Send, User
from heliograph.core.ports import Accepted, Begun, Reached, Store
from tests.contract.store.examples import (
    NOW,
    TENANT,
    batch,
    event,
    history,
    inbox_ids,
    key,
    letter,
    notification,
    sent,
    submission,
)

ANNA = key("anna")


async def life(store: Store, user: str, tenant: str = TENANT) -> list[str]:
    """Everything the store can know of a person; the notifications' ids."""
    made = [await sent(store, user, tenant=tenant), await sent(store, user, tenant=tenant, channels=("email",))]
    await store.put_user(User(tenant, user, email=f"{user}@x"))
    await store.add_device(Device(f"dev_{user}", tenant, user, "apns", f"token-{user}", NOW))
    await store.record([event(one, "routed", plan=("email",)) for one in made])
    await store.begin([event(made[0], "sending", "email", attempt=1, token="t")])
    await store.bury([letter(one) for one in made])
    return [one.id for one in made]


async def test_everything_of_a_person_goes(store: Store, rival: Store) -> None:
    """User, devices, notifications with events, inbox, dead letters; they come neither due nor back."""
    ids = await life(store, "anna")
    cancelled = await sent(store)
    await store.cancel(cancelled.key, NOW)
    assert await store.erase_user(ANNA) is True
    keys = [key(id_) for id_ in (*ids, cancelled.id)]
    assert await rival.histories(keys) == [None, None, None]
    assert (await rival.user(ANNA), list(await rival.devices(ANNA)), await inbox_ids(rival)) == (None, [], [])
    assert list(await rival.due(Level.P1, NOW, 9)) == []
    assert (list(await rival.dead_letters(TENANT)), await rival.dead_count()) == ([], 0)
    assert await store.unread([ANNA]) == [0]


async def test_late_words_on_erased_notifications(store: Store) -> None:
    """Events, attempts and looks that come after the erasure bring nothing back."""
    gone = await sent(store)
    await store.erase_user(ANNA)
    await store.record([event(gone, "sent", "email")], {gone.key: NOW})
    assert await store.begin([event(gone, "sending", "email", attempt=1, token="t")]) == [Begun(begun=False)]
    assert await store.cancel(gone.key, NOW) == "not_found"
    assert await store.histories([gone.key]) == [None]


async def test_nobody_else_is_touched(store: Store) -> None:
    """Another user, and the namesake in another tenant, keep everything."""
    await life(store, "anna")
    kept = [key(id_) for id_ in await life(store, "ben")] + [
        Key("zoo", id_) for id_ in await life(store, "anna", "zoo")
    ]
    before = await store.histories(kept)
    await store.erase_user(ANNA)
    assert await store.histories(kept) == before
    assert None not in before
    assert (await store.recipients([key("ben")]))[0].devices
    assert (await store.recipients([Key("zoo", "anna")]))[0].user
    assert [len(await store.dead_letters(tenant)) for tenant in (TENANT, "zoo")] == [2, 2]


async def test_whether_anything_was_known(store: Store) -> None:
    """True for a user with nothing but a notification or a device; False for nobody, and the second time."""
    await sent(store, "only-a-notification")
    await store.add_device(Device("dev_1", TENANT, "only-a-device", "apns", "t", NOW))
    for name in ("only-a-notification", "only-a-device"):
        assert await store.erase_user(key(name)) is True
        assert await store.erase_user(key(name)) is False
    assert await store.erase_user(key("nobody")) is False


async def test_their_idempotency_keys_go_too(store: Store) -> None:
    """A key may name the person; what is sent under it afterwards is new. A batch's key stays."""
    first, again = submission(idem=("welcome-anna", "b")), submission(notification("anna"), idem=("welcome-anna", "b"))
    many = submission(batch("anna", "ben"), idem=("many", "b"))
    await store.accept([first, many])
    await store.erase_user(ANNA)
    assert await store.accept([again]) == [Accepted(again.id)]
    assert await store.accept([submission(batch("x"), idem=("many", "b"))]) == [Accepted(many.id, replayed=True)]
    assert again.notification
    assert (await history(store, again.notification)).open == 1


async def test_very_many_notifications_of_one_person(store: Store) -> None:
    """More than any portion a store may do it in."""
    many = [notification() for _ in range(1_203)]
    await store.accept([submission(one) for one in many])
    await store.bury([letter(one) for one in many])
    await store.erase_user(ANNA)
    assert (await store.dead_count(), await inbox_ids(store)) == (0, [])


async def test_batches_forget_them_and_keep_everybodys_place(store: Store) -> None:
    """Lists and bulks, expanded or not: their id is gone, what was said to them alone too; others keep their ids."""
    sends = tuple(Send(place, notification(user, id="")) for place, user in enumerate(("ben", "anna")))
    bulk_send = Batch("bat_bulk", TENANT, "alert", NOW, sends=sends)
    made = [batch("anna", "ben"), bulk_send, batch("anna")]
    await store.accept([submission(one) for one in made])
    both = made[0]
    member = both.member(0)
    await store.expand([member, both.member(1)], NOW, Reached(both.key, both.level, "2", NOW, done=True))
    assert await store.erase_user(ANNA) is True
    left = [await store.batch(one.key) for one in made]
    assert all(one is not None and b"anna" not in msgspec.json.encode(one) for one in left)
    first, second, third = [one for one in left if one]
    assert (first.member(1), second.member(0)) == (both.member(1), bulk_send.member(0))
    assert first.at_place(0) is second.at_place(1) is third.at_place(0) is None
    assert (first.size, second.size, third.content and third.content.title) == (2, 2, "")
    assert await store.histories([member.key]) == [None]
    assert await store.erase_user(ANNA) is False


async def test_a_namesakes_batches_are_not_touched(store: Store) -> None:
    """The same user id in another tenant."""
    theirs = batch("anna", tenant="zoo")
    await store.accept([submission(theirs)])
    await store.put_user(User(TENANT, "anna"))
    await store.erase_user(ANNA)
    assert await store.batch(theirs.key) == theirs
