"""Contract of the store: dead letters are kept with their cause, found, and forgotten when they were replayed."""

from __future__ import annotations

from msgspec.structs import replace

from heliograph.core.model import Level
from heliograph.core.ports import DeadGroup, Store
from tests.contract.store.examples import AWKWARD, NOW, TENANT, letter, notification


async def test_a_letter_comes_back_whole(store: Store, rival: Store) -> None:
    """Bytes of the item included."""
    full = letter(notification(), AWKWARD, target="push:dev_1", detail=AWKWARD, attempts=5, item=bytes(range(256)) * 9)
    await store.bury([full])
    assert list(await rival.dead_letters(TENANT)) == [full]


async def test_the_same_letter_again(store: Store) -> None:
    """Replaces the older one, whatever its cause was; in one call as well."""
    first = letter(notification(), "timeout")
    second, third = replace(first, cause="rejected", at=NOW + 1), replace(first, cause="gone", at=NOW + 2)
    await store.bury([first])
    await store.bury([second])
    assert list(await store.dead_letters(TENANT)) == [second]
    await store.bury([first, third])
    assert list(await store.dead_letters(TENANT)) == [third]
    assert [group.cause for group in await store.dead_groups(TENANT, None)] == ["gone"]
    assert await store.dead_count() == 1


async def test_most_urgent_first_then_oldest(store: Store) -> None:
    """At most `limit`."""
    made = [
        letter(notification(), level=level, at=NOW + at)
        for level, at in ((Level.P2, 0), (Level.P1, 5), (Level.P0, 9), (Level.P1, 3))
    ]
    await store.bury(made)
    assert list(await store.dead_letters(TENANT)) == [made[2], made[3], made[1], made[0]]
    assert list(await store.dead_letters(TENANT, limit=2)) == [made[2], made[3]]
    assert list(await store.dead_letters(TENANT, cause="timeout", limit=3)) == [made[2], made[3], made[1]]


async def test_by_cause_and_by_ids(store: Store) -> None:
    """Ids of letters, or of notifications with all their letters; together with a cause, both must hold."""
    one, other, foreign = notification(), notification(), notification(tenant="zoo")
    mail, push = letter(one, "timeout"), letter(one, "rejected", target="push:a", at=NOW + 1)
    third, theirs = letter(other, "timeout", at=NOW + 2), letter(foreign, "timeout")
    await store.bury([mail, push, third, theirs])
    assert list(await store.dead_letters(TENANT, cause="timeout")) == [mail, third]
    assert list(await store.dead_letters(TENANT, ids=[one.id])) == [mail, push]
    assert list(await store.dead_letters(TENANT, ids=[push.id, other.id, "none", push.id])) == [push, third]
    assert list(await store.dead_letters(TENANT, ids=[one.id, other.id], cause="rejected")) == [push]
    assert list(await store.dead_letters(TENANT, ids=[foreign.id, theirs.id])) == []
    assert list(await store.dead_letters(TENANT, ids=[])) == []
    assert list(await store.dead_letters("nobody")) == []


async def test_groups(store: Store) -> None:
    """By cause, the largest first, with the oldest as the example; of one channel or of all; of one tenant."""
    mails = [letter(notification(), "timeout", at=NOW + at) for at in (5, 2, 9)]
    pushes = [letter(notification(), "timeout", target=f"push:{i}", at=NOW + 1) for i in range(2)]
    routing = letter(notification(), AWKWARD, target="routing")
    await store.bury([*mails, *pushes, routing, letter(notification(tenant="zoo"), "theirs")])
    (timeouts, other) = await store.dead_groups(TENANT, None)
    assert (timeouts.cause, timeouts.count, timeouts.oldest_at) == ("timeout", 5, NOW + 1)
    assert timeouts.example in pushes
    assert other == DeadGroup(AWKWARD, 1, NOW, routing)
    assert list(await store.dead_groups(TENANT, "email")) == [DeadGroup("timeout", 3, NOW + 2, mails[1])]
    assert [group.count for group in await store.dead_groups(TENANT, "push")] == [2]
    assert list(await store.dead_groups(TENANT, "in_app")) == []
    assert await store.dead_count() == 7


async def test_forgetting(store: Store) -> None:
    """Those that were replayed, no others; unknown ones are no error."""
    first, second = letter(notification()), letter(notification())
    theirs = replace(first, tenant="zoo")
    await store.bury([first, second, theirs])
    await store.unbury([first, letter(notification())])
    assert list(await store.dead_letters(TENANT)) == [second]
    assert list(await store.dead_letters("zoo")) == [theirs]


async def test_a_letter_that_came_back_is_not_forgotten(store: Store) -> None:
    """A replay that failed before the old letter was forgotten has buried it anew: that one stays."""
    old = letter(notification())
    new = replace(old, at=NOW + 1, attempts=2)
    await store.bury([old])
    await store.bury([new])
    await store.unbury([old])
    assert list(await store.dead_letters(TENANT)) == [new]
