"""`POST /v1/send/bulk`: each send in the lane of its own type, one document for all of them, refusals by index."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from heliograph.core.bulk import MAX_BULK_BODY, MAX_SENDS
from heliograph.core.lanes import INGEST, BatchItem, IngestItem
from heliograph.core.model import Key, Level, Notification
from heliograph.core.ports import Accepted, Mismatch, Reached, Submission
from heliograph.roles.api import bulk
from heliograph.testing.store import MemoryStore
from tests.unit.given import TENANT
from tests.unit.roles.api.service import Answer, Service

FINE: dict[str, Any] = {"to": "anna", "title": "Hello"}


async def send(service: Service, sends: Sequence[Any], **headers: str) -> Answer:
    answer = await service.call("POST", "/v1/send/bulk", list(sends), headers=headers)
    await service.sending.drained()
    return answer


async def test_sends_are_accepted_and_refused_one_by_one(service: Service) -> None:
    """202 with the places of what is wrong; ids in the order of the request; one document, in the most urgent lane."""
    answer = await send(service, [FINE, {"to": "ben"}, {**FINE, "type": "transactional", "to": "ben"}])
    assert answer.status == 202
    found = answer.json
    assert (set(found), found["accepted"]) == ({"batch_id", "accepted", "rejected", "ids"}, 2)
    assert found["rejected"] == [
        {"index": 1, "code": "invalid", "detail": "title: a notification needs a title or a body"}
    ]
    assert found["ids"] == [f"ntf_{found['batch_id'][4:]}-00000", None, f"ntf_{found['batch_id'][4:]}-00002"]
    assert service.waiting(INGEST) == [BatchItem(TENANT, found["batch_id"], 0)]
    shown = await service.call("GET", f"/v1/notifications/{found['ids'][2]}")
    assert (shown.json["user"], shown.json["type"], shown.json["status"]) == ("ben", "transactional", "accepted")
    (await service.call("GET", f"/v1/notifications/{found['ids'][0][:-1]}1")).problem(404, "not_found")


@pytest.mark.parametrize("content_type", ["application/x-ndjson", "application/json"])
async def test_lines_are_as_good_as_an_array(service: Service, content_type: str) -> None:
    """NDJSON, also without its own content type; a line that isn't JSON is refused by its place."""
    body = json.dumps(FINE).encode() + b"\nnonsense\n" + json.dumps({**FINE, "to": "ben"}).encode() + b"\n"
    answer = await service.call("POST", "/v1/send/bulk", raw=body, headers={"Content-Type": content_type})
    assert (answer.status, answer.json["accepted"]) == (202, 2)
    assert [(one["index"], one["code"]) for one in answer.json["rejected"]] == [(1, "invalid_json")]


async def test_progress_counts_every_accepted_send(service: Service) -> None:
    """Those with a key of their own too."""
    found = (await send(service, [FINE, FINE, {**FINE, "idempotency_key": "k"}])).json
    shown = await service.call("GET", f"/v1/batches/{found['batch_id']}")
    assert shown.json == {"id": found["batch_id"], "accepted": 3, "by_status": {"accepted": 3}}
    batch = await service.store.batch(Key(TENANT, found["batch_id"]))
    assert batch
    await service.store.expand([batch.member(0)], 0, Reached(batch.key, Level.P1, "1", 0))
    await service.store.cancel(Key(TENANT, found["ids"][2]), 0)
    shown = await service.call("GET", f"/v1/batches/{found['batch_id']}")
    assert shown.json["by_status"] == {"accepted": 2, "cancelled": 1}


async def test_a_repeated_request_is_the_first_one_again(service: Service) -> None:
    """G5: by the header's key the whole, byte for byte; another body is refused and stores nothing."""
    sends = [FINE, {}, {**FINE, "idempotency_key": "own"}]
    first = await send(service, sends, **{"Idempotency-Key": "k"})
    kept = service.kept
    again = await send(service, sends, **{"Idempotency-Key": "k"})
    assert (again.body, again.headers["idempotency-replayed"]) == (first.body, "true")
    refused = await send(service, [{**FINE, "title": "Other"}], **{"Idempotency-Key": "k"})
    refused.problem(422, "idempotency_mismatch")
    assert service.kept == kept
    assert len(service.waiting(INGEST)) == 2


