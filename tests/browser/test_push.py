"""The service worker of `@heliograph/react` in a real browser: pushes are handed to it as a push service does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.async_api import BrowserContext, CDPSession, Page

from tests.browser.site import Site
from tests.support.eventually import eventually

SHOWN = """navigator.serviceWorker.getRegistration('/react/').then(worker => worker.getNotifications())
    .then(all => all.map(({title, body, tag, data}) => ({title, body, tag, data})))"""


class Push:
    """Chromium's side of Web Push: `deliver` wakes the worker with some data."""

    def __init__(self, page: Page, browser: CDPSession) -> None:
        self._page = page
        self._browser = browser
        self._registrations: list[Any] = []
        browser.on(
            "ServiceWorker.workerRegistrationUpdated", lambda event: self._registrations.extend(event["registrations"])
        )

    async def register(self) -> None:
        """As `usePushRegistration` does it, without the subscription: there is no push service on this machine."""
        await self._browser.send("ServiceWorker.enable")
        await self._page.evaluate(
            """navigator.serviceWorker.register('/react/service-worker.js').then(worker => new Promise(resolve => {
                const one = worker.installing ?? worker.waiting ?? worker.active;
                const look = () => one.state === 'activated' && resolve(true);
                one.addEventListener('statechange', look);
                look();
            }))"""
        )

    async def deliver(self, data: str) -> None:
        registration = self._registrations[-1]
        await self._browser.send(
            "ServiceWorker.deliverPushMessage",
            {
                "origin": registration["scopeURL"].removesuffix("/react/"),
                "registrationId": registration["registrationId"],
                "data": data,
            },
        )

    async def shown(self) -> Any:
        return await self._page.evaluate(SHOWN)


@pytest.fixture
async def push(site: Site, context: BrowserContext) -> Push:
    await context.grant_permissions(["notifications"], origin=site.url)
    page = await site.open(context, "ann")
    one = Push(page, await context.new_cdp_session(page))
    await one.register()
    return one


async def test_a_push_is_shown_as_it_was_sent(push: Push) -> None:
    """The JSON of docs/api.md, section 3; its text is text, and its URL is kept for the click."""
    sent = {
        "id": "ntf_1", "type": "alert", "title": "<b>Shipped</b>", "body": "On its way", "data": {"order": "1"},
        "action_url": "https://shop.example/orders/1", "collapse_key": "order-1",
    }  # fmt: skip
    await push.deliver(json.dumps(sent))
    assert await eventually(push.shown, 40) == [
        {"title": "<b>Shipped</b>", "body": "On its way", "tag": "order-1", "data": {"url": sent["action_url"]}}
    ]


async def test_a_push_that_nobody_understands_is_shown_all_the_same(push: Push) -> None:
    """Or the browser would take the permission away; and no URL but http and https survives."""
    await push.deliver("not JSON")
    await push.deliver(json.dumps({"id": "ntf_2", "title": "T", "action_url": "javascript:alert(1)"}))

    async def both() -> Any:
        found = await push.shown()
        return found if len(found) == 2 else None

    found = {one["title"]: one["data"] for one in await eventually(both, 40)}
    assert found == {"127.0.0.1": {"url": None}, "T": {"url": None}}
