"""`POST /v1/send`: accepted means on disk, once per idempotency key, and on its way unless the queue is away."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest

from heliograph.core.lanes import INGEST, BatchItem, IngestItem
from heliograph.core.model import HEAVY_CONTENT, Key, Level
from heliograph.core.ports import Accepted, Mismatch, Submission
from heliograph.core.reconciling import GRACE_MS
from heliograph.roles.api.sending import Sending
from heliograph.testing.store import MemoryStore
from tests.unit.given import TENANT, notification
from tests.unit.roles.api.service import Answer, Service

GOOD: dict[str, Any] = {"to": "anna", "title": "Hello"}


@pytest.mark.parametrize("path", ["/v1/send", "/send"])
async def test_one_recipient_is_accepted(service: Service, path: str) -> None:
    """202 with the id; the notification is in the store, and then in the ingest lane of its type."""
    answer = await service.call("POST", path, {**GOOD, "type": "marketing", "data": {"a": 1}})
    assert (answer.status, answer.headers["content-type"]) == (202, "application/json")
    assert set(answer.json) == {"id", "status"}
    assert answer.json["status"] == "accepted"
    one = (await service.history(answer.json["id"])).notification
    assert (one.tenant, one.user, one.title, one.data, one.created_at) == (
        TENANT, "anna", "Hello", {"a": 1}, service.clock(),
    )  # fmt: skip
    await service.sending.drained()
    assert service.waiting(INGEST) == [IngestItem(one)]
    assert len(service.queue.broker.of(INGEST, Level.P2)) == 1


async def test_a_list_is_one_batch(service: Service) -> None:
    """The ids in the order of `to`, before any of them has a row; users named inline are written on the way."""
    to = ["bert", {"id": "anna", "email": "anna@acme.example", "name": "Anna"}, "bert"]
    answer = await service.send(to=to)
    batch_id = answer.pop("batch_id")
    assert answer == {"accepted": 3, "ids": [f"ntf_{batch_id[4:]}-0000{n}" for n in range(3)]}
    assert service.waiting(INGEST) == [BatchItem(TENANT, batch_id, 1)]
    found = await service.store.user(Key(TENANT, "anna"))
    assert found
    assert (found.email, found.name) == ("anna@acme.example", "Anna")


async def test_an_inline_user_is_updated_not_replaced(service: Service) -> None:
    """What isn't given stays as it was."""
    await service.anna(locale="de")
    await service.send(to={"id": "anna", "email": "new@acme.example"})
    found = await service.store.user(Key(TENANT, "anna"))
    assert found
    assert (found.email, found.name, found.locale) == ("new@acme.example", "Anna", "de")


async def test_a_heavy_body_stays_in_the_store(service: Service) -> None:
    """The item travels by id."""
    await service.send(body="x" * (HEAVY_CONTENT + 1))
    (item,) = service.waiting(INGEST)
    assert isinstance(item, IngestItem)
    assert item.notification.body is None


async def test_unicode_comes_through_unharmed(service: Service) -> None:
    """Whatever was sent stands in the store, character by character."""
    title, body = "ترجمة 日本語 é", "line\nline\t😀 e\u0301 \u202e"
    answer = await service.send(title=title, body=body, data={"ключ": "значение"})
    one = (await service.history(answer["id"])).notification
    assert (one.title, one.body, one.data) == (title, body, {"ключ": "значение"})


async def test_a_queue_that_is_away_is_not_the_callers_error(service: Service) -> None:
    """202 all the same: it is on disk, and the reconciler finds it within its grace (G1)."""
    service.queue.broker.away = True
    answer = await service.send()
    service.queue.broker.away = False
    assert service.waiting(INGEST) == []
    due = await service.store.due(Level.P1, service.clock() + GRACE_MS, 10)
    assert [history.notification.id for history in due] == [answer["id"]]


async def test_a_store_that_is_away_is_a_503(service: Service) -> None:
    """Nothing is promised; come back in a moment."""
    await service.call("GET", "/v1/lanes")  # the key is known now
    await service.store.close_store()
    answer = await service.call("POST", "/v1/send", GOOD)
    answer.problem(503, "store_unavailable")
    assert int(answer.headers["retry-after"]) >= 1
    await service.sending.drained()
    assert service.waiting(INGEST) == []


