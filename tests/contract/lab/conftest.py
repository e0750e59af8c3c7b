"""A running lab on free ports, and an HTTP client for it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from heliograph.lab.server import Lab


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    running = Lab(seed=1)
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def api(lab: Lab) -> AsyncIterator[httpx.AsyncClient]:
    """The control API and the HTTP providers by plain HTTP."""
    async with httpx.AsyncClient(base_url=lab.base_url) as client:
        yield client
