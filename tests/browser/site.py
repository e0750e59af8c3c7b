"""The customer's own web server: pages, the built SDK, and user tokens at `/token/{user}`."""

from __future__ import annotations

import logging
from pathlib import Path

from aiohttp import web
from playwright.async_api import BrowserContext, Page

from tests.browser.cable import Cable
from tests.support.system import Heliograph, free_port

log = logging.getLogger("page")


class Site:
    def __init__(self, system: Heliograph, cable: Cable) -> None:
        self.port = free_port()
        self.tokens_given: list[str] = []
        """The user of every token that was handed out."""
        self.token_ttl_s = 3_600
        self._system = system
        self._cable = cable
        self._app = web.Application()
        self._app.router.add_get("/token/{user}", self._token)
        self._app.router.add_get("/favicon.ico", _nothing)
        self._runner = web.AppRunner(self._app)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def folder(self, at: str, path: Path) -> None:
        """Serves a folder's files; before `start`."""
        self._app.router.add_static(at, path)

    async def start(self) -> None:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def open(self, context: BrowserContext, user: str, path: str = "/page/index.html", **query: str) -> Page:
        """A tab of the user. A script error in the page is printed with the test's output."""
        page = await context.new_page()
        page.on("pageerror", lambda error: log.error("%s: %s", user, error))
        page.on("console", lambda line: log.warning("%s: console.%s: %s", user, line.type, line.text))
        query = {"api": self._cable.url, "user": user, **query}
        await page.goto(f"{self.url}{path}?" + "&".join(f"{name}={value}" for name, value in query.items()))
        return page

    async def _token(self, request: web.Request) -> web.Response:
        user = request.match_info["user"]
        self.tokens_given.append(user)
        return web.Response(text=await self._system.token(user, self.token_ttl_s))


async def _nothing(request: web.Request) -> web.Response:
    return web.Response(status=204)
