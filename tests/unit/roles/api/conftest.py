"""One API over empty twins for each test."""

from __future__ import annotations

import pytest

from tests.unit.roles.api.service import Service


@pytest.fixture
async def service() -> Service:
    return await Service().open()
