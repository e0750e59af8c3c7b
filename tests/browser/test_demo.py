"""`heliograph up --demo` as a newcomer has it: the shop's page with `@heliograph/react`, in a real browser."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Locator, Page, expect

from heliograph.roles import demo
from tests.browser.looking import PATIENCE, SECOND
from tests.support.system import Heliograph

AXE = Path(__file__).parents[2] / "sdk/node_modules/axe-core/axe.min.js"
ADA, GRACE = demo.PEOPLE
HOSTILE = """<img src=x onerror="window.hit=1"><script>window.hit=1</script>{{7*7}} &amp; <b>"""


@pytest_asyncio.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Heliograph]:
    assert demo.page_is_built(), "the demo's page is not built: `make sdk`"
    one = Heliograph(tmp_path / "data", arguments=["--demo"])
    await one.start()
    yield one
    await one.close()


async def opened(shop: Heliograph, context: BrowserContext) -> Page:
    """The demo with both people connected. Whatever the page complains of fails the test at its end."""
    page = await context.new_page()
    page.complaints = []  # type: ignore[attr-defined]
    page.on("pageerror", lambda error: page.complaints.append(str(error)))  # type: ignore[attr-defined]
    page.on("console", lambda line: line.type == "error" and page.complaints.append(line.text))  # type: ignore[attr-defined]
    await page.goto(f"{shop.url}/demo")
    for name in ("Ada", "Grace"):
        await expect(window_of(page, name).get_by_text("connected")).to_be_visible(timeout=PATIENCE)
    return page


def window_of(page: Page, name: str) -> Locator:
    return page.get_by_role("article", name=f"{name}'s browser")


def bell_of(page: Page, name: str) -> Locator:
    return window_of(page, name).get_by_role("button", name=re.compile("^Notifications"))


async def unread(page: Page, name: str, count: int, within_ms: float = PATIENCE) -> None:
    label = f"Notifications, {count} unread" if count else "Notifications"
    await expect(bell_of(page, name)).to_have_attribute("aria-label", label, timeout=within_ms)


def cards(page: Page, name: str) -> Locator:
    return window_of(page, name).locator("article[data-hg-id]")


def mails(page: Page) -> Locator:
    return page.get_by_role("list", name="Mails, the newest first").get_by_role("listitem")


async def switch(page: Page, name: str) -> None:
    """Online to offline, or back."""
    await page.get_by_role("switch", name=f"{name} has the shop open").click()


async def test_an_order_shows_within_a_second(shop: Heliograph, context: BrowserContext) -> None:
    """A toast, the bell and the reason, on the page of who ordered and nobody else's; no mail."""
    page = await opened(shop, context)
    await window_of(page, "Ada").get_by_role("button", name="Order: Storm lamp").click()
    toast = window_of(page, "Ada").locator(".hg-toast")
    await expect(toast).to_contain_text("Order confirmed: Storm lamp", timeout=1 * SECOND)
    await unread(page, "Ada", 1, within_ms=1 * SECOND)
    await unread(page, "Grace", 0)
    reason = page.get_by_role("list", name="Sends, the newest first").get_by_role("listitem").first
    await expect(reason).to_contain_text("because the user is online", timeout=PATIENCE)
    await expect(reason).to_contain_text("delivered", timeout=PATIENCE)
    await expect(mails(page)).to_have_count(0)
    assert page.complaints == []  # type: ignore[attr-defined]


async def test_who_is_offline_gets_a_mail_and_finds_it_in_the_inbox_later(
    shop: Heliograph, context: BrowserContext
) -> None:
    """Presence decides: offline, the mail appears in the lab's mailbox; back online, it waits in the inbox."""
    page = await opened(shop, context)
    await switch(page, "Ada")
    await expect(window_of(page, "Ada")).to_contain_text("Ada has left.")
    await page.get_by_role("button", name="Confirm an order to Ada").click()
    await expect(mails(page)).to_have_count(1, timeout=PATIENCE)
    await expect(mails(page).first).to_contain_text("ada@shop.example")
    await expect(page.get_by_text("because the user is offline")).to_be_visible(timeout=PATIENCE)
    await switch(page, "Ada")
    await unread(page, "Ada", 1)
    await bell_of(page, "Ada").click()
    await expect(cards(page, "Ada")).to_have_count(1)
    await expect(page.locator(".steps > li[data-done=true]")).to_have_count(3)
    assert page.complaints == []  # type: ignore[attr-defined]


