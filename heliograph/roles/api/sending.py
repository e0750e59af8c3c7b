"""`POST /v1/send`: accepts a notification, a list or a topic send, durably, and hands it to the ingest lane.

Writes the store first and publishes second; a failed publish is not the caller's error, the reconciler finds it (G1).
Concurrent requests share commits and publishes through `batching`. Never loops over recipients: a list is one document.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import Final

from litestar import Response, post
from litestar.types import ControllerRouterHandler

from heliograph import telemetry, tracing
from heliograph.batching import Batcher
from heliograph.core import sending
from heliograph.core.errors import Flaw, Overloaded, Problem, QueueUnavailable, StoreUnavailable
from heliograph.core.headers import header_flaw
from heliograph.core.ids import batch_member_id
from heliograph.core.keys import ApiKey, demand
from heliograph.core.lanes import INGEST, BatchItem, IngestItem, LaneItem
from heliograph.core.model import Level
from heliograph.core.ports import Accepted, Clock, Mismatch, Queue, Store, Submission
from heliograph.core.sending import SendRequest
from heliograph.door import Door
from heliograph.quotas import Quotas
from heliograph.roles.api.claims import PATIENCE_S, Claims
from heliograph.web import SEND, AnyRequest, Callers, header, json, raw_body

log = telemetry.logger("api")
_ACCEPTED: Final = telemetry.by_level(telemetry.accepted_total)


class Sending:
    """Args:
    high_water: submissions waiting for the store beyond which callers get 503.
    door: what it says of a level holds here too; None = everybody is let in.
    quotas: None = there are none.
    within_s: a store that answers no sooner is away: callers get 503 then, and at once while it hangs.
    patience_s: how long a repeat waits for the first request with its idempotency key.
    """

    def __init__(
        self, store: Store, queue: Queue, clock: Clock, high_water: int, *, door: Door | None = None,
        quotas: Quotas | None = None, within_s: float = 1.0, patience_s: float = PATIENCE_S,
    ) -> None:  # fmt: skip
        self._queue = queue
        self._clock = clock
        self._accept: Batcher[Submission, Accepted | Mismatch] = Batcher(
            store.accept, high_water=high_water, patience_s=within_s
        )
        self._door = door
        self._quotas = quotas
        self._claims = Claims(patience_s)
        self._publish: Batcher[LaneItem, None] = Batcher(self._publish_all, limit=2_000, high_water=100_000)

    async def drained(self) -> None:
        """Returns when everything accepted was published, or left to the reconciler."""
        await self._accept.drained()
        await self._publish.drained()

    async def spend(self, caller: ApiKey, count: int, wanted: SendRequest | None = None) -> None:
        """Counts a request of `count` notifications against the quotas. Raises `Problem`."""
        if self._quotas is None:
            return
        if wanted is not None and wanted.type == "transactional" and wanted.topic is None:
            await self._quotas.spare(caller.tenant, wanted.recipients)
        await self._quotas.spend(caller, count)

    async def accept(self, submission: Submission, caller: str | None = None) -> Accepted:
        """Durable when it returns. `caller`: the request's `traceparent`.

        Raises `Problem`, `Overloaded` or `StoreUnavailable`.
        """
        if self._door:
            self._door.check(submission.level)
        return await self._claims.in_turn(submission, partial(self._store, caller=caller))

    async def _store(self, submission: Submission, caller: str | None = None) -> Accepted:
        started = time.perf_counter()
        try:
            result = await self._accept.submit(submission)
        except TimeoutError as error:
            raise StoreUnavailable(str(error)) from error
        if isinstance(result, Mismatch):
            raise Problem("idempotency_mismatch")
        took_s = time.perf_counter() - started
        telemetry.accept_seconds.observe(took_s)
        if tracing.spans is not None and not result.replayed:
            tracing.spans.accepted(result.id, took_s, caller)
        if not result.replayed and result.id == submission.id:
            self.hand_over(submission)
        return result

    def hand_over(self, submission: Submission) -> None:
        """To the ingest lane; what fails is the reconciler's."""
        item, level, count = _ingest_item(submission)
        _ACCEPTED[level].inc(count)
        try:
            self._publish.submit(item).add_done_callback(_published)
        except Overloaded:
            telemetry.publish_failed_total.labels(INGEST.name).inc()

    async def _publish_all(self, items: Sequence[LaneItem]) -> Sequence[None]:
        try:
            await self._queue.publish(INGEST, items)
        except QueueUnavailable as error:
            telemetry.publish_failed_total.labels(INGEST.name).inc(len(items))
            log.warning("publish_failed", action="leave", lane=INGEST.name, items=len(items), error=str(error))
        return [None] * len(items)


def _published(future: object) -> None:
    error = future.exception()  # type: ignore[attr-defined]
    if error:
        log.error("bug", action="publish", exc_info=error)


def _ingest_item(submission: Submission) -> tuple[LaneItem, Level, int]:
    if submission.notification is not None:
        found = submission.notification
        return IngestItem(found.lighten()), found.level, 1
    batch = submission.batch
    assert batch is not None
    return BatchItem(batch.tenant, batch.id, int(batch.level)), batch.level, max(1, batch.size)


def answer(result: Accepted, request: SendRequest) -> Response[bytes]:
    """CONTRACT section 2: one recipient, a list or a topic; a replayed answer is the first one again."""
    headers = {"Idempotency-Replayed": "true"} if result.replayed else None
    if request.topic is not None:
        return json({"batch_id": result.id}, 202, headers)
    if not isinstance(request.to, list):
        return json({"id": result.id, "status": "accepted"}, 202, headers)
    members = [batch_member_id(result.id, index) for index in range(len(request.to))]
    return json({"batch_id": result.id, "accepted": len(members), "ids": members}, 202, headers)


def idempotency_of(request: AnyRequest) -> str | None:
    """The `Idempotency-Key` header. Raises `Problem("invalid")` for one that can't be a key."""
    key = header(request, b"idempotency-key")
    if key is not None and (not 0 < len(key) <= 255 or header_flaw(key)):
        raise Problem("invalid", flaws=(Flaw("Idempotency-Key", "has 1 to 255 printable characters"),))
    return key


def routes(service: Sending, callers: Callers, clock: Clock) -> list[ControllerRouterHandler]:
    @post(
        ["/v1/send", "/send"],
        status_code=202,
        opt={**SEND, "body": sending.SendRequest, "answers": {202: "Accepted: it is on disk"}},
        summary="Send a notification",
    )
    async def send(request: AnyRequest) -> Response[bytes]:
        caller = await callers.key(request)
        body = await raw_body(request)
        wanted = sending.read(body)
        if wanted.topic is not None:
            demand(caller, "broadcast")
        await service.spend(caller, len(wanted.recipients), wanted)
        key = idempotency_of(request)
        keyed = key or wanted.idempotency_key
        fingerprint = sending.fingerprint_of(body) if keyed else ""
        submission = sending.submission(wanted, caller.tenant, clock(), fingerprint, key)
        return answer(await service.accept(submission, header(request, b"traceparent")), wanted)

    return [send]
