"""The client services: requests at a fixed rate whatever the answers, each with a key, repeated until taken.

An open loop: a slow system gets more requests at a time, not fewer. Writes everything into the ledger.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import aiohttp

from heliograph.core.model import Type
from tests.chaos.ledger import Ledger

TYPES: Sequence[Type] = ("transactional", "alert", "marketing")
_WEIGHTS = (40, 40, 20)
_TRIES = 60
_PAUSE_S = (0.2, 1.0)
_PATIENCE_S = 10.0
_BULK = 5_000


@dataclass(frozen=True)
class Tenant:
    """Whose requests, by which server key, to which users."""

    name: str
    key: str
    users: Sequence[str]


@dataclass
class Sender:
    """Args:
    urls: where a request may go at this moment; each goes to the next.
    dice: draws tenants, users and types, so that a seed repeats the traffic.
    """

    urls: Callable[[], Sequence[str]]
    tenants: Sequence[Tenant]
    ledger: Ledger
    dice: random.Random
    tries: int = _TRIES
    prefix: str = "n"
    mailboxes: bool = True
    """Whether each request names its user's address."""
    session: aiohttp.ClientSession = field(init=False)
    enough: bool = False
    _turn: int = 0

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=_PATIENCE_S)
        self.session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.session.close()

    async def run(self, count: int, rate: float, first: int = 0) -> None:
        """Sends `count`, `rate` a second, or stops when it is `enough`; returns when each was taken or given up."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        going: set[asyncio.Task[None]] = set()
        for number in range(first, first + count):
            if self.enough:
                break
            await asyncio.sleep(began + (number - first) / rate - loop.time())
            task = asyncio.create_task(self.send(number))
            going.add(task)
            task.add_done_callback(going.discard)
        if going:
            await asyncio.gather(*going)

    async def send(self, number: int) -> None:
        tenant = self.dice.choice(self.tenants)
        user = self.dice.choice(tenant.users)
        type_ = self.dice.choices(TYPES, _WEIGHTS)[0]
        await self.insist(tenant, user, type_, f"{self.prefix}{number}")

    async def insist(self, tenant: Tenant, user: str, type_: str, number: str) -> None:
        """The same request until it is taken; what a fault can't excuse is noted and ends it."""
        body = self._body(tenant, user, type_, number)
        self.ledger.ask(number)
        for _ in range(self.tries):
            status, answer = await self.attempt(tenant, user, type_, number, body)
            if status == 202:
                return
            if status not in (0, 409, 429, 503):
                self.ledger.wrong.append(f"{number}: {status} {answer}")
                return
            await asyncio.sleep(self.dice.uniform(*_PAUSE_S))

    async def attempt(
        self, tenant: Tenant, user: str, type_: str, number: str, body: dict[str, Any]
    ) -> tuple[int, dict[str, Any]]:
        """One request. Status 0 = nobody answered."""
        headers = {"Authorization": f"Bearer {tenant.key}", "Idempotency-Key": number}
        began = time.perf_counter()
        status, answer = 0, {}
        try:
            async with self.session.post(self._url(), json=body, headers=headers) as response:
                answer = await response.json(content_type=None)
                status = response.status
                if status in (429, 503) and "Retry-After" not in response.headers:
                    self.ledger.wrong.append(f"{number}: {status} without Retry-After")
        except (aiohttp.ClientError, OSError, ValueError):
            status, answer = 0, {}
        self.ledger.answer(tenant.name, user, type_, number, status, time.perf_counter() - began, answer)
        return status, answer

    async def backlog(self, tenant: Tenant, count: int, type_: Type = "marketing", prefix: str = "b") -> None:
        """Accepts `count` at once, by bulk requests; raises AssertionError unless all are taken."""
        for start in range(0, count, _BULK):
            numbers = [f"{prefix}{number}" for number in range(start, min(start + _BULK, count))]
            users = [tenant.users[i % len(tenant.users)] for i in range(len(numbers))]
            sends = [self._body(tenant, user, type_, number) for user, number in zip(users, numbers, strict=True)]
            url, headers = self._url() + "/bulk", {"Authorization": f"Bearer {tenant.key}"}
            async with self.session.post(url, json=sends, headers=headers) as response:
                answer = await response.json(content_type=None)
                assert response.status == 202, answer
            self.ledger.take_batch(tenant.name, type_, list(zip(users, numbers, answer["ids"], strict=True)))

    def _body(self, tenant: Tenant, user: str, type_: str, number: str) -> dict[str, Any]:
        to = {"id": user, "email": f"{user}@{tenant.name}.example"} if self.mailboxes else user
        return {"to": to, "title": number, "type": type_, "data": {"number": number}}

    def _url(self) -> str:
        urls = self.urls()
        self._turn += 1
        return urls[self._turn % len(urls)] + "/v1/send"
