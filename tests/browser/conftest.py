"""Real pages in a headless Chromium against the running system: `heliograph up`, a site that serves the pages and the
built SDK, and a cable between them that can be cut.

The browser is Debian's (`make test` installs it); Playwright's driver comes with its wheel.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, async_playwright

from tests.browser.cable import Cable
from tests.browser.site import Site
from tests.support.system import Heliograph

CHROMIUM = "/usr/bin/chromium"
SDK = Path(__file__).parents[2] / "sdk"
CLIENT = SDK / "packages/client/dist"
REACT = SDK / "packages/react/dist"


@pytest_asyncio.fixture
async def system(tmp_path: Path) -> AsyncIterator[Heliograph]:
    """A running installation that tests may stop and start again."""
    installation = Heliograph(tmp_path / "data", lab=False)
    await installation.start()
    yield installation
    await installation.close()


@pytest_asyncio.fixture
async def cable(system: Heliograph) -> AsyncIterator[Cable]:
    """The pages' way to the system: `cut` and `mend` it."""
    one = Cable(system.port)
    await one.mend()
    yield one
    await one.cut()


@pytest_asyncio.fixture
async def site(system: Heliograph, cable: Cable) -> AsyncIterator[Site]:
    """Where the pages come from; it hands out user tokens, as a customer's backend does."""
    assert (CLIENT / "index.js").exists(), "the SDK is not built: `make sdk`"
    one = Site(system, cable)
    one.folder("/client", CLIENT)
    one.folder("/react", REACT)
    one.folder("/page", Path(__file__).parent / "page")
    await one.start()
    yield one
    await one.stop()


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        one = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield one
        await one.close()


@pytest_asyncio.fixture
async def context(browser: Browser) -> BrowserContext:
    """One person's browser: its pages share storage, locks and channels."""
    return await browser.new_context()
