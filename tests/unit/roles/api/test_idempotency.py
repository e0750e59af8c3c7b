"""One idempotency key, one effect, whoever races and whatever the cache forgets (DESIGN G5; IETF draft "The
Idempotency-Key HTTP Header Field")."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from heliograph.backends.sqlite import SqliteStore
from heliograph.core.errors import Problem, StoreUnavailable
from heliograph.core.ports import Accepted, Idempotency, Submission
from heliograph.roles.api.sending import Sending
from tests.unit.given import TENANT, notification
from tests.unit.roles.api.service import Service
from tests.unit.roles.api.test_api_sending import SlowStore
from tests.unit.roles.world import World

KEYS, CALLERS = 200, 20


def submission(number: int, key: str, fingerprint: str = "body") -> Submission:
    one = notification(id=f"ntf_{number:026d}")
    return Submission(tenant=TENANT, notification=one, idempotency=Idempotency(key, fingerprint))


async def outcome(sending: Sending, wanted: Submission) -> Accepted | str:
    try:
        return await sending.accept(wanted)
    except Problem as problem:
        return problem.kind.code


async def test_racing_callers_of_many_keys_get_one_notification_each(tmp_path: Path) -> None:
    """200 keys, 20 callers each, through two processes on one file; every fifth caller has another body. Of each key
    one notification is stored; who had its body is told its id, everybody else is refused."""
    world = World()
    stores = [SqliteStore(tmp_path / "heliograph.db") for _ in range(2)]
    for store in stores:
        await store.open()
    # Patient: 4,000 requests at once may take a busy machine longer than the second after which callers are sent away.
    nodes = [Sending(store, world.queue, world.clock, 10_000, within_s=60.0, patience_s=60.0) for store in stores]
    calls = [
        (key, submission(key * CALLERS + caller, f"key-{key}", "other" if caller % 5 == 4 else "body"))
        for caller in range(CALLERS)
        for key in range(KEYS)
    ]
    answers = await asyncio.gather(*(outcome(nodes[place // KEYS % 2], one) for place, (_, one) in enumerate(calls)))
    found: list[Counter[Any]] = [Counter() for _ in range(KEYS)]
    for (key, _), answer in zip(calls, answers, strict=True):
        found[key][answer.id if isinstance(answer, Accepted) else answer] += 1
    for node in nodes:
        await node.drained()
    for of_key in found:
        accepted = [name for name in of_key if name != "idempotency_mismatch"]
        assert len(accepted) == 1, of_key
        assert of_key[accepted[0]] in (4, 16), of_key
    stored = await stores[0].histories([one.notification.key for _, one in calls if one.notification])
    assert sum(history is not None for history in stored) == KEYS
    assert sum(isinstance(answer, Accepted) and not answer.replayed for answer in answers) == KEYS
    for store in stores:
        await store.close_store()


async def test_a_repeat_is_told_when_the_first_takes_long() -> None:
    """409 with Retry-After while it is under way, whatever its body; afterwards the first answer again."""
    world, store = World(), SlowStore()
    sending = Sending(store, world.queue, world.clock, 100, patience_s=0.001)
    first = asyncio.ensure_future(sending.accept(submission(1, "k")))
    await store.entered.acquire()
    for body in ("body", "other"):
        with pytest.raises(Problem) as problem:
            await sending.accept(submission(2, "k", body))
        assert (problem.value.kind.code, problem.value.kind.status) == ("in_progress", 409)
        assert problem.value.retry_after_s == 1
    assert store.commits == [1]
    store.go.set()
    stored = await first
    assert await sending.accept(submission(3, "k")) == Accepted(stored.id, replayed=True)
    assert await outcome(sending, submission(4, "k", "other")) == "idempotency_mismatch"
    assert await outcome(sending, submission(5, "other")) == Accepted(submission(5, "").id)


async def test_a_repeat_that_waited_gets_the_first_answer() -> None:
    """In the usual case nobody sees a 409: the first is done within the repeat's patience."""
    world, store = World(), SlowStore()
    sending = Sending(store, world.queue, world.clock, 100, patience_s=60)
    calls = [asyncio.ensure_future(sending.accept(submission(n, "k"))) for n in range(3)]
    await store.entered.acquire()
    store.go.set()
    answers = await asyncio.gather(*calls)
    assert answers == [Accepted(answers[0].id), *[Accepted(answers[0].id, replayed=True)] * 2]


async def test_a_first_request_that_failed_claims_nothing() -> None:
    """The store was away: the repeat is a first request."""
    world, store = World(), SlowStore()
    store.go.set()
    sending = Sending(store, world.queue, world.clock, 100)
    await store.close_store()
    with pytest.raises(StoreUnavailable):
        await sending.accept(submission(1, "k"))
    await store.open()
    assert await sending.accept(submission(2, "k")) == Accepted(submission(2, "k").id)


async def test_keys_outlive_queue_and_cache(service: Service) -> None:
    """They stand in the store: with both wiped the repeat is answered like before, byte for byte."""
    headers, body = {"idempotency-key": "k"}, {"to": ["anna", "bert"], "title": "x"}
    first = await service.call("POST", "/v1/send", body, headers=headers)
    await service.sending.drained()
    service.queue.broker.wipe()
    service.cache.leases.clear()
    service.cache.streams.clear()
    again = await service.call("POST", "/v1/send", body, headers=headers)
    assert (again.status, again.body) == (first.status, first.body)
    assert again.headers["idempotency-replayed"] == "true"
    (await service.call("POST", "/v1/send", {**body, "title": "y"}, headers=headers)).problem(
        422, "idempotency_mismatch"
    )
