"""Contract of the store: an attempt is in the store before its call, and belongs to one worker (DESIGN G3)."""

from __future__ import annotations

import asyncio

import msgspec

from heliograph.core.lifecycle import Event
from heliograph.core.model import Notification
from heliograph.core.ports import Begun, Store
from tests.contract.store.examples import NOW, event, history, notification, sent


def attempt(of: Notification, token: str, number: int = 1, target: str = "email") -> Event:
    return event(of, "sending", target, attempt=number, token=token)


async def test_an_attempt_is_begun(store: Store, rival: Store) -> None:
    """Its event is there for everybody when the call returns; what is owed stays the same."""
    made = await sent(store)
    assert await store.begin([attempt(made, "mine")]) == [Begun(begun=True)]
    found = await history(rival, made)
    assert (found.events, found.open) == ((attempt(made, "mine"),), 1)


async def test_an_attempt_is_begun_once(store: Store, rival: Store) -> None:
    """A rival is refused and told everything; the next attempt and other targets are free."""
    made = await sent(store)
    await store.begin([attempt(made, "mine")])
    assert await rival.begin([attempt(made, "theirs")]) == [Begun(begun=False, history=await history(store, made))]
    assert (await history(store, made)).events == (attempt(made, "mine"),)
    later = [attempt(made, "theirs", 2), attempt(made, "theirs", 1, "push:a")]
    assert await rival.begin(later) == [Begun(begun=True), Begun(begun=True)]


async def test_ones_own_attempt_is_recognised(store: Store) -> None:
    """The same event again (its first answer was lost) is one's own; it is recorded once."""
    made = await sent(store)
    await store.begin([attempt(made, "mine")])
    assert await store.begin([attempt(made, "mine")]) == [Begun(begun=True)]
    assert len((await history(store, made)).events) == 1


async def test_unknown_ones_are_refused(store: Store) -> None:
    """Erased, or another tenant's: no history, and nothing comes into being."""
    made = await sent(store)
    strangers = [notification(), notification(id=made.id, tenant="zoo")]
    assert await store.begin([attempt(one, "t") for one in strangers]) == [Begun(begun=False)] * 2
    assert await store.histories([one.key for one in strangers]) == [None, None]


async def test_cancelled_ones_are_refused(store: Store) -> None:
    """With their history, which says so; nothing is recorded."""
    made = await sent(store)
    await store.cancel(made.key, NOW)
    (refused,) = await store.begin([attempt(made, "t")])
    assert refused == Begun(begun=False, history=await history(store, made))
    assert refused.history
    assert refused.history.cancelled
    assert [e.kind for e in refused.history.events] == ["cancelled"]


async def test_answers_stand_in_the_order_of_the_attempts(store: Store) -> None:
    """Begun and refused ones mixed, the same attempt twice in one call: the first one has it."""
    made = [await sent(store) for _ in range(4)]
    await store.begin([attempt(made[1], "earlier")])
    await store.cancel(made[2].key, NOW)
    calls = [*(attempt(one, "mine") for one in made), attempt(made[0], "twice"), attempt(notification(), "mine")]
    answers = await store.begin(calls)
    assert [answer.begun for answer in answers] == [True, False, False, True, False, False]
    known = [answer.history and answer.history.notification for answer in answers]
    assert known == [None, made[1], made[2], None, made[0], None]


async def test_one_of_fifty_rivals_begins(store: Store, rival: Store) -> None:
    """Two processes, fifty workers, three notifications: one worker each."""
    made = [await sent(store) for _ in range(3)]
    answers = await asyncio.gather(
        *((store, rival)[i % 2].begin([attempt(one, f"worker-{i}") for one in made]) for i in range(50))
    )
    for position, one in enumerate(made):
        (winner,) = [i for i, answer in enumerate(answers) if answer[position].begun]
        assert (await history(store, one)).events == (attempt(one, f"worker-{winner}"),)


async def test_settled_ones_are_refused(store: Store) -> None:
    """A webhook was faster than the retry: nothing is sent again. Other targets and a replay's generation are free."""
    made = await sent(store)
    await store.begin([attempt(made, "first")])
    await store.record([event(made, kind, "email", attempt=1) for kind in ("unknown", "delivered")])
    (refused,) = await store.begin([attempt(made, "second", 2)])
    assert refused == Begun(begun=False, history=await history(store, made))
    replay = msgspec.structs.replace(attempt(made, "third", 2), gen=1)
    assert await store.begin([attempt(made, "other", 1, "push:a"), replay]) == [Begun(begun=True)] * 2
    assert await store.begin([attempt(made, "first")]) == [Begun(begun=True)], "one's own, begun before it was settled"
