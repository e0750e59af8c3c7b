"""Contract of the store: what was accepted is there, whole, for everybody."""

from __future__ import annotations

from heliograph.core.model import Key, Level, User
from heliograph.core.ports import Accepted, Store
from tests.contract.store.examples import (
    AWKWARD,
    DATA,
    NOW,
    TENANT,
    accepted,
    batch,
    event,
    history,
    key,
    notification,
    reached,
    sent,
    submission,
)
from tests.contract.store.worlds import World


async def test_content_comes_back_unharmed(store: Store, rival: Store) -> None:
    """What a client sent is what every process reads, character by character and number by number."""
    whole = notification(
        "user:1@x|y", type="marketing", title=AWKWARD, body=AWKWARD * 300, category="a.$b", data=DATA,
        action_url="https://x.example/?a=1&b=é", channels=("push", "email"), collapse_key="k", expires_at=NOW + 1,
    )  # fmt: skip
    await accepted(store, whole)
    assert (await history(rival, whole)).notification == whole


async def test_a_new_notification_is_owed_its_routing(store: Store) -> None:
    """Fresh from `accept`: no events, no marks, one owed delivery, not cancelled."""
    fresh = await history(store, await sent(store))
    assert (fresh.events, fresh.open, fresh.cancelled, fresh.state.seen_at) == ((), 1, False, None)


async def test_answers_stand_in_the_order_of_the_submissions(store: Store) -> None:
    """One answer each, in order."""
    made: list[object] = [notification(), batch("a", "b", "c"), notification(), batch()]
    answers = await store.accept([submission(one) for one in made])  # type: ignore[arg-type]
    assert answers == [Accepted(one.id) for one in made]  # type: ignore[attr-defined]


async def test_nothing_is_accepted_from_nothing(store: Store) -> None:
    """An empty call is answered with nothing, in every method that takes a sequence."""
    assert list(await store.accept([])) == []
    assert list(await store.histories([])) == []
    assert list(await store.begin([])) == []
    assert list(await store.recipients([])) == []
    assert list(await store.unread([])) == []
    assert list(await store.suppressed([])) == []
    assert list(await store.remove_devices([])) == []
    await store.record([])
    await store.expand([], NOW, reached(batch()))
    assert await store.subscribe(key("news"), []) == await store.unsubscribe(key("news"), []) == 0
    await store.postpone({})
    await store.close([])
    await store.batch_postpone([], NOW)
    await store.bury([])
    await store.unbury([])


async def test_many_at_once(store: Store) -> None:
    """A call of an awkward size stores every one, and histories answer in the order of the keys."""
    many = [notification(f"user-{i % 7}", data={"i": i}) for i in range(333)]
    await accepted(store, *many)
    found = await store.histories([one.key for one in reversed(many)])
    assert [one and one.notification for one in found] == list(reversed(many))


async def test_accepting_again_changes_nothing(store: Store) -> None:
    """A repeat of the same submission (its first answer was lost) finds everything as it is by now."""
    made = await sent(store)
    await store.record([event(made, "routed", plan=("email", "push:d"))], {made.key: NOW + 5})
    assert await store.accept([submission(made)]) == [Accepted(made.id)]
    assert len((await history(store, made)).events) == 1
    assert (await history(store, made)).open == 2
    assert await store.due(Level.P1, NOW + 4, 10) == []


async def test_unknown_keys_have_no_history(store: Store) -> None:
    """None in the place of what isn't there, however often it is asked for."""
    made = await sent(store)
    found = await store.histories([key("ntf_none"), made.key, key("ntf_none"), made.key])
    assert [one is not None for one in found] == [False, True, False, True]


async def test_tenants_never_meet(store: Store) -> None:
    """The same id in two tenants is two notifications; neither is seen under the other's name."""
    ours, theirs = notification(id="ntf_same", title="ours"), notification(id="ntf_same", title="theirs", tenant="zoo")
    await accepted(store, ours, theirs)
    found = await store.histories([ours.key, theirs.key, Key("nobody", "ntf_same")])
    assert [one and one.notification.title for one in found] == ["ours", "theirs", None]


async def test_inline_users_are_made_and_updated(store: Store) -> None:
    """Given fields overwrite, absent ones stay; several mentions in one call count in their order."""
    await store.put_user(User(TENANT, "anna", email="old@x", name="Anna", data={"a": 1}, updated_at=NOW + 9))
    await store.accept(
        [
            submission(users=(User(TENANT, "anna", email="new@x", updated_at=NOW), User(TENANT, "ben", name="Ben"))),
            submission(users=(User(TENANT, "ben", name="Benjamin", locale="de", data=DATA, updated_at=NOW),)),
        ]
    )
    assert await store.user(key("anna")) == User(
        TENANT, "anna", email="new@x", name="Anna", data={"a": 1}, updated_at=NOW + 9
    )
    assert await store.user(key("ben")) == User(TENANT, "ben", name="Benjamin", locale="de", data=DATA, updated_at=NOW)


async def test_it_survives_a_restart(world: World) -> None:
    """After closing and opening anew everything is there."""
    made = await sent(world.store)
    await world.store.record([event(made, "routed", plan=("email",))])
    before = await history(world.store, made)
    await world.store.close_store()
    again = world.another()
    await again.open()
    assert await history(again, made) == before
    await again.close_store()
