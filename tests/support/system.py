"""The running system as a user has it: `heliograph up --lab` as a process of its own, and a client that talks to it."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from websockets.asyncio.client import ClientConnection, connect

from tests.support.eventually import eventually

SECRET = "a-secret-for-user-tokens-of-32-bytes-or-more"
KEY = "hg_sk_test_bootstrap"
SETTLED = {"sent", "delivered", "failed", "suppressed", "expired", "cancelled"}


def free_port(together: int = 1) -> int:
    """A port of 127.0.0.1 that is free now, and so are the next `together - 1`.

    Below the range from which the kernel picks ports by itself, or somebody else might get it before it is used.
    """
    while True:
        port = random.randrange(15_000, 32_000)
        try:
            for following in range(port, port + together):
                socket.create_server(("127.0.0.1", following)).close()
        except OSError:
            continue
        return port


class Heliograph:
    """One installation in one folder, to `start`, `stop` and `kill`; the folder keeps what is durable."""

    def __init__(
        self,
        folder: Path,
        *,
        lab: bool = True,
        arguments: list[str] | None = None,
        roles: list[str] | None = None,
        environment: dict[str, str] | None = None,
        **settings: Any,
    ) -> None:
        """`roles` = `heliograph run` with these instead of `heliograph up`; the settings then name the servers."""
        self.folder = folder
        self._roles = roles
        self._environment = environment or {}
        self.port = free_port()
        self.lab_port = free_port(3)
        self._lab = lab
        self._arguments = arguments or []
        self._settings = {
            "bootstrap_key": KEY,
            "user_token_secret": SECRET,
            "email_rate": 5000,
            "retry_base_s": 0.05,
            "unknown_hold_s": 0.05,
            "log_level": "warning",
            "log_format": "text",
            **settings,
        }
        self.process: asyncio.subprocess.Process | None = None
        self.output: list[str] = []
        self._reader: asyncio.Task[None] | None = None
        self.session = aiohttp.ClientSession()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def lab_url(self) -> str:
        return f"http://127.0.0.1:{self.lab_port}"

    def use_lab_of(self, outside: Heliograph) -> None:
        """Sends through another installation's lab, which survives this one: it is the outside world."""
        self.lab_port = outside.lab_port
        self._settings |= {
            "sendgrid_url": f"{self.lab_url}/sendgrid",
            "sendgrid_api_key": "SG.lab",
            "smtp_url": f"smtp://127.0.0.1:{self.lab_port + 1}",
        }

    async def start(self) -> Heliograph:
        """Returns when it answers."""
        verb = ["run", *self._roles] if self._roles else ["up", "--data", str(self.folder)]
        command = [sys.executable, "-m", "heliograph", *verb, "--port", str(self.port)]
        lab = ["--lab", "--lab-port", str(self.lab_port)] if self._lab and not self._roles else []
        settings = {f"HELIOGRAPH_{k.upper()}": str(v) for k, v in self._settings.items()}
        environment = {**os.environ, **self._environment, **settings}
        self.process = await asyncio.create_subprocess_exec(
            *command, *lab, *self._arguments, env=environment,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        up = asyncio.Event()
        self._reader = asyncio.create_task(self._read(self.process, up))
        ended = asyncio.create_task(self.process.wait())
        started = asyncio.create_task(up.wait())
        await asyncio.wait({ended, started}, timeout=30, return_when=asyncio.FIRST_COMPLETED)
        started.cancel()
        ended.cancel()
        assert up.is_set(), "did not start:\n" + "\n".join(self.output)
        return self

    async def _read(self, process: asyncio.subprocess.Process, up: asyncio.Event) -> None:
        assert process.stdout
        async for line in process.stdout:
            text = line.decode(errors="replace").rstrip()
            self.output.append(text)
            if "Heliograph is up" in text or " ready on port " in text:
                up.set()

    async def stop(self) -> int:
        """SIGTERM; answers the exit code."""
        assert self.process
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        return await self._ended()

    async def kill(self) -> None:
        """SIGKILL of the process; its children die with it."""
        assert self.process
        self.process.kill()
        await self._ended()

    async def _ended(self) -> int:
        assert self.process
        assert self._reader
        code = await asyncio.wait_for(self.process.wait(), 30)
        await self._reader
        return code

    async def close(self) -> None:
        if self.process and self.process.returncode is None:
            await self.stop()
        await self.session.close()

    # --- talking to it ---------------------------------------------------------------------------------------------

    async def call(
        self, method: str, path: str, body: Any = None, *, key: str | None = KEY, headers: dict[str, str] | None = None,
        raw: bytes | None = None,
    ) -> tuple[int, Any]:  # fmt: skip
        """(status, decoded JSON or None)."""
        sent = {"Content-Type": "application/json", **(headers or {})}
        if key:
            sent["Authorization"] = f"Bearer {key}"
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        async with self.session.request(method, self.url + path, data=data, headers=sent) as response:
            text = await response.read()
            if text and "json" not in response.content_type:
                raise AssertionError(f"{method} {path}: {response.status} {response.headers} {text[:300]!r}")
            return response.status, json.loads(text) if text else None

    async def send(self, to: Any, **fields: Any) -> Any:
        """The answer to a send that must be accepted."""
        status, answer = await self.call("POST", "/v1/send", {"to": to, "title": "Hello", **fields})
        assert status == 202, answer
        return answer

    async def get(self, path: str, key: str | None = KEY) -> Any:
        status, answer = await self.call("GET", path, key=key)
        assert status == 200, (path, status, answer)
        return answer

    async def notification(self, notification_id: str) -> Any:
        return await self.get(f"/v1/notifications/{notification_id}")

    async def delivery(self, notification_id: str, channel: str) -> Any:
        """The first delivery through a channel, or None."""
        found = await self.notification(notification_id)
        return next((one for one in found["deliveries"] if one["channel"] == channel), None)

    async def reaches(self, notification_id: str, channel: str, *statuses: str, within_s: float = 20.0) -> Any:
        """Waits until the delivery has one of the statuses."""

        async def look() -> Any:
            found = await self.delivery(notification_id, channel)
            return found if found and found["status"] in statuses else None

        return await eventually(look, within_s)

    async def settled(self, notification_id: str, within_s: float = 20.0) -> Any:
        async def look() -> Any:
            found = await self.notification(notification_id)
            done = found["deliveries"] and all(one["status"] in SETTLED for one in found["deliveries"])
            return found if done and found["status"] in SETTLED else None

        return await eventually(look, within_s)

    async def token(self, user: str, ttl_s: int = 3600) -> str:
        status, answer = await self.call("POST", f"/v1/users/{user}/token", {"ttl_s": ttl_s})
        assert status == 200, answer
        return str(answer["token"])

    @asynccontextmanager
    async def socket(self, user: str, since: Any = None, url: str | None = None) -> AsyncIterator[Tab]:
        """A connected WebSocket of a user."""
        where = (url or self.url).replace("http", "ws", 1) + "/v1/realtime"
        async with connect(where, max_size=None) as connection:
            tab = Tab(connection)
            await tab.hello(await self.token(user), since)
            yield tab

    # --- the lab ---------------------------------------------------------------------------------------------------

    async def lab(self, method: str, path: str, body: Any = None) -> Any:
        async with self.session.request(method, self.lab_url + path, json=body) as response:
            text = await response.text()
            assert response.status < 300, (path, response.status, text)
            return json.loads(text) if text else None

    async def received(self, **query: str) -> list[Any]:
        found = await self.lab("GET", "/lab/messages?" + "&".join(f"{k}={v}" for k, v in query.items()))
        return list(found["messages"])

    async def fault(self, provider: str, **fault: Any) -> None:
        await self.lab("PUT", f"/lab/faults/{provider}", fault)

    def child(self, name: str) -> int:
        """The process id of a running child whose command line names a program."""
        assert self.process
        for entry in Path("/proc").iterdir():
            try:
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
                words = [(entry / "comm").read_text().strip(), *(entry / "cmdline").read_text().split("\0")]
            except (OSError, ValueError):
                continue
            if int(parent) == self.process.pid and state != "Z" and any(Path(w).name == name for w in words[:4]):
                return int(entry.name)
        raise AssertionError(f"no child named {name}")

    def kill_child(self, name: str) -> None:
        """SIGKILL of one child."""
        os.kill(self.child(name), signal.SIGKILL)


def notification_of(mail: dict[str, Any]) -> str:
    """The notification that a mail in the lab belongs to: SendGrid's custom argument, or the header over SMTP."""
    if mail["provider"] == "sendgrid":
        return str(mail["payload"]["personalizations"][0]["custom_args"]["hg_id"])
    return next(str(value) for name, value in mail["headers"].items() if name.lower() == "x-heliograph-id")


class Tab:
    """One open page: a WebSocket, the frames it got and where it stands."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.connected: dict[str, Any] = {}
        self.gap: list[dict[str, Any]] = []
        self.offset = 0

    async def hello(self, token: str, since: Any = None) -> None:
        await self.say({"t": "connect", "token": token, **({"since": since} if since else {})})
        while not self.connected:
            frame = await self.frame()
            if frame["t"] == "connected":
                self.connected = frame
            else:
                self.gap.append(frame)

    async def say(self, frame: dict[str, Any]) -> None:
        await self.connection.send(json.dumps(frame))

    async def frame(self, within_s: float = 10.0) -> dict[str, Any]:
        """The next frame; pings are answered and passed over."""
        while True:
            found: dict[str, Any] = json.loads(await asyncio.wait_for(self.connection.recv(), within_s))
            if found["t"] != "ping":
                self.offset = max(self.offset, found.get("offset") or 0)
                return found
            await self.say({"t": "pong"})

    async def ack(self) -> None:
        await self.say({"t": "ack", "offset": self.offset})

    @property
    def position(self) -> dict[str, Any]:
        return {"epoch": self.connected["epoch"], "offset": self.offset or self.connected["offset"]}
