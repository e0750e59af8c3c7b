"""What a page shows, and waiting until it does. Bounds are for waiting, they are no measurement."""

from __future__ import annotations

import re
from typing import Any

from playwright.async_api import Page, expect

from tests.support.eventually import eventually
from tests.support.system import Heliograph

SECOND = 1_000
PATIENCE = 15 * SECOND


async def connected(page: Page) -> None:
    await expect(page.locator("#status")).to_have_text("connected", timeout=PATIENCE)


async def titles(page: Page) -> list[str]:
    """As shown, from the top."""
    return await page.locator("#inbox li").all_text_contents()


async def shows(page: Page, wanted: list[str], within_ms: float = PATIENCE) -> None:
    """Waits until the list is exactly this."""
    await expect(page.locator("#inbox li")).to_have_text(wanted, timeout=within_ms)


async def unread(page: Page, wanted: int) -> None:
    await expect(page.locator("#unread")).to_have_text(str(wanted), timeout=PATIENCE)


async def told(page: Page) -> list[str]:
    """Titles that the client's `notification` event told, in order."""
    found: list[str] = await page.evaluate("window.told")
    return found


async def sockets(system: Heliograph) -> int:
    """Open WebSockets of the system, from its metrics."""
    async with system.session.get(system.url + "/metrics") as response:
        found = re.search(r"^heliograph_ws_connections\S* (\S+)$", await response.text(), re.MULTILINE)
    assert found
    return int(float(found[1]))


async def has_sockets(system: Heliograph, wanted: int) -> None:
    async def look() -> Any:
        return await sockets(system) == wanted

    await eventually(look)


async def leading(pages: list[Page]) -> list[bool]:
    return [await page.evaluate("client.connection.getSnapshot().leader") for page in pages]
