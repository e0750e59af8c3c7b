"""What became of a notification: status, timeline, explanation, batches; and cancelling one that hasn't left."""

from __future__ import annotations

from collections import Counter
from typing import Final

from litestar import Response, delete, get
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from heliograph.core import wire
from heliograph.core.errors import Problem
from heliograph.core.ids import batch_of_member
from heliograph.core.lifecycle import History, Status, status_of
from heliograph.core.model import Batch, Key
from heliograph.core.ports import Clock, Store
from heliograph.web import READ, SEND, AnyRequest, Callers, json

_PAGE: Final = 500


async def history_of(store: Store, key: Key) -> History:
    """A notification, also while its batch isn't expanded yet. Raises `Problem("not_found")`."""
    found = (await store.histories([key]))[0]
    if found is not None:
        return found
    member = batch_of_member(key.id)
    batch = await store.batch(Key(key.tenant, member[0])) if member else None
    found_there = batch.at_place(member[1]) if member and batch else None
    if found_there is None:
        raise Problem("not_found")
    return History(found_there)


async def _progress(store: Store, batch: Batch) -> dict[str, object]:
    """Page by page, so that a million members need no more memory than a few hundred."""
    counts: Counter[Status] = Counter()
    members = others = 0
    after = ""
    while page := await store.batch_histories(batch.key, after, _PAGE):
        counts.update(status_of(history) for history in page)
        ours = sum(batch_of_member(history.notification.id) is not None for history in page)
        members, others = members + ours, others + len(page) - ours
        after = page[-1].notification.id
    # Subscribers of a topic, and sends with an idempotency key of their own, are known by their rows alone.
    counts["accepted"] += batch.size - members
    by_status = {status: count for status, count in counts.items() if count}
    return {"id": batch.id, "accepted": batch.size + others, "by_status": by_status}


def routes(store: Store, callers: Callers, clock: Clock) -> list[ControllerRouterHandler]:
    @get("/v1/notifications/{notification_id:str}", opt=READ, summary="Status and deliveries")
    async def show(request: AnyRequest, notification_id: FromPath[str]) -> Response[bytes]:
        key = Key(await callers.tenant(request), notification_id)
        return json(wire.notification(await history_of(store, key)))

    @get("/v1/notifications/{notification_id:str}/timeline", opt=READ, summary="What happened, in order")
    async def timeline(request: AnyRequest, notification_id: FromPath[str]) -> Response[bytes]:
        key = Key(await callers.tenant(request), notification_id)
        return json({"events": wire.timeline(await history_of(store, key))})

    @get("/v1/notifications/{notification_id:str}/explain", opt=READ, summary="The routing in words")
    async def explain(request: AnyRequest, notification_id: FromPath[str]) -> Response[bytes]:
        key = Key(await callers.tenant(request), notification_id)
        return json(wire.explain(await history_of(store, key)))

    @delete("/v1/notifications/{notification_id:str}", status_code=200, opt=SEND, summary="Cancel")
    async def cancel(request: AnyRequest, notification_id: FromPath[str]) -> Response[bytes]:
        key = Key(await callers.tenant(request), notification_id)
        await history_of(store, key)
        result = await store.cancel(key, clock())
        if result == "not_found":
            # It belongs to a batch that the router is about to expand.
            raise Problem("already_left", "it is being expanded from its batch; try again in a moment", retry_after_s=1)
        if result == "already_left":
            raise Problem("already_left")
        return json({"status": "cancelled"})

    @get("/v1/batches/{batch_id:str}", opt=READ, summary="Progress of a list, topic or bulk send")
    async def show_batch(request: AnyRequest, batch_id: FromPath[str]) -> Response[bytes]:
        key = Key(await callers.tenant(request), batch_id)
        batch = await store.batch(key)
        if batch is None:
            raise Problem("not_found")
        return json(await _progress(store, batch))

    return [show, timeline, explain, cancel, show_batch]