class SlowStore(MemoryStore):
    """Lets a test hold a commit."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.go = asyncio.Semaphore(0), asyncio.Event()
        self.commits: list[int] = []

    async def accept(self, submissions: Sequence[Submission]) -> Sequence[Accepted | Mismatch]:
        self.commits.append(len(submissions))
        self.entered.release()
        await self.go.wait()
        return await super().accept(submissions)


async def test_no_answer_before_the_commit_and_one_commit_for_many() -> None:
    """202 means on disk (G1); concurrent requests share what it costs."""
    world = Service()
    store = SlowStore()
    service = Sending(store, world.queue, world.clock, 100)

    async def accept(n: int) -> Accepted:
        return await service.accept(Submission(tenant=TENANT, notification=notification(id=f"ntf_{n}")))

    first = asyncio.ensure_future(accept(0))
    await store.entered.acquire()
    others = [asyncio.ensure_future(accept(n)) for n in range(1, 6)]
    for _ in range(5):
        await asyncio.sleep(0)
    assert not any(one.done() for one in (first, *others))
    assert world.waiting(INGEST) == []
    store.go.set()
    assert [(await one).id for one in (first, *others)] == [f"ntf_{n}" for n in range(6)]
    await service.drained()
    assert store.commits == [1, 5]
    assert len(world.waiting(INGEST)) == 6


async def test_too_many_at_once_are_told_so() -> None:
    """Beyond the high-water mark: 503 `overloaded` with Retry-After, at once and with nothing stored."""
    service = await Service(high_water=2).open()
    answers = await asyncio.gather(*(service.call("POST", "/v1/send", GOOD) for _ in range(5)))
    await service.sending.drained()
    assert sorted(answer.status for answer in answers) == [202, 202, 503, 503, 503]
    for answer in answers:
        if answer.status == 503:
            answer.problem(503, "overloaded")
            assert answer.headers["retry-after"]
    assert len(service.kept[0]) == 2


# --- idempotency ------------------------------------------------------------------------------------------------------


async def keyed(service: Service, body: Any = None, key: str = "k-1", **options: Any) -> Answer:
    answer = await service.call("POST", "/v1/send", body or GOOD, headers={"idempotency-key": key}, **options)
    await service.sending.drained()
    return answer


@pytest.mark.parametrize("body", [GOOD, {"to": ["anna", "bert"], "title": "x"}, {"to": ["anna"], "title": "x"}])
async def test_the_same_key_and_body_is_the_same_answer(service: Service, body: dict[str, Any]) -> None:
    """G5: the first answer again, byte for byte, marked as such; stored and handed over once."""
    first, second = await keyed(service, body), await keyed(service, body)
    assert (first.status, second.status) == (202, 202)
    assert first.body == second.body
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert len(service.kept[0]) + len(service.kept[1]) == 1
    assert len(service.waiting(INGEST)) == 1


async def test_the_same_meaning_is_the_same_body(service: Service) -> None:
    """Other spacing and order of names."""
    first = await keyed(service)
    reordered = json.dumps(dict(reversed(GOOD.items())), indent=3).encode()
    assert (await keyed(service, raw=reordered)).body == first.body


async def test_another_body_under_the_same_key_is_a_422(service: Service) -> None:
    """And changes nothing."""
    first = await keyed(service)
    (await keyed(service, {**GOOD, "title": "Other"})).problem(422, "idempotency_mismatch")
    assert len(service.kept[0]) == 1
    assert (await keyed(service)).body == first.body


async def test_the_key_in_the_body_is_as_good(service: Service) -> None:
    """`idempotency_key` where no header can be set."""
    body = {**GOOD, "idempotency_key": "in-body"}
    first, second = await service.call("POST", "/v1/send", body), await service.call("POST", "/v1/send", body)
    assert first.body == second.body
    assert second.headers["idempotency-replayed"] == "true"
    other = await service.call("POST", "/v1/send", {**body, "title": "Other"})
    other.problem(422, "idempotency_mismatch")
    await service.sending.drained()


async def test_a_key_is_its_tenants_own(service: Service) -> None:
    """Two tenants may use the same word."""
    ours = await keyed(service)
    foreign = await service.call(
        "POST", "/v1/send", {**GOOD, "title": "Other"}, key=service.other_key, headers={"idempotency-key": "k-1"}
    )
    await service.sending.drained()
    assert foreign.status == 202
    assert foreign.json["id"] != ours.json["id"]


async def test_rivals_with_the_same_key_get_the_same_id(service: Service) -> None:
    """Twenty at the same moment: one notification, one item."""
    answers = await asyncio.gather(*(keyed(service) for _ in range(20)))
    assert len({answer.body for answer in answers}) == 1
    assert sum("idempotency-replayed" in answer.headers for answer in answers) == 19
    assert len(service.waiting(INGEST)) == 1


async def test_a_key_whose_request_failed_is_free(service: Service) -> None:
    """A 422 or 503 leaves nothing behind: the mended request is the first."""
    (await keyed(service, {**GOOD, "title": 5})).problem(422, "invalid")
    await service.store.close_store()
    (await keyed(service)).problem(503, "store_unavailable")
    await service.store.open()
    answer = await keyed(service)
    assert answer.status == 202
    assert "idempotency-replayed" not in answer.headers


async def test_without_a_key_every_request_is_its_own(service: Service) -> None:
    """Twice the same body is two notifications."""
    assert (await service.send())["id"] != (await service.send())["id"]
