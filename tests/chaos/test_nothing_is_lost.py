"""G1 on the running system: whatever dies or loses its data, every accepted notification arrives, once in the inbox."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from typing import Any

import aiohttp
import pytest

from tests.support.eventually import eventually
from tests.support.system import Heliograph, notification_of

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]
TYPES = ("transactional", "alert", "marketing")


class Ledger:
    """What was accepted: id → user. Sends until told to stop; refusals and lost connections promise nothing."""

    def __init__(self, system: Heliograph) -> None:
        self.system = system
        self.accepted: dict[str, str] = {}
        self.refused = 0
        self.enough = asyncio.Event()

    async def send(self, count: int, senders: int = 16) -> None:
        numbers = iter(range(count))
        await asyncio.gather(*(self._sender(numbers) for _ in range(senders)))

    async def _sender(self, numbers: Any) -> None:
        for number in numbers:
            user = f"u{number % 50}"
            to = {"id": user, "email": f"{user}@example.com"}
            body = {"to": to, "title": f"n {number}", "type": TYPES[number % 3]}
            try:
                status, answer = await self.system.call("POST", "/v1/send", body)
            except (aiohttp.ClientError, OSError):
                self.refused += 1
                continue
            if status == 202:
                self.accepted[answer["id"]] = user
            else:
                self.refused += 1
            if len(self.accepted) >= 100:
                self.enough.set()


async def everything_arrived(system: Heliograph, ledger: Ledger, within_s: float) -> dict[str, int]:
    """Waits until each accepted notification was mailed; answers how often each was."""

    async def complete() -> Any:
        """every accepted notification is in the lab's mailbox"""
        found = Counter(notification_of(mail) for mail in await system.received())
        return found if ledger.accepted.keys() <= found.keys() else None

    return dict(await eventually(complete, within_s, every_s=0.25))


async def inboxes_hold_each_once(system: Heliograph, ledger: Ledger) -> None:
    for user in sorted(set(ledger.accepted.values())):
        ids: list[str] = []
        cursor, token = "", await system.token(user)
        while True:
            page = await system.get(f"/v1/inbox?limit=100{cursor}", key=token)
            ids += [item["id"] for item in page["items"]]
            if not page["next_cursor"]:
                break
            cursor = f"&cursor={page['next_cursor']}"
        mine = [one for one, owner in ledger.accepted.items() if owner == user]
        assert len(ids) == len(set(ids))
        assert set(mine) <= set(ids)


async def test_queue_and_cache_lose_everything_under_load(
    install: Any, store_settings: dict[str, str], load: int
) -> None:
    """Stopped under load, queue and cache wiped, started again: nothing accepted is missing, nothing doubled."""
    outside = await install("outside").start()
    system: Heliograph = install("data", lab=False, email_rate=200, **store_settings)
    system.use_lab_of(outside)
    await system.start()
    ledger = Ledger(system)
    sending = asyncio.create_task(ledger.send(load))
    await asyncio.wait_for(ledger.enough.wait(), 60)
    await system.kill()
    await sending
    shutil.rmtree(system.folder / "nats")
    shutil.rmtree(system.folder / "valkey", ignore_errors=True)
    await system.start()
    mailed = await everything_arrived(system, ledger, within_s=120)
    assert sum(mailed[one] for one in ledger.accepted) - len(ledger.accepted) <= 32, "more doubles than calls in flight"
    await inboxes_hold_each_once(system, ledger)


@pytest.mark.parametrize("victim", ["nats-server", "valkey-server", "heliograph"])
async def test_kill_under_load(install: Any, victim: str, load: int) -> None:
    """kill -9 of the queue, the cache or the system itself under load: it goes on where it was."""
    outside = await install("outside").start()
    system: Heliograph = install("data", lab=False, email_rate=500)
    system.use_lab_of(outside)
    await system.start()
    ledger = Ledger(system)
    sending = asyncio.create_task(ledger.send(load))
    await asyncio.wait_for(ledger.enough.wait(), 60)
    if victim == "heliograph":
        await system.kill()
        await system.start()
    else:
        system.kill_child(victim)
    await sending
    await everything_arrived(system, ledger, within_s=120)
    await inboxes_hold_each_once(system, ledger)
