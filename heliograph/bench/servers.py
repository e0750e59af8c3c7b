"""Starts and stops what is measured: the running system, and the servers that show its limits, each its own process.

Every server gets a free port of 127.0.0.1; the system gets a data folder of its own, and no setting of the caller's
environment: a benchmark must never meet an installation that serves somebody. Reads processor times and memory from
/proc where there is one.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp

KEY: Final = "hg_sk_benchmark_bootstrap_key_000000"
_START_S: Final = 30.0
_PORTS: Final = range(20_000, 32_000)
"""Below those that Linux gives to outgoing connections (`ip_local_port_range`): none can take a server's."""
_given: Final[set[int]] = set()
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

    async def backlog(self, only: Sequence[str] = ()) -> int:
        """Notifications that no worker has settled yet, in all lanes or in those that are named."""
        lanes = await self.call("GET", "/v1/lanes")
        return sum(
            level["depth"] for name, lane in lanes.items() if name in only or not only for level in lane.values()
        )

    async def drained(self, only: Sequence[str] = ()) -> float:
        """Seconds until nothing waits in a lane any more, or in those that are named."""
        started = time.perf_counter()
        while await self.backlog(only):  # noqa: ASYNC110 - it is in another process
            await asyncio.sleep(0.05)
        return time.perf_counter() - started

    def memory_mb(self) -> float:
        """Resident memory of the process itself, without its children. Source: proc(5), `status`; 0 without /proc."""
        return _memory_mb(self.process.pid)

    async def kill(self) -> None:
        """As the kernel would, out of memory; its children die with it."""
        self.process.kill()
        await self.process.wait()

    def cpu_s(self) -> dict[str, float]:
        """Processor seconds so far, per program: the process itself and its children."""
        own = {self.name: process_cpu_s(self.process.pid)}
        for pid, name in _children(self.process.pid):
            own[name] = own.get(name, 0.0) + process_cpu_s(pid)
        return own


@asynccontextmanager
async def heliograph(folder: Path, *, module: str = "heliograph", **settings: Any) -> AsyncIterator[Server]:
    """`heliograph up` on a data folder, as an operator starts it. Without settings it has no provider.

    Args:
        module: what else is run, with the same arguments.
    """
    port = free_port(1)
    command = ["-m", module, "up", "--port", str(port), "--data", str(folder)]
    environment = {"bootstrap_key": KEY, "log_level": "error", "log_format": "text", **settings}
    async with _server("heliograph", command, port, environment) as server:
        yield server


@asynccontextmanager
async def role(*names: str, **settings: Any) -> AsyncIterator[Server]:
    """`heliograph run` with these roles, as in a cluster, on servers that the settings name."""
    port = free_port(1)
    command = ["-m", "heliograph", "run", *names, "--port", str(port)]
    environment = {"bootstrap_key": KEY, "log_level": "error", "log_format": "text", **settings}
    async with _server(names[0], command, port, environment) as server:
        yield server


@asynccontextmanager
async def lab(port: int = 0) -> AsyncIterator[Server]:
    """The provider lab alone, on a free port or on `port`. `sendgrid_of` gives the settings that lead mails to it."""
    port = port or free_port(3)
    async with _server("lab", ["-m", "heliograph", "lab", "--port", str(port)], port, {}) as server:
        yield server


def sendgrid_of(port: int, rate: float) -> dict[str, Any]:
    """Settings: mails go to the SendGrid of the lab on that port, `rate` a second at the most."""
    return {
        "sendgrid_url": f"http://127.0.0.1:{port}/sendgrid", "sendgrid_api_key": "SG.lab", "email_rate": rate,
    }  # fmt: skip


@asynccontextmanager
async def empty_server() -> AsyncIterator[Server]:
    """The limit of `accept`: see `sides/empty_server.py`."""
    port = free_port(1)
    async with _server(
        "empty 202", ["-m", "heliograph.bench.sides.empty_server", str(port)], port, {"bootstrap_key": KEY}
    ) as server:
        yield server


@asynccontextmanager
async def bare_server() -> AsyncIterator[Server]:
    """The limit of the load generator: see `sides/bare_server.py`."""
    port = free_port(1)
    async with _server("bare asyncio", ["-m", "heliograph.bench.sides.bare_server", str(port)], port, {}) as server:
        yield server


@asynccontextmanager
async def smtp_sink() -> AsyncIterator[int]:
    """A relay that takes everything: see `sides/smtp_sink.py`. Answers its port."""
    port = free_port(1)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "heliograph.bench.sides.smtp_sink", str(port), start_new_session=True
    )
    try:
        ends = asyncio.get_running_loop().time() + _START_S
        while not await _listens(port):
            if process.returncode is not None or asyncio.get_running_loop().time() > ends:
                raise RuntimeError("the SMTP sink did not start")
            await asyncio.sleep(0.02)
        yield port
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


@asynccontextmanager
async def _server(name: str, command: list[str], port: int, settings: dict[str, Any]) -> AsyncIterator[Server]:
    ours = {f"HELIOGRAPH_{key.upper()}": str(value) for key, value in settings.items()}
    environment = {key: value for key, value in os.environ.items() if not key.startswith("HELIOGRAPH_")} | ours
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, env=environment, stdout=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    try:
        async with aiohttp.ClientSession() as session:
            server = Server(name, port, process, session)
            await ready(server)
            yield server
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()


async def ready(server: Server) -> None:
    """Returns when the server answers. Raises RuntimeError when it ended or takes too long."""
    async with asyncio.timeout(_START_S):
        while server.process.returncode is None:
            try:
                async with server.session.get(f"http://127.0.0.1:{server.port}/readyz"):
                    return
            except aiohttp.ClientError:
                await asyncio.sleep(0.05)
    raise RuntimeError(f"{server.name} did not start")


def free_port(together: int) -> int:
    """The first of so many free ports in a row; never one that was given before."""
    while True:
        first = random.choice(_PORTS)
        wanted = range(first, first + together)
        if _given.isdisjoint(wanted) and all(_is_free(port) for port in wanted):
            _given.update(wanted)
            return first


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def process_cpu_s(pid: int) -> float:
    """Source: proc(5), `stat` fields 14 and 15; 0 where there is no /proc or no such process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _memory_mb(pid: int) -> float:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def _children(pid: int) -> list[tuple[int, str]]:
    try:
        pids = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [(int(child), Path(f"/proc/{child}/comm").read_text().strip()) for child in pids]
    except OSError:
        return []