async def test_sends_with_keys_are_sent_once_whatever_they_travel_in(service: Service) -> None:
    """Alone or in a bulk, the same key and body give the same id; another body is that send's refusal alone."""
    keyed = {**FINE, "idempotency_key": "k"}
    alone = (await service.send(**keyed))["id"]
    found = (await send(service, [keyed, FINE, {**keyed, "title": "Other"}])).json
    assert (found["ids"][0], found["ids"][2], found["accepted"]) == (alone, None, 2)
    assert [(one["index"], one["code"]) for one in found["rejected"]] == [(2, "idempotency_mismatch")]
    assert [type(item) for item in service.waiting(INGEST)] == [IngestItem, BatchItem]


async def test_nothing_sound_stores_nothing(service: Service) -> None:
    """202 still, as the contract says, with every refusal and no batch."""
    kept = service.kept
    answer = await send(service, [{}, {"to": "a b", "title": "x"}])
    assert (answer.status, answer.json["batch_id"], answer.json["accepted"]) == (202, None, 0)
    assert (len(answer.json["rejected"]), answer.json["ids"]) == (2, [None, None])
    assert service.kept == kept


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"[]", 422, "invalid"), (b"[", 400, "invalid_json"), (b'"x"', 400, "invalid_json"), (b"", 400, "invalid_json"),
        (b"[" + b"{}," * MAX_SENDS + b"{}]", 413, "too_large"), (b" " * (MAX_BULK_BODY + 1), 413, "too_large"),
    ],
)  # fmt: skip
async def test_a_bad_body_is_refused_as_a_whole(service: Service, body: bytes, status: int, code: str) -> None:
    """Nothing is stored."""
    kept = service.kept
    (await service.call("POST", "/v1/send/bulk", raw=body)).problem(status, code)
    assert service.kept == kept


async def test_the_largest_bulk(service: Service) -> None:
    """10,000 sends, up to 5 MiB; every place has its id."""
    sends = [{"to": f"user-{n}", "title": "x" * 180, "body": "y" * 200} for n in range(MAX_SENDS)]
    answer = await send(service, sends)
    assert (answer.status, answer.json["accepted"], len(set(answer.json["ids"]))) == (202, MAX_SENDS, MAX_SENDS)


async def test_too_much_at_once_is_refused(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 with Retry-After before the memory is full; what was refused counts no longer."""
    monkeypatch.setattr(bulk, "_MOST_BYTES", 100)
    refused = await send(service, [FINE] * 10)
    refused.problem(503, "overloaded")
    assert refused.headers["retry-after"]
    assert (await send(service, [FINE])).status == 202


async def test_another_tenant_has_keys_of_its_own(service: Service) -> None:
    """The same request of another tenant is another bulk."""
    ours = await send(service, [FINE], **{"Idempotency-Key": "k"})
    headers = {"Idempotency-Key": "k", "Authorization": f"Bearer {service.other_key}"}
    theirs = await service.call("POST", "/v1/send/bulk", [FINE], headers=headers)
    assert theirs.json["batch_id"] != ours.json["batch_id"]
    assert "idempotency-replayed" not in theirs.headers


async def test_the_store_away_between_the_parts_loses_no_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sends with keys are stored first: the caller gets 503, repeats, and each is there once."""
    real = MemoryStore.accept
    refusals = [True]

    async def flaky(self: MemoryStore, submissions: Sequence[Submission]) -> Sequence[Accepted | Mismatch]:
        if any(one.batch for one in submissions) and refusals:
            refusals.pop()
            self._open = False
        try:
            return await real(self, submissions)
        finally:
            self._open = True

    monkeypatch.setattr(MemoryStore, "accept", flaky)
    service = await Service().open()
    sends = [{**FINE, "idempotency_key": "k"}, FINE]
    (await send(service, sends)).problem(503, "store_unavailable")
    assert (await send(service, sends)).status == 202
    users: list[Notification] = [one.notification for one in service.store._kept.sent.values()]
    assert len(users) == 1
