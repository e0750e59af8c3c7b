"""What goes wrong on real devices: tokens that are no good, clocks that are off, storage that is blocked, lines."""

from __future__ import annotations

from playwright.async_api import BrowserContext, expect

from tests.browser.looking import connected, has_sockets, shows, told, unread
from tests.browser.site import Site
from tests.support.eventually import eventually
from tests.support.system import Heliograph


async def test_a_foreign_token_is_one_state_and_no_storm(
    site: Site, system: Heliograph, context: BrowserContext
) -> None:
    """Asked for twice, refused twice; then nothing is tried any more, whatever happens to the page."""
    foreign = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4iLCJ0ZW5hbnQiOiJkZWZhdWx0In0.bm90IG91cnM"
    page = await context.new_page()
    tries: list[str] = []
    page.on("websocket", lambda socket: tries.append(socket.url))
    await page.goto(f"{site.url}/page/index.html?api={system.url}&user=ann&token={foreign}")
    await expect(page.locator("#status")).to_have_text("unauthorized")
    for event in ("online", "focus"):
        await page.evaluate("name => window.dispatchEvent(new Event(name))", event)
    error = await page.evaluate("client.read('ntf_x').catch(error => error.code)")
    assert (error, await page.evaluate("window.refused"), len(tries)) == ("unauthorized", 1, 2)


async def test_a_good_token_after_a_bad_one(site: Site, system: Heliograph, context: BrowserContext) -> None:
    page = await site.open(context, "ann", token="not.a.token")
    await expect(page.locator("#status")).to_have_text("unauthorized")
    await page.evaluate("token => client.setToken(token)", await system.token("ann"))
    await connected(page)


async def test_a_token_that_ends_is_renewed(site: Site, system: Heliograph, context: BrowserContext) -> None:
    """Before it ends, so that the connection is never refused; and the list goes on."""
    site.token_ttl_s = 12
    page = await site.open(context, "ann")
    await connected(page)

    async def renewed() -> bool:
        return len(site.tokens_given) == 2

    await eventually(renewed)
    await connected(page)
    await system.send("ann", title="still here")
    await shows(page, ["still here"])
    assert await page.evaluate("window.refused") == 0


async def test_a_clock_that_is_a_day_off(site: Site, system: Heliograph, context: BrowserContext) -> None:
    """Ahead: by this device every token has ended long ago."""
    await context.add_init_script("const now = Date.now; Date.now = () => now() + 86_400_000")
    page = await site.open(context, "ann")
    await connected(page)
    sent = await system.send("ann", title="in time")
    await shows(page, ["in time"])
    await page.evaluate("id => client.read(id)", sent["id"])
    await unread(page, 0)
    assert len(site.tokens_given) == 1


async def test_blocked_storage(site: Site, system: Heliograph, context: BrowserContext) -> None:
    """As with cookies blocked: every access throws."""
    await context.add_init_script(
        "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError') } })"
    )
    page = await site.open(context, "ann", storage="yes")
    await connected(page)
    await system.send("ann", title="shown")
    await shows(page, ["shown"])
    assert len(await page.evaluate("window.warnings")) == 1


async def test_the_next_page_begins_with_what_was_known(
    site: Site, system: Heliograph, context: BrowserContext
) -> None:
    """And resumes: what came between two pages is told by the second."""
    page = await site.open(context, "ann", storage="yes")
    await connected(page)
    await system.send("ann", title="known")
    await shows(page, ["known"])
    await page.evaluate("client.stop()")
    await page.goto("about:blank")
    await has_sockets(system, 0)
    await system.send("ann", title="between")
    page = await site.open(context, "ann", storage="yes")
    await shows(page, ["between", "known"])
    assert await told(page) == ["between"]
    await unread(page, 2)
