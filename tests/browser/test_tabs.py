"""All tabs of a person share one connection; which one holds it can't be noticed."""

from __future__ import annotations

from playwright.async_api import BrowserContext, Page, expect

from tests.browser.looking import connected, has_sockets, leading, shows, told, unread
from tests.browser.site import Site
from tests.support.eventually import eventually
from tests.support.system import Heliograph


async def three(site: Site, context: BrowserContext, user: str = "ann") -> list[Page]:
    """Three connected tabs, opened one after the other."""
    pages = []
    for _ in range(3):
        pages.append(await site.open(context, user))
        await connected(pages[-1])
    return pages


async def leader_of(pages: list[Page]) -> Page:
    async def look() -> list[Page]:
        return [page for page, leads in zip(pages, await leading(pages), strict=True) if leads]

    found = await eventually(look)
    assert len(found) == 1
    return found[0]


async def test_three_tabs_share_one_connection(site: Site, system: Heliograph, context: BrowserContext) -> None:
    pages = await three(site, context)
    await has_sockets(system, 1)
    await system.send("ann", title="for all tabs")
    for page in pages:
        await shows(page, ["for all tabs"])
        assert await told(page) == ["for all tabs"]
        await unread(page, 1)
    assert sorted(await leading(pages)) == [False, False, True]


async def test_tabs_of_two_people_do_not_share(site: Site, system: Heliograph, context: BrowserContext) -> None:
    ann, bob = await site.open(context, "ann"), await site.open(context, "bob")
    await connected(ann)
    await connected(bob)
    await has_sockets(system, 2)
    await system.send("bob", title="for Bob")
    await shows(bob, ["for Bob"])
    await shows(ann, [])


async def test_read_on_one_tab_updates_the_others(site: Site, system: Heliograph, context: BrowserContext) -> None:
    """The mark is made on a tab that doesn't hold the connection."""
    pages = await three(site, context)
    ids = [(await system.send("ann", title=title))["id"] for title in ("first", "second")]
    for page in pages:
        await unread(page, 2)
    await pages[2].evaluate("id => client.read(id)", ids[0])
    for page in pages:
        await expect(page.locator("li.read")).to_have_text(["first"])
        await unread(page, 1)
    await pages[1].evaluate("client.readAll()")
    for page in pages:
        await unread(page, 0)


async def test_another_device_agrees(site: Site, system: Heliograph, context: BrowserContext) -> None:
    page = await site.open(context, "ann")
    await connected(page)
    browser = context.browser
    assert browser
    phone = await site.open(await browser.new_context(), "ann")
    await connected(phone)
    await has_sockets(system, 2)
    sent = await system.send("ann", title="on both")
    await shows(phone, ["on both"])
    await phone.evaluate("id => client.archive(id)", sent["id"])
    await shows(page, [])
    await unread(page, 0)


async def test_the_leading_tab_closes(site: Site, system: Heliograph, context: BrowserContext) -> None:
    """While a stream is arriving: no hole, no double, order kept, again and again until one tab is left."""
    pages = await three(site, context)
    sent: list[str] = []

    async def send(count: int) -> None:
        for _ in range(count):
            sent.append(f"{len(sent)}")
            await system.send("ann", title=sent[-1])

    while len(pages) > 1:
        await send(20)
        leader = await leader_of(pages)
        await leader.close()
        pages.remove(leader)
        await send(20)
    await leader_of(pages)
    await send(1)
    last = pages[0]
    await shows(last, sent[::-1])
    assert await told(last) == sent
    await unread(last, len(sent))
    await has_sockets(system, 1)
