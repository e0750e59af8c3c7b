"""One process of a pool: `heliograph run ROLE…` as a child that says when it is ready, and lives.

Starts and ends it, kills it when it falls silent. Never starts it again: that is the pool's.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from heliograph import telemetry
from heliograph.backends.servers import die_with
from heliograph.cli.lifeline import READY

READY_WITHIN_S: Final = 60.0
SILENT_S: Final = 30.0
"""An event loop that doesn't turn for so long hangs; less would kill what is only starved of processor time."""
_LOOK_S: Final = 1.0

log = telemetry.logger("supervisor")


def command_of(roles: Sequence[str], config: Path | None) -> list[str]:
    return [sys.executable, "-m", "heliograph", "run", *roles, *(["--config", str(config)] if config else [])]


class Process:
    """Args:
    listener: a bound socket to serve HTTP on; shared with the process that this one takes over from.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], listener: socket.socket | None = None
    ) -> None:
        self.ready = asyncio.Event()
        self.ended = asyncio.Event()
        self._command = command
        self._environment = environment
        self._listener = listener
        self._child: asyncio.subprocess.Process | None = None
        self._line = -1
        self._heard_at = 0.0
        self._watch: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        assert self._child
        return self._child.pid

    @property
    def code(self) -> int | None:
        return self._child.returncode if self._child else None

    async def start(self) -> None:
        """Raises `OSError` if there can be no process."""
        self._line, told = os.pipe()
        passed = [told, *([self._listener.fileno()] if self._listener else [])]
        words = ["--tell-fd", str(told), *(["--listen-fd", str(passed[1])] if self._listener else [])]
        try:
            self._child = await asyncio.create_subprocess_exec(
                *self._command, *words, env=self._environment, pass_fds=passed,
                start_new_session=True,  # Ctrl-C is for us alone, who drain them
                preexec_fn=die_with(os.getpid()),
            )  # fmt: skip
        except OSError:
            os.close(self._line)
            raise
        finally:
            os.close(told)
        os.set_blocking(self._line, False)
        loop = asyncio.get_running_loop()
        loop.add_reader(self._line, self._hear)
        self._heard_at = loop.time()
        self._watch = asyncio.create_task(self._watched(self._child))

    async def is_ready(self) -> bool:
        """Waits for its word; False = it ended first, or took too long."""
        waits = {asyncio.create_task(self.ready.wait()), asyncio.create_task(self.ended.wait())}
        await asyncio.wait(waits, timeout=READY_WITHIN_S, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        return self.ready.is_set() and not self.ended.is_set()

    async def stop(self, within_s: float) -> None:
        """SIGTERM, and SIGKILL for what has not drained by then."""
        if self._child is None or self.ended.is_set():
            return
        with suppress(ProcessLookupError):
            self._child.terminate()
        try:
            await asyncio.wait_for(self.ended.wait(), within_s)
        except TimeoutError:
            log.warning("drain_late", action="kill", pid=self.pid)
            with suppress(ProcessLookupError):
                self._child.kill()
            await self.ended.wait()

    def _hear(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            words = os.read(self._line, 4096)
        except BlockingIOError:
            return
        if not words:
            loop.remove_reader(self._line)
            return
        self._heard_at = loop.time()
        if READY in words:
            self.ready.set()

    async def _watched(self, child: asyncio.subprocess.Process) -> None:
        loop = asyncio.get_running_loop()
        ending = asyncio.create_task(child.wait())
        while not ending.done():
            await asyncio.wait({ending}, timeout=_LOOK_S)
            if not ending.done() and loop.time() - self._heard_at > SILENT_S:
                log.warning("child_silent", action="kill", pid=child.pid)
                with suppress(ProcessLookupError):
                    child.kill()
                await ending
        loop.remove_reader(self._line)
        os.close(self._line)
        self.ended.set()
