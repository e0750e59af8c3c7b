"""Attacks on the HTTP door of the running system: what they get for an answer, and what they cost us."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.support.eventually import eventually
from tests.support.system import KEY, Heliograph

pytestmark = pytest.mark.asyncio(loop_scope="package")
MIB = 1024 * 1024
HEADERS = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}


def resident(system: Heliograph) -> int:
    """Bytes of memory that the process holds."""
    assert system.process
    status = Path(f"/proc/{system.process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


async def endless(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // 65_536):
        yield b" " * 65_536


async def test_huge_bodies_cost_nothing(system: Heliograph) -> None:
    """50 MB: announced, streamed without a length, and unpacked from 50 kB. Refused, and not 5 MB are held for it."""
    await system.send("warm")
    before = resident(system)
    bomb = gzip.compress(b" " * 50 * MIB)
    for data, more, status in (
        (io.BytesIO(b" " * 50 * MIB), {}, 413),
        (endless(50 * MIB), {}, 413),
        (bomb, {"Content-Encoding": "gzip"}, 415),
        (bomb, {"Content-Encoding": "gzip, gzip"}, 415),
    ):
        try:
            async with system.session.post(f"{system.url}/v1/send", data=data, headers=HEADERS | more) as answer:
                assert answer.status == status
        except aiohttp.ClientOSError:  # it answered and closed while we were still sending
            assert status == 413
    assert resident(system) - before < 5 * MIB
    await system.send("after")


async def test_nesting_without_an_end(system: Heliograph) -> None:
    """100,000 brackets are a 400, and the process lives on."""
    status, answer = await system.call("POST", "/v1/send", raw=b"[" * 100_000)
    assert (status, answer["code"]) == (400, "invalid_json")
    await system.send("after")


async def test_a_key_in_the_query_is_no_credential_and_leaves_no_trace(system: Heliograph) -> None:
    """401; neither the log, at its loudest, nor the metrics have it."""
    secret = f"hg_sk_{secrets.token_hex(16)}"
    for path in ("/v1/lanes", "/v1/notifications/ntf_x", "/v1/send", "/nothing"):
        for name in ("key", "api_key", "token", "access_token"):
            method = "POST" if path == "/v1/send" else "GET"
            status, _ = await system.call(method, f"{path}?{name}={secret}", {"to": "a"}, key=None)
            assert status == (404 if path == "/nothing" else 401)
    async with system.session.get(f"{system.url}/metrics") as answer:
        assert secret not in await answer.text()
    status, _ = await system.call("GET", "/v1/notifications/ntf_audited")
    assert status == 404

    async def heard() -> bool:
        """the log has come this far"""
        return any("ntf_audited" in line for line in system.output)

    await eventually(heard)
    assert not any(secret in line for line in system.output)
    assert not any(KEY in line for line in system.output[1:] if line.startswith("{"))


async def test_500_clients_that_never_finish(system: Heliograph) -> None:
    """Slowloris: half a head and half a body each. Everybody else is served as ever (that they are cut in time is
    shown in tests/unit/test_patience.py)."""
    half = (
        b"POST /v1/send HTTP/1.1\r\nHost: x\r\nX-A: ",
        b"POST /v1/send HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
    )
    opened = await asyncio.gather(*(asyncio.open_connection("127.0.0.1", system.port) for _ in range(500)))
    try:
        for number, (_, writer) in enumerate(opened):
            writer.write(half[number % 2])
        await asyncio.wait_for(asyncio.gather(*(system.send(f"slow{n}") for n in range(50))), 10)
    finally:
        for _, writer in opened:
            writer.transport.abort()


async def test_what_stands_in_a_path_stays_text(system: Heliograph) -> None:
    """Control characters in a path forge no line of the log."""
    status, _ = await system.call("GET", "/v1/notifications/x%0d%0a%7B%22event%22%3A%22forged%22%7D")
    assert status == 404
    assert not any(line.startswith(('{"event":"forged"', '{"event": "forged"')) for line in system.output)
    assert all(json.loads(line) for line in system.output if line.startswith("{"))