async def test_read_in_one_tab_is_read_in_the_others_and_on_another_device(
    shop: Heliograph, context: BrowserContext, browser: Browser
) -> None:
    """Two tabs of one browser, which share a connection, and a second browser, which has its own."""
    tab, other_tab = await opened(shop, context), await opened(shop, context)
    elsewhere = await opened(shop, await browser.new_context())
    for title in ("one", "two"):
        await shop.send(ADA, title=title)
    for page in (tab, other_tab, elsewhere):
        await unread(page, "Ada", 2)
    await bell_of(tab, "Ada").click()
    await cards(tab, "Ada").filter(has_text="two").get_by_role("button", name="two").click()
    for page in (tab, other_tab, elsewhere):
        await unread(page, "Ada", 1)
    await window_of(tab, "Ada").get_by_role("button", name="Mark all read").click()
    for page in (tab, other_tab, elsewhere):
        await unread(page, "Ada", 0)


async def test_markup_stays_text_and_no_script_url_gets_in(shop: Heliograph, context: BrowserContext) -> None:
    """In toast and inbox; the API refuses URLs that aren't http or https before any page could see them."""
    page = await opened(shop, context)
    await shop.send(ADA, title=HOSTILE, body=HOSTILE)
    await expect(window_of(page, "Ada").locator(".hg-toast").get_by_text(HOSTILE)).to_have_count(2, timeout=PATIENCE)
    await bell_of(page, "Ada").click()
    await expect(cards(page, "Ada").get_by_text(HOSTILE)).to_have_count(2)
    for url in ("javascript:alert(1)", "data:text/html,x"):
        status, _ = await shop.call("POST", "/v1/send", {"to": ADA, "title": "x", "action_url": url})
        assert status == 422
    assert await page.evaluate("'hit' in window") is False
    assert await window_of(page, "Ada").locator("img, script, a[href^='javascript']").count() == 0
    assert page.complaints == []  # type: ignore[attr-defined]


@pytest.mark.timeout(180)
async def test_500_waiting_items_page_without_holes_or_doubles(shop: Heliograph, context: BrowserContext) -> None:
    """The list loads itself while it is scrolled with the End key, and shows each item once, newest first."""
    sends = [{"to": ADA, "type": "transactional", "title": f"item {number:03}"} for number in range(500)]
    status, answer = await shop.call("POST", "/v1/send/bulk", sends)
    assert (status, answer["accepted"]) == (202, 500)
    page = await opened(shop, context)
    await unread(page, "Ada", 500, within_ms=2 * PATIENCE)
    await bell_of(page, "Ada").click()
    await cards(page, "Ada").first.focus()
    for loaded in range(20, 500, 20):
        await page.keyboard.press("End")
        await expect(cards(page, "Ada").nth(loaded)).to_be_attached(timeout=PATIENCE)
    await expect(cards(page, "Ada")).to_have_count(500)
    shown = await cards(page, "Ada").evaluate_all("cards => cards.map(card => card.dataset.hgId)")
    assert shown == [item["id"] for item in await everything(shop)]
    assert set(shown) == set(answer["ids"])
    await expect(window_of(page, "Ada").get_by_role("button", name="Load more")).to_have_count(0)


async def everything(shop: Heliograph) -> list[Any]:
    """Ada's inbox by the API, newest first."""
    token, items, cursor = await shop.token(ADA), [], ""
    while True:
        page = await shop.get(f"/v1/inbox?limit=100{cursor}", key=token)
        items += page["items"]
        if page["next_cursor"] is None:
            return items
        cursor = f"&cursor={page['next_cursor']}"


