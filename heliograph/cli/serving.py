"""Serves HTTP and WebSocket on one port with uvicorn, as one service among the others."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Generator
from typing import Any

import uvicorn
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from heliograph.cli.health import Health
from heliograph.cli.patience import PatientProtocol
from heliograph.cli.roles import Roles
from heliograph.settings import Settings
from heliograph.web import application

_WS_DRAIN_S = 8.0
_HTTP_DRAIN_S = 5
_PORTS = 200
_IDLE_S = 2.0
"""Longer than the load balancer keeps an idle connection to a process (nginx.conf: 1 s)."""
_KEEP_ALIVE_S = 75
"""Longer than a load balancer keeps an idle connection, or it would send a request into one that is just
being closed, and a POST that may have been taken can't be repeated for the caller."""


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: the runtime owns signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


class HttpServer:
    """The public door of this process. Answers 503 on `/readyz` as soon as it drains."""

    name = "http"

    def __init__(
        self, roles: Roles, health: Health, listener: socket.socket, settings: Settings, *, handed: bool = False
    ) -> None:
        """`handed`: by a supervisor, whose load balancer stands before it."""
        self._handed = handed
        self._draining = False
        self._roles = roles
        self._listener = listener
        self._app = self._parting(
            application(
                roles.handlers,
                ready=health.ready,
                before_metrics=health.refresh,
                cors_origins=[origin.strip() for origin in settings.cors_origins.split(",") if origin.strip()],
                door=roles.door,
                token=settings.metrics_token.get_secret_value(),
            )
        )
        self.listening = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        if self._roles.node:
            await self._roles.node.start()
        node = self._roles.node
        server = _Server(_config(self._app, node.protocol_class() if node else "none", _HTTP_DRAIN_S))
        serving = asyncio.create_task(server.serve([self._listener]))
        await _started(server, serving)
        self.listening.set()
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        self._draining = True
        await asyncio.gather(self._send_sockets_away(), self._send_requests_away(server))
        server.should_exit = True
        await serving
        await self._roles.sending.drained()

    async def _send_sockets_away(self) -> None:
        if self._roles.node:
            await self._roles.node.drain(_WS_DRAIN_S)

    async def _send_requests_away(self, server: _Server) -> None:
        """A successor listens at the same open door: what knocks from now on is its. Idle connections are closed by
        the load balancer, which alone knows that it is not just sending a request into one."""
        if not self._handed:
            return
        for each in server.servers:
            each.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_IDLE_S):
                while server.server_state.connections:  # noqa: ASYNC110 - uvicorn has no event for this
                    await asyncio.sleep(0.05)

    def _parting(self, app: ASGIApp) -> ASGIApp:
        """While the process drains, every answer is the last of its connection."""

        async def handle(scope: Scope, receive: Receive, send: Send) -> None:
            async def last(message: Message) -> None:
                if message["type"] == "http.response.start":
                    message["headers"] = [*message["headers"], (b"connection", b"close")]
                await send(message)

            await app(scope, receive, last if self._draining and scope["type"] == ScopeType.HTTP else send)

        return handle


class HealthServer:
    """`/healthz`, `/readyz` and `/metrics` of any process on a port of its own; up until everything else has ended."""

    def __init__(self, health: Health, listener: socket.socket, token: str) -> None:
        self._listener = listener
        app = application([], ready=health.ready, before_metrics=health.refresh, token=token)
        self._server = _Server(_config(app, "none", drain_s=1))
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._serving = asyncio.create_task(self._server.serve([self._listener]))
        await _started(self._server, self._serving)

    async def stop(self) -> None:
        self._server.should_exit = True
        if self._serving:
            await self._serving


def _config(app: ASGIApp, ws: Any, drain_s: int) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=PatientProtocol,
        ws=ws,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=drain_s,
        timeout_keep_alive=_KEEP_ALIVE_S,
        backlog=4096,
    )


async def _started(server: _Server, serving: asyncio.Task[None]) -> None:
    while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn has no event for this
        await asyncio.sleep(0.005)


def listen(host: str, port: int) -> socket.socket:
    """A bound socket, so that a port that is taken is known before anything starts. Raises `OSError`."""
    listener = socket.create_server((host, port), backlog=4096)
    listener.setblocking(False)
    return listener


def listen_from(host: str, port: int) -> socket.socket:
    """The first free port from `port` on: the processes of one machine share a setting. Raises `OSError`."""
    for tried in range(port, min(port + _PORTS, 65_536)):
        with contextlib.suppress(OSError):
            return listen(host, tried)
    raise OSError(f"no port of {host} from {port} to {tried} is free for metrics_port; 0 goes without")
