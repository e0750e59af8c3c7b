"""Contract of the store: an inbox lists every item once, newest first (DESIGN G4)."""

from __future__ import annotations

from heliograph.core.model import Engagement, InboxItem, InboxState, Key
from heliograph.core.ports import InboxQuery, Store
from tests.contract.store.examples import AWKWARD, DATA, NOW, accepted, inbox_ids, key, notification, sent

ANNA = key("anna")


async def mark(store: Store, mark: Engagement, *ids: str) -> None:
    for id_ in ids:
        assert await store.engage(ANNA, id_, mark, NOW)


async def test_newest_first(store: Store) -> None:
    """By age, whatever the order of writing; whole items, with their marks."""
    made = [notification(title=AWKWARD, body="b", data=DATA, category="c", action_url="https://x") for _ in range(3)]
    await accepted(store, made[1], made[2], made[0])
    await store.engage(ANNA, made[1].id, "read", NOW)
    states = [InboxState(), InboxState(seen_at=NOW, read_at=NOW), InboxState()]
    assert list(await store.inbox(InboxQuery(user=ANNA))) == [
        InboxItem(one, state) for one, state in zip(reversed(made), states, strict=True)
    ]


async def test_paging(store: Store) -> None:
    """Page by page everything comes once, though new items arrive in between."""
    made = [await sent(store) for _ in range(25)]
    pages: list[str] = []
    before = None
    while page := await inbox_ids(store, limit=7, before=before):
        assert len(page) <= 7
        pages += page
        before = page[-1]
        await sent(store)
    assert pages == [one.id for one in reversed(made)]


async def test_whose_inbox(store: Store) -> None:
    """Only one's own, in one's own tenant; nothing that leaves `in_app` out; nothing cancelled."""
    mine = await sent(store)
    await sent(store, "ben")
    await sent(store, tenant="zoo")
    await sent(store, channels=("email", "push"))
    named = await sent(store, channels=("email", "in_app"))
    cancelled = await sent(store)
    await store.cancel(cancelled.key, NOW)
    assert await inbox_ids(store) == [named.id, mine.id]
    assert await inbox_ids(store, archived=True) == []
    assert await store.unread([ANNA, key("ben"), Key("zoo", "anna"), key("nobody"), ANNA]) == [2, 1, 1, 0, 2]


async def test_unread_and_read(store: Store) -> None:
    """True, False and None each have their own list."""
    made = [await sent(store) for _ in range(4)]
    await mark(store, "read", made[1].id, made[2].id)
    await mark(store, "unread", made[2].id)
    await mark(store, "seen", made[0].id)
    assert await inbox_ids(store, unread=True) == [made[3].id, made[2].id, made[0].id]
    assert await inbox_ids(store, unread=False) == [made[1].id]
    assert len(await inbox_ids(store)) == 4


async def test_categories(store: Store) -> None:
    """None is any; a name is exactly that."""
    first, second = await sent(store, category="order.shipped"), await sent(store, category="order")
    await sent(store)
    assert await inbox_ids(store, category="order.shipped") == [first.id]
    assert await inbox_ids(store, category="order") == [second.id]
    assert await inbox_ids(store, category="") == []
    assert len(await inbox_ids(store)) == 3


async def test_archived(store: Store) -> None:
    """An archived item is in the archive only, and isn't unread."""
    made = [await sent(store) for _ in range(3)]
    await mark(store, "archive", made[0].id, made[2].id)
    assert await inbox_ids(store) == [made[1].id]
    assert await inbox_ids(store, archived=True) == [made[2].id, made[0].id]
    assert await inbox_ids(store, archived=True, unread=True, before=made[2].id) == [made[0].id]
    assert await store.unread([ANNA]) == [1]
    await mark(store, "unarchive", made[0].id)
    assert await inbox_ids(store) == [made[1].id, made[0].id]
    assert await store.unread([ANNA]) == [2]


async def test_everything_combined(store: Store) -> None:
    """All conditions at once."""
    made = [await sent(store, category="a" if i % 2 else "b") for i in range(12)]
    await mark(store, "read", *(one.id for one in made[::3]))
    await mark(store, "archive", *(one.id for one in made[::4]))
    wanted = [made[i].id for i in (7, 5, 1)]
    assert await inbox_ids(store, category="a", unread=True, before=made[11].id, limit=9) == wanted
    assert await inbox_ids(store, category="a", unread=True, before=made[11].id, limit=2) == wanted[:2]