async def test_a_switch_in_the_preferences_stops_the_mails_of_a_category(
    shop: Heliograph, context: BrowserContext
) -> None:
    """Both are offline and a campaign starts: who turned its mails off gets none, the other one does."""
    page = await opened(shop, context)
    await bell_of(page, "Grace").click()
    await window_of(page, "Grace").get_by_role("button", name="Preferences").click()
    news = window_of(page, "Grace").get_by_role("switch", name="News and offers E-mail")
    await expect(news).to_be_checked(timeout=PATIENCE)
    await news.click()
    await expect(news).not_to_be_checked()
    for name in ("Ada", "Grace"):
        await switch(page, name)
    await page.get_by_role("button", name="Start a campaign to both").click()
    reasons = page.get_by_role("list", name="Sends, the newest first").get_by_role("listitem")
    await expect(reasons.filter(has_text="to Ada")).to_contain_text("Mail", timeout=PATIENCE)
    await expect(reasons.filter(has_text="to Grace")).to_contain_text("Inbox", timeout=PATIENCE)
    await expect(reasons.filter(has_text="to Grace")).to_contain_text("the user muted e-mail for marketing")
    await expect(mails(page)).to_have_count(1, timeout=PATIENCE)
    await expect(mails(page)).to_contain_text("ada@shop.example")


async def test_bell_and_inbox_with_the_keyboard_alone(shop: Heliograph, context: BrowserContext) -> None:
    """Open, move, mark, archive, close; the focus is never lost."""
    page = await opened(shop, context)
    for title in ("one", "two", "three"):
        await shop.send(ADA, title=title)
        await expect(window_of(page, "Ada").locator(".hg-toast", has_text=title)).to_be_visible(timeout=PATIENCE)
    await bell_of(page, "Ada").focus()
    await page.keyboard.press("Enter")
    await expect(cards(page, "Ada")).to_have_count(3, timeout=PATIENCE)
    await page.keyboard.press("ArrowDown")
    await expect(page.locator(":focus")).to_contain_text(re.compile("one|two|three"))
    await page.keyboard.press("Home")
    await page.keyboard.press("Enter")
    await unread(page, "Ada", 2)
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Tab")
    await expect(page.locator(":focus")).to_have_attribute("aria-label", "Mark as read")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(cards(page, "Ada")).to_have_count(2)
    assert await page.evaluate("document.activeElement.matches('article[data-hg-id]')")
    await page.keyboard.press("Escape")
    await expect(window_of(page, "Ada").get_by_role("dialog")).to_have_count(0)
    await expect(bell_of(page, "Ada")).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1440, 900), (390, 844)], ids=["desktop", "phone"])
async def test_the_page_is_accessible(shop: Heliograph, browser: Browser, size: tuple[int, int], scheme: Any) -> None:
    """axe finds nothing: at rest, with toasts, inbox, preferences and somebody away; colours included."""
    width, height = size
    context = await browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce"
    )
    page = await opened(shop, context)
    await page.evaluate(AXE.read_text("utf-8"))
    await accessible(page)
    await page.get_by_role("button", name="Start a campaign to both").click()
    await expect(window_of(page, "Grace").locator(".hg-toast")).to_be_visible(timeout=PATIENCE)
    await accessible(page)
    await bell_of(page, "Grace").click()
    await expect(cards(page, "Grace")).to_have_count(1)
    await accessible(page)
    await window_of(page, "Grace").get_by_role("button", name="Preferences").click()
    await expect(window_of(page, "Grace").get_by_role("table")).to_be_visible(timeout=PATIENCE)
    await accessible(page)
    await switch(page, "Ada")
    await page.get_by_role("button", name="Confirm an order to Ada").click()
    await expect(mails(page)).to_have_count(1, timeout=PATIENCE)
    await accessible(page)


async def accessible(page: Page) -> None:
    found = await page.evaluate("axe.run().then(({violations}) => violations)")
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == []
