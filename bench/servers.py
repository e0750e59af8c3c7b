"""Starts and stops what is measured: the running system, and the servers that show its limits, each its own process.

Every server gets a free port of 127.0.0.1; the system gets a data folder of its own. Reads processor times from /proc
where there is one.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp

KEY: Final = "hg_sk_benchmark_bootstrap_key_000000"
REPOSITORY: Final = Path(__file__).resolve().parent.parent
_START_S: Final = 30.0
_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass
class Server:
    """A process that listens on `port`."""

    name: str
    port: int
    process: asyncio.subprocess.Process
    session: aiohttp.ClientSession

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON answer to a request with the benchmark's key. Raises for an HTTP error."""
        url = f"http://127.0.0.1:{self.port}{path}"
        headers = {"Authorization": f"Bearer {KEY}"}
        async with self.session.request(method, url, json=body, headers=headers) as response:
            response.raise_for_status()
            return await response.json() if response.status != 204 else None

    async def backlog(self) -> int:
        """Notifications that no worker has settled yet."""
        lanes = await self.call("GET", "/v1/lanes")
        return sum(level["depth"] for lane in lanes.values() for level in lane.values())

    def cpu_s(self) -> dict[str, float]:
        """Processor seconds so far, per program: the process itself and its children."""
        own = {self.name: _cpu_s(self.process.pid)}
        for pid, name in _children(self.process.pid):
            own[name] = own.get(name, 0.0) + _cpu_s(pid)
        return own


@asynccontextmanager
async def heliograph(folder: Path, **settings: Any) -> AsyncIterator[Server]:
    """`heliograph up` with the provider lab and an empty data folder, as an operator starts it."""
    port, lab_port = _free_port(1), _free_port(3)
    command = ["-m", "heliograph", "up", "--port", str(port), "--data", str(folder), "--lab"]
    command += ["--lab-port", str(lab_port)]
    environment = {"bootstrap_key": KEY, "log_level": "warning", "log_format": "text", **settings}
    async with _server("heliograph", command, port, environment) as server:
        yield server


@asynccontextmanager
async def lab() -> AsyncIterator[Server]:
    """The provider lab alone."""
    port = _free_port(3)
    async with _server("lab", ["-m", "heliograph", "lab", "--port", str(port)], port, {}) as server:
        yield server


@asynccontextmanager
async def empty_server() -> AsyncIterator[Server]:
    """The limit of `accept`: see `empty_server.py`."""
    port = _free_port(1)
    async with _server("empty 202", ["-m", "bench.empty_server", str(port)], port, {"bootstrap_key": KEY}) as server:
        yield server


@asynccontextmanager
async def bare_server() -> AsyncIterator[Server]:
    """The limit of the load generator: see `bare_server.py`."""
    port = _free_port(1)
    async with _server("bare asyncio", ["-m", "bench.bare_server", str(port)], port, {}) as server:
        yield server


@asynccontextmanager
async def _server(name: str, command: list[str], port: int, settings: dict[str, Any]) -> AsyncIterator[Server]:
    environment = {**os.environ, **{f"HELIOGRAPH_{key.upper()}": str(value) for key, value in settings.items()}}
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, cwd=REPOSITORY, env=environment, stdout=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    try:
        async with aiohttp.ClientSession() as session:
            server = Server(name, port, process, session)
            await _ready(server)
            yield server
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()


async def _ready(server: Server) -> None:
    """Returns when the server answers. Raises RuntimeError when it ended or takes too long."""
    async with asyncio.timeout(_START_S):
        while server.process.returncode is None:
            try:
                async with server.session.get(f"http://127.0.0.1:{server.port}/readyz"):
                    return
            except aiohttp.ClientError:
                await asyncio.sleep(0.05)
    raise RuntimeError(f"{server.name} did not start")


def _free_port(together: int) -> int:
    while True:
        with socket.create_server(("127.0.0.1", 0)) as first:
            port = int(first.getsockname()[1])
        try:
            for following in range(port, port + together):
                socket.create_server(("127.0.0.1", following)).close()
        except OSError:
            continue
        return port


def _cpu_s(pid: int) -> float:
    """Source: proc(5), `stat` fields 14 and 15; 0 where there is no /proc or no such process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _children(pid: int) -> list[tuple[int, str]]:
    try:
        pids = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [(int(child), Path(f"/proc/{child}/comm").read_text().strip()) for child in pids]
    except OSError:
        return []
