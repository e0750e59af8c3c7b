"""The server restarts while a thousand notifications stream in: none missing, none twice, order kept."""

from __future__ import annotations

import asyncio

from playwright.async_api import BrowserContext

from tests.browser.looking import connected, shows, told, unread
from tests.browser.site import Site
from tests.support.eventually import eventually
from tests.support.system import Heliograph

STREAM = 1_000


async def stream(system: Heliograph, up: asyncio.Event, sent: list[str]) -> None:
    """One after the other, each repeated with its key until it is accepted: what a client service does."""
    for number in range(STREAM):
        fields = {"to": "ann", "title": f"{number}", "idempotency_key": f"stream-{number}"}

        async def accepted(fields: dict[str, str] = fields) -> bool:
            await up.wait()
            try:
                status, _ = await system.call("POST", "/v1/send", fields)
            except OSError:  # it goes down in this moment
                return False
            return status == 202

        await eventually(accepted)
        sent.append(f"{number}")


async def test_a_restart_during_a_stream(site: Site, system: Heliograph, context: BrowserContext) -> None:
    pages = [await site.open(context, "ann") for _ in range(2)]
    for page in pages:
        await connected(page)
    up, sent = asyncio.Event(), list[str]()
    up.set()
    sending = asyncio.create_task(stream(system, up, sent))

    async def under_way() -> bool:
        return len(sent) > STREAM // 3

    await eventually(under_way)
    await system.stop()
    up.clear()
    await system.start()
    up.set()
    await asyncio.wait_for(sending, 60)
    everything = [f"{number}" for number in range(STREAM)]
    for page in pages:
        await shows(page, everything[::-1], within_ms=30_000)
        await unread(page, STREAM)
        assert sorted(set(await told(page)), key=int) == sorted(await told(page), key=int), "none twice"
