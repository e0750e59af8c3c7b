"""The React Native package against the running system: React Native's own renderer, fetch and WebSocket, on Node."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from tests.support.system import KEY, Heliograph

PACKAGE = Path(__file__).parents[2] / "sdk/packages/react-native"
COMMAND = ["node", "../../node_modules/.bin/jest", "--config", "jest.live.config.cjs"]


@pytest.mark.timeout(300)  # the first run translates React Native
async def test_an_afternoon_with_the_phone(tmp_path: Path) -> None:
    """In front of it the screen shows what is sent, and no push comes; in the pocket a push does; back again nothing is
    missing and nothing doubled. What happens on the phone, and what is expected, stands in test/live/phone.spec.tsx."""
    assert (PACKAGE / "dist/index.cjs").exists(), "the SDK is not built: `make sdk`"
    system = Heliograph(tmp_path / "data")
    try:
        await system.start()
        where = {"HELIOGRAPH_URL": system.url, "HELIOGRAPH_LAB_URL": system.lab_url, "HELIOGRAPH_KEY": KEY}
        code, said = await _jest(where)
        assert code == 0, said
        assert "1 passed" in said
    finally:
        await system.close()


async def _jest(where: dict[str, str]) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *COMMAND, cwd=PACKAGE, env={**os.environ, **where},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    return process.returncode, said.decode()
