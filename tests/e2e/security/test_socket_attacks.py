"""Attacks on the WebSocket of the running system."""

from __future__ import annotations

import json
import zlib
from contextlib import suppress

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from tests.e2e.security.conftest import ORIGIN
from tests.support.system import Heliograph

pytestmark = pytest.mark.asyncio(loop_scope="package")


def where(system: Heliograph) -> str:
    return system.url.replace("http", "ws", 1) + "/v1/realtime"


async def opened(system: Heliograph) -> ClientConnection:
    connection = await connect(where(system), origin=Origin(ORIGIN), max_size=None)
    await connection.send(json.dumps({"t": "connect", "token": await system.token("ann")}))
    assert json.loads(await connection.recv())["t"] == "connected"
    return connection


async def ended(connection: ClientConnection) -> int | None:
    """The close code, once it is closed; what comes before is thrown away."""
    with suppress(ConnectionClosed):
        while True:
            await connection.recv()
    return connection.close_code


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", None, "http://shop.example", "https://shop.example:1"]
)
async def test_foreign_pages_are_refused_before_the_upgrade(system: Heliograph, origin: str | None) -> None:
    """With a list of origins: 403 in plain HTTP for every other one, `null` and none at all."""
    with pytest.raises(InvalidStatus) as refused:
        await connect(where(system), origin=Origin(origin) if origin else None)
    assert refused.value.response.status_code == 403


async def test_huge_frames_floods_and_bombs(system: Heliograph) -> None:
    """16 MB in a frame: 1009. 1,000 frames at once: 4429. Compression isn't agreed to, so a bomb is a breach: 1002."""
    huge = await opened(system)
    await huge.send(" " * 16 * 1024 * 1024)
    assert await ended(huge) == 1009
    flood = await opened(system)
    with suppress(ConnectionClosed):
        for _ in range(1_000):
            await flood.send('{"t":"ping"}')
    assert await ended(flood) == 4429
    bomb = await opened(system)
    assert not bomb.protocol.extensions
    packed = zlib.compress(b" " * 16 * 1024 * 1024)
    bomb.transport.write(bytes((0xC1, 0xFE)) + len(packed[:1000]).to_bytes(2, "big") + b"\0\0\0\0" + packed[:1000])
    assert await ended(bomb) == 1002
    still = await opened(system)
    await still.close()


async def test_a_token_of_another_tenant_opens_only_its_own(system: Heliograph) -> None:
    """Whose stream it is, the token says, and a forged one is 4401."""
    connection = await connect(where(system), origin=Origin(ORIGIN))
    await connection.send(json.dumps({"t": "connect", "token": "e30.e30.e30", "tenant": "default", "user": "ann"}))
    assert await ended(connection) == 4401
