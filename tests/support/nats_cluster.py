"""Three NATS servers that are one cluster, each to be killed and started again alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from heliograph.backends.servers.bundled import _nats_binary
from tests.support.eventually import eventually
from tests.support.system import free_port


class NatsNode:
    def __init__(self, folder: Path, number: int, ports: list[int], routes: list[int]) -> None:
        self.name = f"n{number}"
        self.port = ports[number]
        self._folder = folder / self.name
        self._folder.mkdir(parents=True)
        self._config = self._folder / "nats.conf"
        others = ", ".join(f'"nats-route://127.0.0.1:{port}"' for port in routes)
        # no_advertise: clients keep to the addresses they were given, or they would find their way round a cut cable.
        self._config.write_text(f"""
            server_name: {self.name}
            listen: "127.0.0.1:{self.port}"
            jetstream {{ store_dir: "{self._folder}", max_file_store: 1TB }}
            cluster {{ name: test, listen: "127.0.0.1:{routes[number]}", no_advertise: true, routes: [{others}] }}
        """)
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            str(_nats_binary()), "--config", str(self._config), "--log", str(self._folder / "log")
        )

    async def kill(self) -> None:
        """SIGKILL."""
        if self._process and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def is_up(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        return True


@asynccontextmanager
async def nats_cluster(folder: Path) -> AsyncIterator[list[NatsNode]]:
    ports = [free_port() for _ in range(3)]
    routes = [free_port() for _ in range(3)]
    nodes = [NatsNode(folder, number, ports, routes) for number in range(3)]
    await asyncio.gather(*(node.start() for node in nodes))

    async def all_up() -> bool:
        return all([await node.is_up() for node in nodes])

    try:
        await eventually(all_up)
        yield nodes
    finally:
        await asyncio.gather(*(node.kill() for node in nodes))
