"""A page that is open: what is sent shows, marks are the same on every tab, and nothing goes missing on the way."""

from __future__ import annotations

from playwright.async_api import BrowserContext, expect

from tests.browser.cable import Cable
from tests.browser.looking import connected, shows, told, unread
from tests.browser.site import Site
from tests.support.system import Heliograph


async def test_what_is_sent_shows_at_once(site: Site, system: Heliograph, context: BrowserContext) -> None:
    page = await site.open(context, "ann")
    await connected(page)
    await system.send("ann", title="Hello Ann")
    await shows(page, ["Hello Ann"], within_ms=1_000)
    await unread(page, 1)


async def test_markup_in_a_title_stays_text(site: Site, system: Heliograph, context: BrowserContext) -> None:
    title = "<img src=x onerror=\"document.title='taken over'\">"
    page = await site.open(context, "ann")
    await connected(page)
    await system.send("ann", title=title)
    await shows(page, [title])
    assert await page.title() == "Heliograph's client in a page"


async def test_what_waited_shows_with_the_count(site: Site, system: Heliograph, context: BrowserContext) -> None:
    for number in range(25):
        await system.send("ann", title=f"{number}")
    page = await site.open(context, "ann")
    await shows(page, [f"{number}" for number in range(24, 4, -1)])
    await unread(page, 25)
    await page.evaluate("inbox.fetchMore()")
    await shows(page, [f"{number}" for number in range(24, -1, -1)])


async def test_a_page_without_a_line_resumes(
    site: Site, system: Heliograph, cable: Cable, context: BrowserContext
) -> None:
    """Sent while the line was cut: shown when it is back, once each and in order."""
    page = await site.open(context, "ann")
    await connected(page)
    await system.send("ann", title="before")
    await shows(page, ["before"])
    await cable.cut()
    await expect(page.locator("#status")).to_have_text("waiting", timeout=15_000)
    for number in range(10):
        await system.send("ann", title=f"meanwhile {number}")
    await cable.mend()
    await page.evaluate("window.dispatchEvent(new Event('online'))")
    await shows(page, [*(f"meanwhile {number}" for number in range(9, -1, -1)), "before"])
    assert await told(page) == ["before", *(f"meanwhile {number}" for number in range(10))]
    await unread(page, 11)
