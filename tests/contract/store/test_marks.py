"""Contract of the store: a person's marks; repeating one changes nothing."""

from __future__ import annotations

import asyncio

import pytest

from heliograph.core.model import Engagement, InboxItem, InboxState, Key
from heliograph.core.ports import Store
from tests.contract.store.examples import NOW, history, key, notification, sent

ANNA = key("anna")
LATER = NOW + 50

CASES: list[tuple[list[Engagement], InboxState]] = [
    (["seen"], InboxState(seen_at=NOW)),
    (["read"], InboxState(seen_at=NOW, read_at=NOW)),
    (["seen", "read"], InboxState(seen_at=NOW, read_at=NOW + 1)),
    (["read", "seen", "read"], InboxState(seen_at=NOW, read_at=NOW)),
    (["unread"], InboxState()),
    (["read", "unread"], InboxState(seen_at=NOW)),
    (["read", "unread", "read"], InboxState(seen_at=NOW, read_at=NOW + 2)),
    (["archive"], InboxState(archived_at=NOW)),
    (["archive", "archive"], InboxState(archived_at=NOW)),
    (["archive", "unarchive"], InboxState()),
    (["unarchive", "archive", "read"], InboxState(seen_at=NOW + 2, read_at=NOW + 2, archived_at=NOW + 1)),
]


@pytest.mark.parametrize(("marks", "expected"), CASES)
async def test_marking(store: Store, rival: Store, marks: list[Engagement], expected: InboxState) -> None:
    """Each answer is the item as it is now; everybody sees the same; repeats keep the first time."""
    made, other = await sent(store), await sent(store)
    item = None
    for i, mark in enumerate(marks):
        item = await store.engage(ANNA, made.id, mark, NOW + i)
    assert item == InboxItem(made, expected)
    assert await rival.engage(ANNA, made.id, marks[-1], LATER) == item
    assert (await history(rival, made)).state == expected
    assert (await history(store, other)).state == InboxState()


async def test_only_ones_own_items_can_be_marked(store: Store) -> None:
    """None for what isn't in this person's inbox, and nothing is changed."""
    made, hidden, cancelled = await sent(store), await sent(store, channels=("email",)), await sent(store)
    await store.cancel(cancelled.key, NOW)
    tries = [(key("ben"), made), (Key("zoo", "anna"), made), (ANNA, notification()), (ANNA, hidden), (ANNA, cancelled)]
    assert [await store.engage(user, one.id, "read", NOW) for user, one in tries] == [None] * 5
    for one in (made, hidden, cancelled):
        assert (await history(store, one)).state == InboxState()


async def test_reading_all(store: Store) -> None:
    """Everything that counts as unread, nobody else's; earlier times stay; returns how many."""
    seen, archived, read, fresh = [await sent(store) for _ in range(4)]
    await store.engage(ANNA, seen.id, "seen", NOW)
    await store.engage(ANNA, archived.id, "archive", NOW)
    await store.engage(ANNA, read.id, "read", NOW)
    others = [await sent(store, "ben"), await sent(store, tenant="zoo")]
    assert await store.read_all(ANNA, LATER) == 2
    assert [(await history(store, one)).state for one in (seen, archived, read, fresh)] == [
        InboxState(seen_at=NOW, read_at=LATER),
        InboxState(archived_at=NOW),
        InboxState(seen_at=NOW, read_at=NOW),
        InboxState(seen_at=LATER, read_at=LATER),
    ]
    assert await store.read_all(ANNA, LATER + 1) == 0
    assert await store.unread([ANNA, key("ben"), Key("zoo", "anna")]) == [0, 1, 1]
    assert [(await history(store, one)).state for one in others] == [InboxState()] * 2


async def test_two_tabs_at_once(store: Store, rival: Store) -> None:
    """Two processes mark the same items: one first time for both, and one count."""
    made = [await sent(store) for _ in range(4)]
    await asyncio.gather(*(
        (store, rival)[i % 2].engage(ANNA, one.id, "read", NOW + i) for i in range(6) for one in made
    ))  # fmt: skip
    states = {(await history(store, one)).state for one in made}
    assert all(state.read_at == state.seen_at and state.read_at in range(NOW, NOW + 6) for state in states)
    assert await store.unread([ANNA]) == [0]
