"""One server process, supervised: restarted with backoff whenever it dies or is unwell for long, until it is stopped.

Writes the process's folder and its pid there. Never leaves it behind: it dies with us, even by kill -9, and one that a
platform without that gift left behind is ended before the next one starts.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import structlog

_READY_WITHIN_S: Final = 20.0
_STOP_WITHIN_S: Final = 5.0
_BACKOFF_S: Final = (0.05, 5.0)
_STEADY_AFTER_S: Final = 10.0
_PROBE_EVERY_S: Final = 2.0
_PROBE_WITHIN_S: Final = 2.0
_UNWELL_S: Final = (10.0, 300.0)
"""How long a server may be unwell before it is started anew. Doubles each time that doesn't help: a full disk stays
full, but NATS can't write again after there is space until it is restarted (measured on 2.15)."""
_PR_SET_PDEATHSIG: Final = 1
_LIBC: Final = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None

log = structlog.get_logger(component="servers")


class ServerFailed(RuntimeError):  # noqa: N818 - a state of the world, like those of core/errors.py
    """A child could not be started, or exited before it answered; the message ends with its last words."""


class Child:
    """One supervised process: started, restarted with backoff whenever it dies or doesn't get well, until `stop`.

    Args:
        prepare: writes what the process reads and returns its command line; called before every start.
        answers: whether the process, and no other on its port, serves; may raise `OSError`.
        healthy: None while it can do all its work, else what it says of itself; may raise `OSError`.
    """

    def __init__(
        self, name: str, folder: Path, prepare: Callable[[], list[str]], answers: Callable[[], Awaitable[bool]],
        healthy: Callable[[], Awaitable[str | None]],
    ) -> None:  # fmt: skip
        self._name = name
        self._folder = folder
        self._prepare = prepare
        self._answers = answers
        self._healthy = healthy
        self._process: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    async def start(self) -> None:
        if self._watch is not None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        await _end_leftover(self._folder, self._name)
        await self._spawn()
        self._watch = asyncio.create_task(self._keep())
        try:
            await asyncio.wait_for(self._serving(), _READY_WITHIN_S)
        except (TimeoutError, ServerFailed) as error:
            await self.stop()
            raise ServerFailed(f"{self._name} did not start: {_last_words(self._folder)}") from error

    async def stop(self) -> None:
        watch, self._watch = self._watch, None
        if watch is None:
            return
        watch.cancel()
        await asyncio.wait({watch})
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), _STOP_WITHIN_S)
            except TimeoutError:
                process.kill()
                await process.wait()

    async def _spawn(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._process = await asyncio.create_subprocess_exec(
            *self._prepare(),
            cwd=self._folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for us alone: the servers must outlive our drain
            preexec_fn=die_with(os.getpid()),
        )
        (self._folder / "server.pid").write_text(str(self._process.pid))

    async def _serving(self) -> None:
        while True:
            assert self._process is not None
            if self._process.returncode is not None:
                raise ServerFailed(self._name)
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                if await self._answers():
                    return
            await asyncio.sleep(0.005)

    async def _keep(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._supervise())
            tasks.create_task(self._probe())

    async def _supervise(self) -> None:
        loop = asyncio.get_running_loop()
        backoff = _BACKOFF_S[0]
        while self._process is not None:
            started = loop.time()
            code = await self._process.wait()
            if loop.time() - started > _STEADY_AFTER_S:
                backoff = _BACKOFF_S[0]
            log.warning("server_died", action="restart", server=self._name, code=code, after_s=backoff)
            await asyncio.sleep(backoff)
            backoff = min(_BACKOFF_S[1], backoff * 2)
            try:
                await self._spawn()
            except OSError as error:
                log.warning("server_not_started", action="restart", server=self._name, error=str(error))

    async def _probe(self) -> None:
        """Asks it now and then how it is; ends it, so that it is started anew, when it isn't well for long."""
        loop = asyncio.get_running_loop()
        unwell_since, patience_s = None, _UNWELL_S[0]
        while True:
            await asyncio.sleep(_PROBE_EVERY_S)
            complaint = await self._complaint()
            if complaint is None:
                unwell_since, patience_s = None, _UNWELL_S[0]
                continue
            if unwell_since is None:
                log.warning("server_unwell", action="wait", server=self._name, why=complaint, for_s=patience_s)
                unwell_since = loop.time()
            if loop.time() - unwell_since >= patience_s:
                log.warning("server_unwell", action="restart", server=self._name, why=complaint)
                unwell_since, patience_s = None, min(_UNWELL_S[1], patience_s * 2)
                self._kill()

    async def _complaint(self) -> str | None:
        try:
            return await asyncio.wait_for(self._healthy(), _PROBE_WITHIN_S)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:  # also TimeoutError
            return repr(error)

    def _kill(self) -> None:
        """By force: what does not answer need not listen. `_supervise` sees it end."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()


def die_with(parent: int, by: signal.Signals = signal.SIGKILL) -> Callable[[], None]:
    """What a child does before it becomes its program: asks the kernel for `by` when the thread that forked ends."""

    def arm() -> None:
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, by, 0, 0, 0)
        if os.getppid() != parent:  # it ended between fork and prctl
            os._exit(1)

    return arm


async def _end_leftover(folder: Path, name: str) -> None:
    """Kills a server of an earlier run that still uses `folder`: two of them would spoil the data."""
    try:
        pid = int((folder / "server.pid").read_text())
    except (OSError, ValueError):
        return
    while _runs_in(pid, folder, name):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(0.01)


def _runs_in(pid: int, folder: Path, name: str) -> bool:
    """Whether `pid` is that server in that folder; False where /proc can't tell, so that no stranger is killed."""
    proc = Path(f"/proc/{pid}")
    try:
        return (proc / "exe").readlink().name == name and (proc / "cwd").readlink() == folder.resolve()
    except OSError:
        return False


def _last_words(folder: Path) -> str:
    logs = [path.read_text("utf-8", "replace").splitlines()[-1:] for path in folder.glob("*.log")]
    return "; ".join(line for lines in logs for line in lines) or "it said nothing"
