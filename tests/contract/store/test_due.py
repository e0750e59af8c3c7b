"""Contract of the store: the reconciler finds what is open and due, the longest due first (DESIGN G1)."""

from __future__ import annotations

from heliograph.core.model import Key, Level
from heliograph.core.ports import Store
from tests.contract.store.examples import NOW, accepted, batch, due, event, history, key, notification, reached, sent


async def due_ids(store: Store, now: int = NOW, level: Level = Level.P1, limit: int = 100) -> list[str]:
    return [found.notification.id for found in await store.due(level, now, limit)]


async def test_due_by_time(store: Store) -> None:
    """The longest due first, not before its time, at most `limit`."""
    made = [notification() for _ in range(4)]
    for one, at in zip(made, (NOW + 30, NOW + 10, NOW + 20, NOW + 40), strict=True):
        await accepted(store, one, check_at=at)
    assert await due_ids(store, NOW + 30) == [made[1].id, made[2].id, made[0].id]
    assert await due_ids(store, NOW + 30, limit=2) == [made[1].id, made[2].id]
    assert await due_ids(store, NOW + 9) == []


async def test_due_by_level(store: Store) -> None:
    """Each level on its own; of every tenant."""
    types = {Level.P0: "transactional", Level.P1: "alert", Level.P2: "marketing"}
    made = {
        level: [await sent(store, type=of), await sent(store, type=of, tenant="zoo")] for level, of in types.items()
    }
    for level, two in made.items():
        assert set(await due_ids(store, level=level)) == {one.id for one in two}


async def test_due_ones_come_with_everything(store: Store) -> None:
    """Content, events and count: the reconciler decides from them."""
    made = await sent(store, body="text", data={"a": 1})
    await store.record([event(made, "routed", plan=("email",)), event(made, "opened")])
    assert list(await store.due(Level.P1, NOW, 1)) == [await history(store, made)]


async def test_settled_ones_are_not_due(store: Store) -> None:
    """Only what owes something, whatever its time."""
    settled, closed, cancelled, open_one = [await sent(store) for _ in range(4)]
    await store.record([event(settled, "routed", plan=("email",)), event(settled, "sent", "email")])
    await store.close([closed.key, key("ntf_none"), Key("zoo", open_one.id)])
    await store.cancel(cancelled.key, NOW)
    assert await due_ids(store) == [open_one.id]


async def test_postponing(store: Store) -> None:
    """Each key to its own time, sooner or later; unknown keys and other tenants' leave no trace."""
    first, second, third = [await sent(store) for _ in range(3)]
    await store.postpone(
        {first.key: NOW + 10, second.key: NOW - 10, key("ntf_none"): NOW, Key("zoo", third.id): NOW + 9}
    )
    assert await due_ids(store) == [second.id, third.id]
    assert await due_ids(store, NOW + 10) == [second.id, third.id, first.id]
    assert await store.histories([key("ntf_none")]) == [None]


async def test_looking_at_everything_again(store: Store) -> None:
    """After a wipe of the queue: all that is open is due, in the order it would have been; returns how many."""
    made = [await sent(store) for _ in range(5)]
    await store.postpone({one.key: NOW + 1000 * i for i, one in enumerate(made)})
    await store.close([made[3].key])
    waiting, expanded = batch("a"), batch("b")
    await accepted(store, waiting, expanded, check_at=NOW + 500)
    await store.expand([], NOW + 500, reached(expanded, done=True))
    assert await store.recheck_all(NOW + 1) == 5
    found = await due_ids(store, NOW + 1)
    assert found[0] == made[0].id
    assert set(found) == {one.id for one in made} - {made[3].id}
    assert await store.batches_due(NOW + 1, 9) == [due(waiting)]
    assert await store.batches_due(NOW, 9) == []


async def test_looking_at_very_many_again(store: Store) -> None:
    """More than any portion a store may do it in."""
    await accepted(store, *(notification(tenant=f"t{i % 3}") for i in range(1_100)), check_at=NOW + 10)
    assert await store.recheck_all(NOW) == 1_100
    assert len(await store.due(Level.P1, NOW, 2_000)) == 1_100
