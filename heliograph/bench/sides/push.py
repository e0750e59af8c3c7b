"""The sides of `push`: each sends so many pushes to the lab's FCM as fast as it can.

`python -m heliograph.bench.sides.push SIDE LAB_URL COUNT` is a process of its own. Writes a `Ran` as JSON to its
standard output.
"""

from __future__ import annotations

import asyncio
import json
import sys
import warnings
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any, Final

import aiohttp
import msgspec
import uvloop

from heliograph.attempts import Attempts
from heliograph.backends.jetstream import JetStreamQueue
from heliograph.backends.redis import RedisCells
from heliograph.backends.sqlite import SqliteStore
from heliograph.bench.clock import now
from heliograph.bench.sides.parts import parts
from heliograph.bench.sides.ran import Ran, timed
from heliograph.consumer import Consumer
from heliograph.core.account import Rules
from heliograph.core.ids import new_notification_id
from heliograph.core.lanes import PUSH, push_item
from heliograph.core.lifecycle import Event
from heliograph.core.model import Device, Notification, PushMessage
from heliograph.core.outcomes import Outcome
from heliograph.core.pacing import PaceRules
from heliograph.core.ports import Pulled, Submission
from heliograph.core.retry import RetryPolicy
from heliograph.guard import Guard
from heliograph.logs import configure_logging
from heliograph.outlet import Outlet
from heliograph.providers.fcm import Fcm
from heliograph.providers.fcm_message import request_of
from heliograph.providers.google_token import AccessToken, GoogleTokens, load_account
from heliograph.providers.http import Http
from heliograph.roles.push_worker import PushWorker

CALLS: Final = 256
_CHUNK: Final = 500
_NO_LIMIT: Final = 1e6


async def _account(url: str) -> dict[str, Any]:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/lab/service-account.json") as answer:
        return dict(await answer.json())


# --- heliograph -------------------------------------------------------------------------------------------------------


async def heliograph(url: str, count: int) -> Ran:
    """Everything that stands behind a push worker, and a lane full of pushes that were routed before."""
    account = await _account(url)
    async with parts() as found, AsyncExitStack() as undo:
        cells = RedisCells(found.redis_url)
        undo.push_async_callback(cells.close)
        fcm = Fcm(f"{url}/fcm", account, Http(connections=CALLS))
        undo.push_async_callback(fcm.close)
        await _fill(found.store, found.queue, count)
        return await timed(lambda: _drain(found.store, found.queue, cells, fcm, count), count)


async def _fill(store: SqliteStore, queue: JetStreamQueue, count: int) -> None:
    for start in range(0, count, _CHUNK):
        made = [_notification(number) for number in range(start, min(start + _CHUNK, count))]
        items = [push_item(one, _device(one)) for one in made]
        await store.accept([Submission(tenant=one.tenant, notification=one, check_at=now() + 60_000) for one in made])
        await store.record([_routed(one, item.target) for one, item in zip(made, items, strict=True)])
        await queue.publish(PUSH, items)


async def _drain(store: SqliteStore, queue: JetStreamQueue, cells: RedisCells, fcm: Fcm, count: int) -> int:
    attempts = Attempts(store, now, RetryPolicy(1.0, 60.0, 3), lease_s=15)
    worker = PushWorker(store, attempts, dict.fromkeys(fcm.kinds, fcm), now)
    outlet = Outlet([Guard("fcm", cells, now, Rules(PaceRules(_NO_LIMIT)))], now)
    stop, left = asyncio.Event(), count

    async def handle(batch: Sequence[Pulled]) -> Sequence[Outcome]:
        nonlocal left
        outcomes = await worker.handle(batch)
        left -= len(batch)
        if not left:
            stop.set()
        return outcomes

    await Consumer(PUSH, handle, queue, store, now, batch_max=100, slots=outlet.slots, gate=outlet).run(stop)
    return 0


def _notification(number: int) -> Notification:
    at = now()
    return Notification(
        new_notification_id(at), "default", f"user-{number}", "alert", at, "Your order has shipped",
        "Track it any time", data={"order_id": str(number)},
    )  # fmt: skip


def _device(one: Notification) -> Device:
    return Device(f"dev_{one.user}", one.tenant, one.user, "fcm_token", f"token-{one.user}", one.created_at)


def _routed(one: Notification, target: str) -> Event:
    return Event(tenant=one.tenant, notification_id=one.id, at=now(), kind="routed", plan=(target,), why={}, unique="b")


# --- its limits -------------------------------------------------------------------------------------------------------


async def bare(url: str, count: int) -> Ran:
    """The HTTP client that the provider stands on, and nothing else."""
    account = await _account(url)
    http = Http()
    tokens = GoogleTokens(load_account(account), http, now)
    token = await tokens.get(deadline=asyncio.get_running_loop().time() + 10)
    assert isinstance(token, AccessToken)
    await tokens.close()
    await http.close()
    message = PushMessage("fcm_token", "token-1", "Your order has shipped", "Track it any time", {"order_id": "1"})
    body = msgspec.json.encode(request_of(message, now()))
    target = f"{url}/fcm/v1/projects/{account['project_id']}/messages:send"
    headers = {"Authorization": f"Bearer {token.value}", "Content-Type": "application/json"}
    left = iter(range(count))

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def caller() -> int:
            failed = 0
            for _ in left:
                async with session.post(target, data=body, headers=headers) as answer:
                    await answer.read()
                    failed += answer.status != 200
            return failed

        async def everyone() -> int:
            return sum(await asyncio.gather(*(caller() for _ in range(CALLS))))

        return await timed(everyone, count)


async def firebase(url: str, count: int) -> Ran:
    """The official client, in the lots of 500 that it allows."""
    import firebase_admin  # type: ignore[import-untyped]  # noqa: PLC0415 - a test dependency, not there after `make setup`
    from firebase_admin import credentials, messaging  # noqa: PLC0415

    warnings.simplefilter("ignore", DeprecationWarning)  # devices that have tokens still get pushes
    messaging._MessagingService.FCM_URL = url + "/fcm/v1/projects/{0}/messages:send"
    app = firebase_admin.initialize_app(credentials.Certificate(await _account(url)))
    note = messaging.Notification(title="Your order has shipped", body="Track it any time")
    lots = [
        [messaging.Message(token=f"token-{n}", notification=note, data={"order_id": str(n)}) for n in range(size)]
        for size in [_CHUNK] * (count // _CHUNK) + [count % _CHUNK] * (count % _CHUNK > 0)
    ]

    async def everyone() -> int:
        answers = [await messaging.send_each_async(lot, app=app) for lot in lots]
        return sum(answer.failure_count for answer in answers)

    return await timed(everyone, count)


SIDES: Final = {"heliograph": heliograph, "bare client": bare, "firebase-admin": firebase}

if __name__ == "__main__":
    configure_logging("warning", "text")
    found = uvloop.run(SIDES[sys.argv[1]](sys.argv[2], int(sys.argv[3])))
    sys.stdout.write(json.dumps(msgspec.structs.asdict(found)))
