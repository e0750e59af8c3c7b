"""Contract of the store: list sends, from one document to their members."""

from __future__ import annotations

from heliograph.core.model import PART, Batch, Key, Level, Send
from heliograph.core.ports import DueBatch, Store
from tests.contract.store.examples import (
    AWKWARD,
    NOW,
    TENANT,
    accepted,
    batch,
    due,
    event,
    history,
    key,
    notification,
    reached,
)


async def test_a_batch_comes_back_whole(store: Store, rival: Store) -> None:
    """As it was accepted, users in their order; under its own tenant only."""
    made = batch("zoe", "anna", "ben", "anna")
    await accepted(store, made)
    assert await rival.batch(key(made.id)) == made
    assert await store.batch(key("bat_none")) is None
    assert await store.batch(Key("zoo", made.id)) is None


async def test_due_batches_most_urgent_first(store: Store) -> None:
    """By level, then by age; only when their time has come; at most `limit`."""
    slow, old, urgent = batch(type="marketing"), batch(), batch(type="transactional")
    young, later = batch(), batch(type="transactional")
    await accepted(store, slow, young, old, urgent)
    await accepted(store, later, check_at=NOW + 1)
    assert await store.batches_due(NOW, 10) == [due(b) for b in (urgent, old, young, slow)]
    assert await store.batches_due(NOW, 2) == [due(urgent), due(old)]
    assert await store.batches_due(NOW - 1, 10) == []
    assert await store.batches_due(NOW + 1, 1) == [due(urgent)]


async def test_an_expanded_batch_is_never_due(store: Store) -> None:
    """Marking it is enough, and it can still be read."""
    done, waiting = batch("a"), batch("b")
    await accepted(store, done, waiting)
    await store.expand([], NOW, reached(done, "1", done=True))
    assert await store.batches_due(NOW, 10) == [due(waiting)]
    assert await store.batch(key(done.id)) == done


async def test_an_expansion_goes_on_where_it_was(store: Store, rival: Store) -> None:
    """In the level that it reached, with its cursor and the time of its last chunk; not before its next look."""
    made = batch("a", "b", type="transactional")
    await accepted(store, made)
    await store.expand([made.member(0)], NOW + 15, reached(made, "1", at=NOW + 5, level=Level.P2))
    assert await rival.batches_due(NOW + 14, 10) == []
    assert await rival.batches_due(NOW + 15, 10) == [DueBatch(made.key, Level.P2, "1", NOW + 5)]
    assert await rival.batch(made.key) == made


async def test_bulk_and_topic_sends_come_back_whole(store: Store) -> None:
    """Every send with its own content, in the order of the batch."""
    sends = tuple(Send(place, notification(f"user-{place}", id="", title=AWKWARD)) for place in (2, 0, 1))
    bulk = Batch("bat_bulk", TENANT, "alert", NOW, sends=sends)
    topic = Batch("bat_topic", TENANT, "alert", NOW, notification("", id=""), topic="news")
    await accepted(store, bulk, topic)
    assert [await store.batch(one.key) for one in (bulk, topic)] == [bulk, topic]


async def test_a_bulk_is_read_in_parts(store: Store) -> None:
    """What a chunk needs and little else: its members, their number in all, the level of what comes next."""
    levels = ["transactional"] * (PART - 1) + ["alert"] * (PART + 3) + ["marketing"]
    sends = tuple(
        Send(place, notification(f"user-{place}", id="", type=kind))  # type: ignore[arg-type]
        for place, kind in enumerate(levels)
    )
    bulk = Batch("bat_" + "0" * 26, TENANT, "transactional", NOW, sends=sends)
    await accepted(store, bulk)
    assert await store.batch(bulk.key) == bulk
    for start in (0, 1, PART - 1, PART, 2 * PART - 1, 2 * PART + 2, 2 * PART + 3):
        found = await store.batch(bulk.key, start, PART)
        assert found
        members = found.members(start, PART)
        assert members == bulk.members(start, PART)
        assert found.level_at(start + len(members)) is bulk.level_at(start + len(members))
        assert (found.size, found.level, len(found.sends) <= 2 * PART) == (bulk.size, bulk.level, True)
    assert len((await store.batch(bulk.key, PART, PART) or bulk).sends) == PART


