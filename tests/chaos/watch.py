"""The online checker: looks while things break, so that a wrong state that mends itself later is seen too.

Reads notifications through the API of every tenant, and the memory of every process. Changes nothing.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import aiohttp

from heliograph.core.model import Key
from tests.chaos.fleet import rss_mib
from tests.chaos.invariants import RANK
from tests.chaos.ledger import Ledger
from tests.chaos.sender import Tenant

_EVERY_S = 0.05


@dataclass
class Watch:
    """`wrong` has what it found."""

    urls: Callable[[], Sequence[str]]
    tenants: Sequence[Tenant]
    ledger: Ledger
    dice: random.Random
    pids: Callable[[], Mapping[str, int]]
    wrong: list[str] = field(default_factory=list)
    looks: int = 0
    memory_mib: dict[str, float] = field(default_factory=dict)
    """The most that each process had."""
    _ranks: dict[tuple[Key, str], int] = field(default_factory=dict)

    async def run(self) -> None:
        """Until cancelled."""
        timeout = aiohttp.ClientTimeout(total=2)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                self._measure()
                if self.ledger.accepted:
                    await self._look(session)
                await asyncio.sleep(_EVERY_S)

    def _measure(self) -> None:
        for name, pid in self.pids().items():
            self.memory_mib[name] = max(self.memory_mib.get(name, 0.0), rss_mib(pid))

    async def _look(self, session: aiohttp.ClientSession) -> None:
        key = self._one()
        owner = next(tenant for tenant in self.tenants if tenant.name == key.tenant)
        stranger = next((tenant for tenant in self.tenants if tenant.name != key.tenant), None)
        status, found = await self._get(session, owner, key)
        self.looks += status == 200
        if status == 404:
            self.wrong.append(f"{key.id}: accepted, but the API says 404")
        for delivery in found.get("deliveries", []):
            self._rank(key, delivery["channel"], delivery["status"])
        if stranger and (await self._get(session, stranger, key))[0] == 200:
            self.wrong.append(f"{key.id} of {key.tenant}: {stranger.name} can read it")

    def _one(self) -> Key:
        """Mostly one of the newest: those are moving."""
        newest = list(self.ledger.accepted)[-200:]
        return self.dice.choice(newest)

    def _rank(self, key: Key, channel: str, status: str) -> None:
        before = self._ranks.get((key, channel), 0)
        if RANK[status] < before:
            self.wrong.append(f"{key.id}: {channel} went back to {status} from rank {before}")
        self._ranks[key, channel] = max(before, RANK[status])

    async def _get(
        self, session: aiohttp.ClientSession, tenant: Tenant, key: Key
    ) -> tuple[int, dict[str, list[dict[str, str]]]]:
        url = self.dice.choice(self.urls())
        headers = {"Authorization": f"Bearer {tenant.key}"}
        try:
            async with session.get(f"{url}/v1/notifications/{key.id}", headers=headers) as response:
                return response.status, await response.json(content_type=None) if response.status == 200 else {}
        except (aiohttp.ClientError, OSError):
            return 0, {}
