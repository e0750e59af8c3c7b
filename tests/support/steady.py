"""A client service under way: so many sends a second until it is told to stop, and a ledger of what came of them."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from typing import Any, Self

import aiohttp

from tests.support.eventually import eventually
from tests.support.system import KEY, Heliograph, notification_of

TYPES = ("transactional", "alert", "marketing")


class Steady:
    """`async with`: sends inside.

    Args:
        retries: how often a send that failed is repeated, with the same key if it has one, and not before the time
            that `Retry-After` names.
    """

    def __init__(self, system: Heliograph, rate: float, *, keyed: bool = False, retries: int = 0) -> None:
        self.accepted: list[str] = []
        self.failures: list[str] = []
        self.retried = 0
        self._system = system
        self._rate = rate
        self._keyed = keyed
        self._retries = retries
        self._stop = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        self._got = asyncio.Condition()

    async def __aenter__(self) -> Self:
        self._running = asyncio.create_task(self._send_all())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop.set()
        assert self._running
        await self._running

    async def more(self, count: int) -> None:
        """Returns when so many more than now were accepted."""
        goal = len(self.accepted) + count
        async with self._got:
            await asyncio.wait_for(self._got.wait_for(lambda: len(self.accepted) >= goal), 60)

    async def _send_all(self) -> None:
        sending: set[asyncio.Task[None]] = set()
        started = time.monotonic()
        connector = aiohttp.TCPConnector(limit=64)
        async with aiohttp.ClientSession(connector=connector, headers={"Authorization": f"Bearer {KEY}"}) as session:
            for number in itertools.count():
                if self._stop.is_set():
                    break
                task = asyncio.create_task(self._send(session, number))
                sending.add(task)
                task.add_done_callback(sending.discard)
                await asyncio.sleep(max(0.0, started + number / self._rate - time.monotonic()))
            if sending:
                await asyncio.wait(sending)

    async def _send(self, session: aiohttp.ClientSession, number: int) -> None:
        user = f"u{number % 50}"
        body = {"to": {"id": user, "email": f"{user}@example.com"}, "title": f"n {number}", "type": TYPES[number % 3]}
        headers = {"Idempotency-Key": f"steady-{id(self)}-{number}"} if self._keyed else {}
        for last in range(self._retries + 1):
            failure = await self._try(session, body, headers)
            if not failure:
                return
            self.retried += 1
            if last == self._retries:
                self.failures.append(failure)

    async def _try(self, session: aiohttp.ClientSession, body: Any, headers: dict[str, str]) -> str:
        try:
            async with session.post(self._system.url + "/v1/send", json=body, headers=headers) as response:
                answer = await response.json()
                if response.status != 202:
                    if self._retries:
                        await asyncio.sleep(float(response.headers.get("Retry-After", 0)))
                    return f"{response.status} {answer}"
        except (aiohttp.ClientError, OSError) as error:
            return repr(error)
        async with self._got:
            self.accepted.append(answer["id"])
            self._got.notify_all()
        return ""

    async def all_mailed(self, outside: Heliograph, within_s: float = 60.0) -> Counter[str]:
        """Waits until every accepted notification is in the lab's mailbox; how often each is."""
        wanted = set(self.accepted)

        async def complete() -> Counter[str] | None:
            """every accepted notification was mailed"""
            found = Counter(notification_of(mail) for mail in await outside.received())
            return found if wanted <= found.keys() else None

        return await eventually(complete, within_s, every_s=0.3)  # type: ignore[return-value]
