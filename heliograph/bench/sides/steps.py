"""The limit of `online` and `offline`: every step a notification must take, each alone, with nothing around.

`python -m heliograph.bench.sides.steps RATE SECONDS [LAB_URL]` is a process of its own, with servers and a database of
its own, and the lab, if given, as its provider. Writes nanoseconds of every step at RATE a second, as a JSON object, to
its standard output.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import aiohttp
import msgspec
import uvloop

from heliograph.backends.bus import NatsBus
from heliograph.backends.jetstream import JetStreamQueue
from heliograph.backends.redis import RedisPresence
from heliograph.backends.sqlite import SqliteStore
from heliograph.bench.body import BODY
from heliograph.bench.clock import now
from heliograph.bench.sides.parts import parts
from heliograph.core import sending
from heliograph.core.lanes import INGEST, IngestItem
from heliograph.core.model import Key
from heliograph.core.ports import Submission
from heliograph.logs import configure_logging

COMMIT: Final = "one durable commit"
HOP: Final = "queue: publish to pull"
LOOK: Final = "cache: one round trip"
BUS: Final = "bus: one hop"
CALL: Final = "provider: one bare call"
ONLINE: Final = {COMMIT: 1, HOP: 2, LOOK: 2, BUS: 1}
"""How often a notification on its way from its 202 to an open page must take each step: the router looks into the
cache, commits its decision and hands over, the in-app worker appends to the user's stream and tells the node. (The
accept's own commit is part of the 202.)"""
OFFLINE: Final = {COMMIT: 2, HOP: 3, LOOK: 2, CALL: 1}
"""From its 202 to the mailbox: the router looks into the cache, commits its decision and hands over; the e-mail worker
renders and hands over; the e-mail sender asks for a token, commits its attempt and calls."""
_MAIL: Final = {
    "personalizations": [{"to": [{"email": "anna@example.com"}]}], "from": {"email": "shop@example.com"},
    "subject": "Your order has shipped", "content": [{"type": "text/plain", "value": "Track it any time."}],
}  # fmt: skip
_TO_CALL: Final = {"Authorization": "Bearer SG.lab"}


def _submission() -> Submission:
    request = sending.read(BODY.replace("$N", "1").replace("$U", "1").encode())
    return sending.submission(request, "default", now(), "")


class Steps:
    """The parts, each connected to a server of its own."""

    def __init__(
        self,
        store: SqliteStore,
        queue: JetStreamQueue,
        presence: RedisPresence,
        session: aiohttp.ClientSession,
        lab: str,
    ) -> None:
        self._store = store
        self._queue = queue
        self._presence = presence
        self._bus = NatsBus(queue.link)
        self._heard = asyncio.Event()
        self._session = session
        self._mail_url = f"{lab}/sendgrid/v3/mail/send"

    async def listen(self) -> None:
        await self._bus.subscribe("here", self._hear)

    async def _hear(self, payload: bytes) -> None:  # noqa: ARG002 - that it came is enough
        self._heard.set()

    async def commit(self) -> None:
        await self._store.accept([_submission()])

    async def hop(self) -> None:
        notification = _submission().notification
        assert notification
        pulling = asyncio.ensure_future(self._queue.pull(INGEST, 1))
        await self._queue.publish(INGEST, [IngestItem(notification)])
        await self._queue.settle(await pulling)

    async def look(self) -> None:
        await self._presence.look([Key("default", "user-1")], now())

    async def bus(self) -> None:
        self._heard.clear()
        await self._bus.send("here", b"x" * 500)
        await self._heard.wait()

    async def call(self) -> None:
        async with self._session.post(self._mail_url, json=_MAIL, headers=_TO_CALL) as answer:
            answer.raise_for_status()
            await answer.read()


async def _paced(step: Callable[[], Awaitable[None]], rate: float, seconds: float) -> list[int]:
    took: list[int] = []
    ends = time.perf_counter() + seconds
    due = time.perf_counter()
    while due < ends:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        due += 1 / rate
        started = time.perf_counter_ns()
        await step()
        took.append(time.perf_counter_ns() - started)
    return took


async def _run(rate: float, seconds: float, lab: str) -> dict[str, Any]:
    async with parts() as found, aiohttp.ClientSession() as session:
        presence = RedisPresence(found.redis_url)
        steps = Steps(found.store, found.queue, presence, session, lab)
        await steps.listen()
        each = {COMMIT: steps.commit, HOP: steps.hop, LOOK: steps.look, BUS: steps.bus}
        each |= {CALL: steps.call} if lab else {}
        took = {name: await _paced(step, rate, seconds) for name, step in each.items()}
        await presence.close()
        return took


if __name__ == "__main__":
    configure_logging("warning", "text")
    took = uvloop.run(_run(float(sys.argv[1]), float(sys.argv[2]), "".join(sys.argv[3:])))
    sys.stdout.buffer.write(msgspec.json.encode(took))
