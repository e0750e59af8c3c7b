"""`POST /v1/send/bulk`: up to 10,000 sends in one request, stored as one document and expanded by the router.

Sends with an idempotency key of their own become notifications at once, because their claims must be rows. A send that
isn't valid is refused by its place and spoils no other.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from itertools import islice
from typing import Final

import msgspec
from litestar import Response, post
from litestar.types import ControllerRouterHandler

from heliograph.core import bulk
from heliograph.core.errors import Overloaded
from heliograph.core.keys import ApiKey
from heliograph.core.ports import Accepted, Clock, Idempotency, Mismatch, Store, Submission
from heliograph.core.sending import SendRequest
from heliograph.roles.api.sending import Sending, idempotency_of
from heliograph.web import SEND, AnyRequest, Callers, header, json, raw_body

_SLICE: Final = 250
"""Sends that are checked before others get their turn."""
_MOST_BYTES: Final = 64 * 1024 * 1024
"""Of bulk bodies in hand; beyond that callers get 503, or a few of them would fill the memory."""
_LINES: Final = ("ndjson", "jsonl", "json-lines")


class BulkSending:
    """Args:
    sending: hands over what was accepted.
    """

    def __init__(self, sending: Sending, store: Store, clock: Clock) -> None:
        self._sending = sending
        self._store = store
        self._clock = clock
        self._in_hand = 0

    async def accept(self, body: bytes, caller: ApiKey, key: str | None, *, lines: bool) -> Response[bytes]:
        """Durable when it returns. Raises `Problem`, `Overloaded` or `StoreUnavailable`."""
        if self._in_hand + len(body) > _MOST_BYTES:
            raise Overloaded
        self._in_hand += len(body)
        try:
            texts = bulk.texts_of(body, lines=lines)
            await self._sending.spend(caller, len(texts))
            found = await _checked(texts)
            idempotency = Idempotency(key, hashlib.sha256(body).hexdigest()) if key else None
            made = bulk.submissions(found, len(texts), caller.tenant, self._clock(), idempotency)
            return await self._store_all(made)
        finally:
            self._in_hand -= len(body)

    async def _store_all(self, made: bulk.Bulk) -> Response[bytes]:
        """The keyed ones first: if the store goes away in between, a repeat finds them again."""
        keyed = await self._store_keyed([submission for _, submission in made.keyed])
        if len(made.rejected) == made.size:
            return _answer(made, None, keyed)
        return _answer(made, await self._sending.accept(made.batch), keyed)

    async def _store_keyed(self, keyed: Sequence[Submission]) -> list[str | None]:
        """Their ids; None where the key belongs to another body."""
        found: list[str | None] = []
        for start in range(0, len(keyed), _SLICE):
            portion = keyed[start : start + _SLICE]
            for submission, answer in zip(portion, await self._store.accept(portion), strict=True):
                found.append(None if isinstance(answer, Mismatch) else answer.id)
                if found[-1] == submission.id:
                    self._sending.hand_over(submission)
        return found


async def _checked(texts: Sequence[bytes | msgspec.Raw]) -> list[bulk.Sound | bulk.Rejected]:
    """All of them, in slices, or 10,000 sends would hold everybody else's for a tenth of a second."""
    places = bulk.checked(enumerate(texts))
    found: list[bulk.Sound | bulk.Rejected] = []
    while portion := list(islice(places, _SLICE)):
        found += portion
        await asyncio.sleep(0)
    return found


def _answer(made: bulk.Bulk, whole: Accepted | None, keyed: Sequence[str | None]) -> Response[bytes]:
    """CONTRACT section 2. A replayed request gets the ids of the first one again."""
    batch_id = None if whole is None else whole.id
    members = bulk.ids_of(made, batch_id or "", keyed)
    rejected = bulk.rejected_of(made, keyed)
    content = {"batch_id": batch_id, "accepted": made.size - len(rejected), "rejected": rejected, "ids": members}
    return json(content, 202, {"Idempotency-Replayed": "true"} if whole is not None and whole.replayed else None)


def routes(service: BulkSending, callers: Callers) -> list[ControllerRouterHandler]:
    @post(
        "/v1/send/bulk",
        status_code=202,
        request_max_body_size=bulk.MAX_BULK_BODY,
        opt={**SEND, "body": list[SendRequest], "answers": {202: "Accepted: it is on disk"}},
        summary="Send up to 10,000 notifications",
    )
    async def send_bulk(request: AnyRequest) -> Response[bytes]:
        caller = await callers.key(request)
        body = await raw_body(request, bulk.MAX_BULK_BODY)
        lines = any(name in (header(request, b"content-type") or "").lower() for name in _LINES)
        return await service.accept(body, caller, idempotency_of(request), lines=lines or body.lstrip()[:1] == b"{")

    return [send_bulk]
