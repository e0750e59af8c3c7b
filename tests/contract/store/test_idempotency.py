"""Contract of the store: one idempotency key, one id (DESIGN G5)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from heliograph.core.model import User
from heliograph.core.ports import Accepted, Mismatch, Store, Submission
from tests.contract.store.examples import AWKWARD, TENANT, batch, key, notification, submission
from tests.contract.store.worlds import World

SAME = ("order-123", "body-1")
OTHER_BODY = ("order-123", "body-2")


async def stored(store: Store, submissions: Sequence[Submission]) -> list[str]:
    """The ids of those that are in the store, notifications and batches."""
    found = []
    for one in submissions:
        if one.notification and (await store.histories([one.notification.key]))[0]:
            found.append(one.id)
        if one.batch and await store.batch(key(one.batch.id, one.tenant)):
            found.append(one.id)
    return found


async def test_a_repeat_gets_the_first_id(store: Store, rival: Store) -> None:
    """Same key and body: the first id, marked as replayed; the second notification isn't stored, nor are its users."""
    first, second = submission(idem=SAME), submission(idem=SAME, users=(User(TENANT, "anna", name="late"),))
    assert await store.accept([first]) == [Accepted(first.id)]
    assert await rival.accept([second]) == [Accepted(first.id, replayed=True)]
    assert await stored(store, [first, second]) == [first.id]
    assert await store.user(key("anna")) is None


async def test_another_body_is_a_mismatch(store: Store) -> None:
    """Same key, other body: refused, and nothing of it is stored, while its neighbours in the call are."""
    first, neighbour = submission(idem=SAME), submission()
    wrong = submission(idem=OTHER_BODY, users=(User(TENANT, "anna", name="wrong"),))
    await store.accept([first])
    assert await store.accept([wrong, neighbour]) == [Mismatch(), Accepted(neighbour.id)]
    assert await stored(store, [first, wrong, neighbour]) == [first.id, neighbour.id]
    assert await store.user(key("anna")) is None


async def test_repeats_within_one_call(store: Store) -> None:
    """In one call as well one of them is stored, and every other gets its id or is refused."""
    calls = [submission(idem=SAME), submission(idem=SAME), submission(idem=OTHER_BODY), submission(idem=("k2", "b"))]
    answers = await store.accept(calls)
    (winner,) = await stored(store, calls[:2])
    assert answers[:2] == [Accepted(winner, replayed=call.id != winner) for call in calls[:2]]
    assert answers[2:] == [Mismatch(), Accepted(calls[3].id)]


async def test_any_text_is_a_key(store: Store) -> None:
    """A key is whatever the caller made up, whole and exactly: neither a pattern nor cut off anywhere."""
    keys = [AWKWARD, AWKWARD + " ", AWKWARD.upper(), "", "%", "a", "A", "k" * 5_000, "k" * 5_001]
    first = [submission(idem=(text, "b")) for text in keys]
    assert await store.accept(first) == [Accepted(one.id) for one in first]
    again = [submission(idem=(text, "b")) for text in keys]
    assert await store.accept(again) == [Accepted(one.id, replayed=True) for one in first]


async def test_keys_belong_to_tenants(store: Store) -> None:
    """Another tenant's key is another key."""
    ours, theirs = submission(idem=SAME), submission(notification(tenant="zoo"), idem=SAME)
    assert await store.accept([ours, theirs]) == [Accepted(ours.id), Accepted(theirs.id)]


async def test_one_key_for_notifications_and_batches(store: Store) -> None:
    """A key that a batch holds isn't free for a notification, and the other way round; sizes are the first one's."""
    many, one = submission(batch("a", "b"), idem=SAME), submission(idem=SAME)
    await store.accept([many])
    assert await store.accept([one]) == [Accepted(many.id, replayed=True)]
    single, later = submission(idem=("k", "b")), submission(batch("a", "b"), idem=("k", "b"))
    await store.accept([single])
    assert await store.accept([later]) == [Accepted(single.id, replayed=True)]
    assert await stored(store, [many, one, single, later]) == [many.id, single.id]


async def test_the_same_submission_again_is_no_replay(store: Store) -> None:
    """The very same submission, retried after its answer was lost, is accepted like the first time."""
    same = submission(idem=SAME)
    await store.accept([same])
    assert await store.accept([same]) == [Accepted(same.id)]


async def test_a_key_survives_a_restart(world: World) -> None:
    """The key is in the store, not in a process."""
    first = submission(idem=SAME)
    await world.store.accept([first])
    await world.store.close_store()
    again = world.another()
    await again.open()
    assert await again.accept([submission(idem=SAME)]) == [Accepted(first.id, replayed=True)]
    await again.close_store()


async def test_two_hundred_racing_callers_get_one_id(store: Store, rival: Store) -> None:
    """200 callers in two processes: one id for all, one of them not a replay, one notification stored."""
    calls = [submission(idem=SAME) for _ in range(200)]
    answers = await asyncio.gather(*((store, rival)[i % 2].accept([call]) for i, call in enumerate(calls)))
    found = [answer for (answer,) in answers if isinstance(answer, Accepted)]
    assert len(found) == 200
    assert len({answer.id for answer in found}) == 1
    assert sum(not answer.replayed for answer in found) == 1
    assert await stored(store, calls) == [found[0].id]


async def test_racing_bodies_and_kinds(store: Store, rival: Store) -> None:
    """Two bodies and two kinds race for one key: one body wins everywhere, one object is stored."""
    calls = [submission(batch("a") if i % 2 else None, idem=SAME if i % 4 < 2 else OTHER_BODY) for i in range(80)]
    answers = await asyncio.gather(*((store, rival)[i // 2 % 2].accept([call]) for i, call in enumerate(calls)))
    (winner_id,) = await stored(store, calls)
    (winner,) = [call for call in calls if call.id == winner_id]
    assert winner.idempotency
    for call, (answer,) in zip(calls, answers, strict=True):
        if call.idempotency != winner.idempotency:
            assert answer == Mismatch()
        else:
            assert answer == Accepted(winner.id, replayed=call is not winner)
