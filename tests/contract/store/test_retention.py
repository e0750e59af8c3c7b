"""Contract of the store: what is old goes, in portions; what is owed stays, and so does what the inbox shows."""

from __future__ import annotations

from typing import Any

from msgspec import structs

from heliograph.core.ids import new_batch_id, new_notification_id
from heliograph.core.model import Batch, Notification, Send
from heliograph.core.ports import Accepted, Mismatch, Store, Swept
from heliograph.core.retention import Bounds, Keep, bounds
from tests.contract.store.examples import (
    NOW,
    TENANT,
    accepted,
    batch,
    event,
    history,
    inbox_ids,
    key,
    letter,
    notification,
    reached,
    sent,
    submission,
)

DAY = 86_400_000


async def old(store: Store, days: int, *, open_: bool = False, **fields: Any) -> Notification:
    """One that was accepted so many days ago, with an event."""
    made = await sent(store, id=new_notification_id(NOW - days * DAY), **fields)
    await store.record([event(made, "routed", plan=("email",))])
    if not open_:
        await store.record([event(made, "sent", "email", attempt=1)])
    return made


async def known(store: Store, *made: Notification) -> list[bool]:
    return [one is not None for one in await store.histories([one.key for one in made])]


def after_days(notifications: int, inbox: int) -> Bounds:
    return bounds(Keep(notifications_s=notifications * 86_400, inbox_s=inbox * 86_400), NOW)


async def whole_pass(store: Store, limits: Bounds, limit: int = 2) -> tuple[int, int]:
    """(hidden, removed) over as many portions as it takes."""
    hidden = removed = 0
    swept = Swept("")
    while True:
        swept = await store.sweep_notifications(limits, swept.after, limit)
        hidden, removed = hidden + swept.hidden, removed + swept.removed
        if not swept.after:
            return hidden, removed


async def test_the_old_go_with_their_events_and_the_young_stay(store: Store, rival: Store) -> None:
    """Whatever tenant they belong to; a second pass finds nothing."""
    gone = [await old(store, 91 + n, tenant=tenant) for n, tenant in enumerate((TENANT, "zoo", TENANT))]
    young = await old(store, 89)
    assert await whole_pass(store, after_days(90, 90)) == (0, 3)
    assert await known(rival, *gone, young) == [False, False, False, True]
    assert len((await history(rival, young)).events) == 2
    assert await inbox_ids(rival) == [young.id]
    assert await whole_pass(store, after_days(90, 90)) == (0, 0)


async def test_what_is_owed_is_never_touched(store: Store) -> None:
    """However old, wherever it lies among others; once it has ended it goes like any other."""
    waiting = await old(store, 400, open_=True)
    gone = [await old(store, 100) for _ in range(5)]
    assert await whole_pass(store, after_days(90, 90)) == (0, 5)
    assert await known(store, waiting, *gone) == [True, *[False] * 5]
    assert await inbox_ids(store) == [waiting.id]
    await store.record([event(waiting, "failed", "email", attempt=1)])
    assert await whole_pass(store, after_days(90, 90)) == (0, 1)


async def test_the_inbox_has_a_time_of_its_own(store: Store) -> None:
    """Shorter: the item leaves the inbox and the notification stays. Longer: it stays as long as it is shown."""
    one = await old(store, 40)
    assert await whole_pass(store, after_days(90, 30)) == (1, 0)
    assert await inbox_ids(store) == []
    assert list(await store.unread([key("anna")])) == [0]
    assert await known(store, one) == [True]
    two = await old(store, 100)
    assert await whole_pass(store, after_days(30, 120)) == (0, 1), "the one that the inbox doesn't show"
    assert await known(store, one, two) == [False, True]
    assert await whole_pass(store, after_days(30, 90)) == (0, 1)


async def test_nothing_goes_when_everything_is_kept_for_ever(store: Store) -> None:
    """0 = for ever."""
    one = await old(store, 4_000)
    assert await whole_pass(store, after_days(0, 0)) == (0, 0)
    assert await whole_pass(store, after_days(1, 0)) == (0, 0), "the inbox shows it for ever"
    assert await known(store, one) == [True]


def old_batch(days: int) -> Batch:
    at = NOW - days * DAY
    return batch("anna", id=new_batch_id(at), created_at=at)


async def test_batches_go_once_they_are_expanded(store: Store) -> None:
    """The oldest first, at most `limit` at once."""
    done, other, unexpanded, young = old_batch(100), old_batch(99), old_batch(98), old_batch(1)
    await accepted(store, done, other, unexpanded, young)
    for one in (done, other, young):
        await store.expand([], NOW, reached(one, done=True))
    before = NOW - 90 * DAY
    assert await store.sweep_batches(before, 1) == 1
    assert [await store.batch(one.key) is None for one in (done, other, unexpanded, young)] == [True, *[False] * 3]
    assert await store.sweep_batches(before, 10) == 1
    assert await store.sweep_batches(before, 10) == 0


async def test_what_the_members_of_a_batch_get_goes_with_it(store: Store) -> None:
    """A bulk's pieces: were they left, another batch of this id would send them."""
    at = NOW - 100 * DAY
    first, second = (
        Batch(new_batch_id(at), TENANT, "alert", at, sends=(Send(0, notification("anna", id="", title=title)),))
        for title in ("first", "second")
    )
    second = structs.replace(second, id=first.id)
    await accepted(store, first)
    await store.expand([], NOW, reached(first, done=True))
    assert await store.sweep_batches(NOW - 90 * DAY, 10) == 1
    await accepted(store, second)
    assert await store.batch(second.key) == second


async def test_an_idempotency_key_is_free_again(store: Store) -> None:
    """Of a notification and of a batch; a younger one still stands."""
    calls: list[tuple[str, Notification | Batch]] = [
        ("a", notification(id=new_notification_id(NOW - 8 * DAY))), ("b", old_batch(8)),
        ("c", notification(id=new_notification_id(NOW - 6 * DAY))),
    ]  # fmt: skip
    await store.accept([submission(made, idem=(name, "f")) for name, made in calls])
    assert await store.sweep_idempotency(NOW - 7 * DAY, 10) == 2
    assert await store.sweep_idempotency(NOW - 7 * DAY, 10) == 0
    again = notification(), notification(), notification()
    answers = await store.accept([
        submission(one, idem=(name, "other")) for one, name in zip(again, "abc", strict=True)
    ])  # fmt: skip
    assert list(answers) == [Accepted(again[0].id), Accepted(again[1].id), Mismatch()]


async def test_old_letters_of_all_tenants(store: Store) -> None:
    """The oldest first."""
    made = [
        letter(notification(tenant=tenant), at=NOW - days * DAY)
        for days, tenant in ((31, TENANT), (40, "zoo"), (29, TENANT))
    ]
    await store.bury(made)
    assert list(await store.old_letters(NOW - 30 * DAY, 10)) == [made[1], made[0]]
    assert list(await store.old_letters(NOW - 30 * DAY, 1)) == [made[1]]


async def test_a_correction_replaces_the_content_and_nothing_else(store: Store, rival: Store) -> None:
    """Events, what is owed and the inbox stay; an unknown one is told."""
    one = await old(store, 0, open_=True)
    mended = notification(id=one.id, created_at=one.created_at, title="Mended", data={"a.b": 1})
    assert await store.amend(mended)
    found = await history(rival, mended)
    assert (found.notification, found.open, len(found.events)) == (mended, 1, 1)
    assert await inbox_ids(rival) == [one.id]
    assert not await store.amend(notification())
