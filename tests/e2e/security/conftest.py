"""One running system, on SQLite, for everybody who only attacks its doors: nothing that is refused changes it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.e2e.system.conftest import install
from tests.support.system import Heliograph

__all__ = ["install", "system"]

ORIGIN = "https://shop.example"


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Heliograph]:
    """Mails go by SMTP; only pages of `ORIGIN` may open a WebSocket; the log is as loud as it gets."""
    found = Heliograph(
        tmp_path_factory.mktemp("attacked"), email_providers="smtp", realtime_origins=ORIGIN, log_level="debug",
        log_format="json",
    )  # fmt: skip
    await found.start()
    yield found
    await found.close()
