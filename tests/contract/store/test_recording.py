"""Contract of the store: events are kept once, in order, whole."""

from __future__ import annotations

import asyncio

from heliograph.core.model import Key, Level
from heliograph.core.ports import Store
from tests.contract.store.examples import AWKWARD, NOW, event, history, key, notification, sent


async def test_an_event_comes_back_whole(store: Store, rival: Store) -> None:
    """Every field of it."""
    made = await sent(store)
    full = event(
        made, "retrying", "push:dev_1", attempt=3, gen=2, token="tok", provider="fcm", provider_id="p/1",
        detail=AWKWARD, why={"a.b": AWKWARD, "$x": ""}, unique="u|1", due_at=NOW + 5,
    )  # fmt: skip
    await store.record([full])
    assert (await history(rival, made)).events == (full,)


async def test_an_event_is_recorded_once(store: Store, rival: Store) -> None:
    """By its id: the first one stands, whether the second comes in the same call or from elsewhere."""
    made = await sent(store)
    first, same_id = event(made, "sent", "email", attempt=1), event(made, "sent", "email", attempt=1, detail="again")
    await store.record([first, same_id])
    await rival.record([same_id, first])
    assert (await history(store, made)).events == (first,)


async def test_events_keep_their_order(store: Store) -> None:
    """The order in which they were recorded, also within one millisecond; a repeat moves nothing."""
    made = await sent(store)
    kinds = ["routed", "sending", "retrying", "deferred", "opened", "clicked"]
    events = [event(made, kind, unique=str(i)) for i, kind in enumerate(kinds)]
    await store.record(events[3:5])
    await store.record(events[:3])
    await store.record(events)
    assert list((await history(store, made)).events) == [*events[3:5], *events[:3], events[5]]


async def test_many_notifications_in_one_call(store: Store) -> None:
    """Each gets its own events, interleaved or not."""
    made = [await sent(store) for _ in range(5)]
    events = [event(one, "opened", unique=str(i)) for i in range(30) for one in made]
    await store.record(events)
    for one in made:
        assert list((await history(store, one)).events) == [e for e in events if e.notification_id == one.id]


async def test_events_of_unknown_notifications_are_ignored(store: Store) -> None:
    """They are no error, they leave nothing behind, and their neighbours are recorded."""
    made, never = await sent(store), notification()
    stranger = notification(id=made.id, tenant="zoo")
    await store.record([event(never, "opened"), event(made, "opened"), event(stranger, "clicked")], {never.key: NOW})
    assert await store.histories([never.key, stranger.key]) == [None, None]
    assert [e.kind for e in (await history(store, made)).events] == ["opened"]


async def test_cancelled_is_not_recorded(store: Store) -> None:
    """Only `cancel` writes that."""
    made = await sent(store)
    await store.record([event(made, "cancelled", "email")])
    found = await history(store, made)
    assert (found.events, found.open, found.cancelled) == ((), 1, False)


async def test_the_next_look_is_set(store: Store) -> None:
    """`check_at` counts for the keys it names, with events or without, also when the events are repeats."""
    first, second, third = [await sent(store) for _ in range(3)]
    routed = event(first, "routed", plan=("email",))
    await store.record([routed, event(third, "opened")], {first.key: NOW + 10, second.key: NOW + 20})
    assert [h.notification.id for h in await store.due(Level.P1, NOW, 9)] == [third.id]
    assert [h.notification.id for h in await store.due(Level.P1, NOW + 10, 9)] == [third.id, first.id]
    await store.record([routed], {first.key: NOW + 30})
    assert [h.notification.id for h in await store.due(Level.P1, NOW + 20, 9)] == [third.id, second.id]
    await store.record([], {first.key: NOW, key("ntf_none"): NOW, Key("zoo", second.id): NOW})
    assert [h.notification.id for h in await store.due(Level.P1, NOW + 19, 9)] == [first.id, third.id]


async def test_writers_at_once_lose_nothing(store: Store, rival: Store) -> None:
    """Two processes that record into the same notifications: everything is there once."""
    made = [await sent(store) for _ in range(3)]
    events = [event(one, "opened", unique=str(i)) for i in range(20) for one in made]
    parts = [events[i::7] for i in range(7)] * 2
    await asyncio.gather(*((store, rival)[i % 2].record(part) for i, part in enumerate(parts)))
    for one in made:
        found = [e.unique for e in (await history(store, one)).events]
        assert sorted(found, key=int) == [str(i) for i in range(20)]