async def test_lists_and_topics_have_no_parts(store: Store) -> None:
    """They are read whole, wherever one begins."""
    made, topic = batch("anna", "ben"), Batch("bat_topic", TENANT, "alert", NOW, notification("", id=""), topic="news")
    await accepted(store, made, topic)
    assert [await store.batch(one.key, 1, PART) for one in (made, topic)] == [made, topic]


async def test_postponed_batches(store: Store) -> None:
    """Those that were postponed come later, the others stay; another tenant's of the same id too."""
    first, second = batch("a"), batch("b")
    theirs = batch("a", id=first.id, tenant="zoo")
    await accepted(store, first, second, theirs)
    await store.batch_postpone([key(first.id), key("bat_none")], NOW + 10)
    assert {b.key for b in await store.batches_due(NOW, 10)} == {
        second.key,
        theirs.key,
    }
    assert len(await store.batches_due(NOW + 10, 10)) == 3


async def test_members_are_written_once(store: Store) -> None:
    """A repeated expansion leaves the members that exist as they are, and adds the missing ones."""
    made = batch("anna", "ben", "zoe")
    members = [made.member(index) for index in range(3)]
    await accepted(store, made)
    await store.expand(members[:2], NOW, reached(made, "2"))
    await store.record([event(members[0], "routed", plan=("email", "push:d"))])
    await store.expand(members, NOW + 99, reached(made, done=True))
    assert [h and (h.notification, h.open) for h in await store.histories([m.key for m in members])] == [
        (members[0], 2), (members[1], 1), (members[2], 1),
    ]  # fmt: skip
    assert {h.notification.id for h in await store.due(Level.P1, NOW, 10)} == {members[0].id, members[1].id}


async def test_histories_of_a_batch(store: Store) -> None:
    """Its own members that have a row, in their order, with events; nobody else's."""
    made, other = batch("a", "b", "c"), batch("a")
    await accepted(store, made, other, notification("a"))
    await store.expand([made.member(2), made.member(0), other.member(0)], NOW, reached(made))
    await store.record([event(made.member(2), "routed", plan=("email",))])
    found = await store.batch_histories(key(made.id), "", 10)
    assert [(h.notification, len(h.events)) for h in found] == [(made.member(0), 0), (made.member(2), 1)]
    assert await store.batch_histories(key(made.id), "", 1) == found[:1]
    assert await store.batch_histories(key(made.id), found[0].notification.id, 10) == found[1:]
    assert list(await store.batch_histories(Key("zoo", made.id), "", 10)) == []


async def test_what_happens_to_notifications_never_meets_a_batch(store: Store) -> None:
    """A batch's id is no notification's: events, attempts, looks and cancellations of it go nowhere."""
    made = batch("a")
    await accepted(store, made)
    stray = notification(id=made.id)
    await store.record([event(stray, "failed", "routing"), event(stray, "opened")], {stray.key: NOW + 99})
    (begun,) = await store.begin([event(stray, "sending", "email", attempt=1, token="t")])
    assert (begun.begun, begun.history) == (False, None)
    assert await store.histories([stray.key]) == [None]
    assert await store.cancel(stray.key, NOW) == "not_found"
    await store.close([stray.key])
    assert await store.batches_due(NOW, 10) == [due(made)]


async def test_members_are_ordinary_notifications(store: Store) -> None:
    """A member goes its own way."""
    made = batch("anna", "ben")
    await store.expand([made.member(0), made.member(1)], NOW, reached(made))
    assert await store.cancel(made.member(0).key, NOW) == "cancelled"
    assert [(await history(store, made.member(i))).cancelled for i in (0, 1)] == [True, False]
