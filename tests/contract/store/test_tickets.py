"""Contract of the store: tickets wait until their receipt is due, and outlive whoever keeps them."""

from __future__ import annotations

from msgspec.structs import replace

from heliograph.core.model import Key
from heliograph.core.ports import Store
from tests.contract.store.examples import AWKWARD, NOW, TENANT, key, ticket


async def ids_due(store: Store, now: int = NOW, limit: int = 100) -> list[str]:
    return [one.id for one in await store.tickets_due("expo", now, limit)]


async def test_a_ticket_is_kept_whole(store: Store, rival: Store) -> None:
    """Every field, for every process."""
    made = ticket(id=AWKWARD, user="größer", notification_id="ntf_2", device_id="dev_2", attempt=3, gen=2)
    await store.add_tickets([made])
    assert list(await rival.tickets_due("expo", NOW, 10)) == [made]


async def test_the_longest_due_come_first(store: Store) -> None:
    """None before its time, no more than asked for."""
    late, early, future = ticket(due_at=NOW), ticket(due_at=NOW - 5), ticket(due_at=NOW + 1)
    await store.add_tickets([late, early, future])
    assert await ids_due(store) == [early.id, late.id]
    assert await ids_due(store, limit=1) == [early.id]
    assert await ids_due(store, NOW + 1) == [early.id, late.id, future.id]


async def test_each_provider_has_its_own(store: Store) -> None:
    """The same id of two providers is two tickets."""
    ours, theirs = ticket(), ticket(provider="other")
    theirs = replace(theirs, id=ours.id)
    await store.add_tickets([ours, theirs])
    assert list(await store.tickets_due("other", NOW, 10)) == [theirs]
    await store.drop_tickets([theirs])
    assert await ids_due(store) == [ours.id]


async def test_adding_twice_changes_nothing(store: Store) -> None:
    """A worker that couldn't tell whether its write went through writes it again."""
    made = ticket()
    await store.add_tickets([made, made])
    await store.postpone_tickets([made], NOW + 9)
    await store.add_tickets([made])
    assert await ids_due(store) == []


async def test_postponed_ones_come_back(store: Store, rival: Store) -> None:
    """At their new time, which they say themselves; one that is gone stays gone."""
    made, gone = ticket(), ticket()
    await store.add_tickets([made, gone])
    await store.drop_tickets([gone])
    await store.postpone_tickets([made, gone], NOW + 9)
    assert await ids_due(rival) == []
    assert list(await rival.tickets_due("expo", NOW + 9, 10)) == [replace(made, due_at=NOW + 9)]


async def test_dropped_ones_never_come_back(store: Store) -> None:
    """Nor does it matter to drop them twice, or none."""
    made = ticket()
    await store.add_tickets([made])
    for gone in ([made], [made], []):
        await store.drop_tickets(gone)
        await store.postpone_tickets(gone, NOW)
    await store.add_tickets([])
    assert await ids_due(store, NOW + 10**6) == []


async def test_tickets_go_with_their_user(store: Store) -> None:
    """And nobody else's: not another user's, nor the namesake's of another tenant."""
    hers, his, namesakes = ticket("anna"), ticket("ben"), ticket("anna", tenant="zoo")
    await store.add_tickets([hers, his, namesakes])
    await store.erase_user(key("anna"))
    assert set(await ids_due(store)) == {his.id, namesakes.id}
    assert {one.user_key for one in await store.tickets_due("expo", NOW, 9)} == {Key(TENANT, "ben"), Key("zoo", "anna")}


async def test_very_many(store: Store) -> None:
    """More than goes into one statement."""
    made = [ticket() for _ in range(1_203)]
    await store.add_tickets(made)
    assert len(await ids_due(store, limit=1_000)) == 1_000
    await store.postpone_tickets(made[:600], NOW + 1)
    await store.drop_tickets(made[600:])
    assert (await ids_due(store), len(await ids_due(store, NOW + 1, 9_999))) == ([], 600)
