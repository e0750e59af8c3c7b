"""The sides of `drain`: notifications that were accepted before go from the router to their end, every write kept.

`python -m heliograph.bench.sides.drain SIDE VARIANT COUNT` is a process of its own with a store, a queue and a cache of
its own. VARIANT `inbox`: recipients are offline and have no address; `email`: they have one, and the provider takes
every mail without doing anything. Writes a `Ran` as JSON to its standard output.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any, Final

import msgspec
import uvloop

from heliograph.attempts import Attempts
from heliograph.backends.redis import RedisCells, RedisPresence
from heliograph.bench.clock import now
from heliograph.bench.sides.parts import Parts, parts
from heliograph.bench.sides.ran import Ran, groups, timed
from heliograph.consumer import Consumer, Handle
from heliograph.core.account import Rules
from heliograph.core.ids import new_notification_id
from heliograph.core.lanes import EMAIL, INGEST, OUTBOX, EmailItem, IngestItem, Lane, LaneItem, OutboxItem
from heliograph.core.lifecycle import INBOX, Event
from heliograph.core.mail import render_mail
from heliograph.core.model import Mail, Notification, User
from heliograph.core.outcomes import Delivered, Outcome
from heliograph.core.pacing import PaceRules
from heliograph.core.ports import Pulled, Submission
from heliograph.core.retry import RetryPolicy
from heliograph.core.routing import Means
from heliograph.guard import Guard
from heliograph.logs import configure_logging
from heliograph.outlet import Outlet
from heliograph.planning import Planner
from heliograph.roles.email_sender import EmailSender
from heliograph.roles.email_worker import EmailWorker
from heliograph.roles.router import Router
from heliograph.senders import Senders
from heliograph.unsubscribing import UnsubscribeLinks

BATCH: Final = 500
"""The default of `batch_max`."""
_MAILS: Final = 25
"""A batch of the e-mail sender."""
_NO_LIMIT: Final = 1e6
_LANES: Final[dict[str, tuple[Lane, ...]]] = {"inbox": (INGEST,), "email": (INGEST, EMAIL, OUTBOX)}


class NoOp:
    """A provider of e-mail that takes everything and does nothing."""

    name = "noop"

    async def send(self, mail: Mail) -> Delivered:
        return Delivered(mail.args["hg_id"])

    async def close(self) -> None:
        """Has nothing to close."""


def _address(one: Notification) -> str:
    return f"{one.user}@example.com"


def _made(count: int) -> list[Notification]:
    at = now()
    return [
        Notification(
            new_notification_id(at), "default", f"user-{number}", "alert", at, "Your order has shipped",
            "It left our warehouse this morning. Track it any time.", category="order.shipped",
            data={"order_id": str(number)},
        )
        for number in range(count)
    ]  # fmt: skip


async def _accept(found: Parts, made: Sequence[Notification], *, mailed: bool) -> None:
    for group in groups(made, BATCH):
        submissions = [
            Submission(
                tenant=one.tenant, notification=one, check_at=now() + 600_000,
                users=(User(one.tenant, one.user, email=_address(one), updated_at=now()),) if mailed else (),
            )
            for one in group
        ]  # fmt: skip
        await found.store.accept(submissions)


# --- heliograph -------------------------------------------------------------------------------------------------------


async def heliograph(variant: str, count: int) -> Ran:
    """Every role on the way, on one event loop, as `heliograph up` has them."""
    made, mailed = _made(count), variant == "email"
    async with parts() as found, AsyncExitStack() as undo:
        presence, cells = RedisPresence(found.redis_url), RedisCells(found.redis_url)
        undo.push_async_callback(presence.close)
        undo.push_async_callback(cells.close)
        await _accept(found, made, mailed=mailed)
        await found.queue.publish(INGEST, [IngestItem(one) for one in made])
        stop = asyncio.Event()
        consumers = _consumers(found, presence, cells, variant, _stopping(stop, count))
        return await timed(lambda: _until(stop, consumers), count)


async def _until(stop: asyncio.Event, consumers: Sequence[Consumer]) -> int:
    await asyncio.gather(*(consumer.run(stop) for consumer in consumers))
    return 0


def _stopping(stop: asyncio.Event, count: int) -> Callable[[Handle], Handle]:
    """Makes a role stop everybody when it has handled so many items."""

    def wrapped(handle: Handle) -> Handle:
        left = count

        async def counted(batch: Sequence[Pulled]) -> Sequence[Outcome]:
            nonlocal left
            outcomes = await handle(batch)
            left -= len(batch)
            if not left:
                stop.set()
            return outcomes

        return counted

    return wrapped


def _consumers(
    found: Parts, presence: RedisPresence, cells: RedisCells, variant: str, last: Callable[[Handle], Handle]
) -> list[Consumer]:
    store, queue = found.store, found.queue
    mailed = variant == "email"
    planner = Planner(store, presence, now, Means(email=mailed, push=frozenset()))
    router = Router(store, queue, planner, now, 30_000).handle
    if not mailed:
        return [Consumer(INGEST, last(router), queue, store, now, batch_max=BATCH)]
    guard = Guard("noop", cells, now, Rules(PaceRules(_NO_LIMIT)))
    attempts = Attempts(store, now, RetryPolicy(1.0, 60.0, 3), lease_s=15)
    worker = EmailWorker(store, queue, now, Senders(store, now), UnsubscribeLinks(secrets.token_urlsafe(32), ""))
    sender, outlet = EmailSender(store, attempts, [NoOp()], now, [guard]), Outlet([guard], now)
    return [
        Consumer(INGEST, router, queue, store, now, batch_max=BATCH),
        Consumer(EMAIL, worker.handle, queue, store, now, batch_max=BATCH),
        Consumer(
            OUTBOX, last(sender.handle), queue, store, now, batch_max=_MAILS, slots=outlet.slots, gate=outlet
        ),
    ]  # fmt: skip


# --- its limits -------------------------------------------------------------------------------------------------------


async def queue_alone(variant: str, count: int) -> Ran:
    """The same items through the same lanes: pulled, settled, and published to the next lane; nothing else is done."""
    made, lanes = _made(count), _LANES[variant]
    ready = {lane.name: [_item(lane, one) for one in made] for lane in lanes}
    async with parts() as found:
        await found.queue.publish(INGEST, ready[INGEST.name])

        async def hops() -> int:
            for lane in lanes:
                if lane is not INGEST:
                    for group in groups(ready[lane.name], BATCH):
                        await found.queue.publish(lane, group)
                left = count
                while left:
                    pulled = await found.queue.pull(lane, BATCH)
                    await found.queue.settle(pulled)
                    left -= len(pulled)
            return 0

        return await timed(hops, count)


def _item(lane: Lane, one: Notification) -> LaneItem:
    if lane is INGEST:
        return IngestItem(one)
    if lane is EMAIL:
        return EmailItem(notification=one, address=_address(one))
    return OutboxItem(
        tenant=one.tenant, id=one.id, at_level=int(one.level), mail=render_mail(one, _address(one), None), user=one.user
    )


async def commits_alone(variant: str, count: int) -> Ran:
    """The same rows, in commits of 500 notifications, by one writer that does nothing else."""
    made = _made(count)
    async with parts() as found:
        await _accept(found, made, mailed=False)

        async def write() -> int:
            for group in groups(made, BATCH):
                if variant == "inbox":
                    await found.store.record([event for one in group for event in kept(one)])
                    continue
                await found.store.record([_event(one, "routed", plan=("email",)) for one in group])
                attempts = [_event(one, "sending", target="email", attempt=1, token="t") for one in group]
                await found.store.begin(attempts)
                await found.store.record(
                    [_event(one, "sent", target="email", attempt=1, provider="x") for one in group]
                )
            return 0

        return await timed(write, count)


def kept(one: Notification) -> tuple[Event, Event]:
    """What is recorded of a notification that waits in the inbox."""
    return (
        _event(one, "routed", plan=("in_app",), why={"email": "not chosen: no address"}),
        _event(one, "sent", target="in_app", provider=INBOX, detail="waits in the inbox"),
    )


def _event(one: Notification, kind: str, **more: Any) -> Event:
    return Event(tenant=one.tenant, notification_id=one.id, at=now(), kind=kind, **more)  # type: ignore[arg-type]


SIDES: Final = {"heliograph": heliograph, "queue alone": queue_alone, "grouped commits alone": commits_alone}

if __name__ == "__main__":
    configure_logging("warning", "text")
    sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(SIDES[sys.argv[1]](sys.argv[2], int(sys.argv[3])))))
