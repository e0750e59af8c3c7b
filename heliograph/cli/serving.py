"""Serves HTTP and WebSocket on one port with uvicorn, as one service among the others."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Generator
from typing import Any

import uvicorn
from litestar import Litestar

from heliograph.cli.health import Health
from heliograph.cli.roles import Roles
from heliograph.settings import Settings
from heliograph.web import application

_WS_DRAIN_S = 8.0
_HTTP_DRAIN_S = 5
_PORTS = 200
_KEEP_ALIVE_S = 75
"""Longer than a load balancer keeps an idle connection (nginx: 60 s), or it would send a request into one that is just
being closed, and a POST that may have been taken can't be repeated for the caller."""


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: the runtime owns signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


class HttpServer:
    """The public door of this process. Answers 503 on `/readyz` as soon as it drains."""

    name = "http"

    def __init__(self, roles: Roles, health: Health, listener: socket.socket, settings: Settings) -> None:
        self._roles = roles
        self._listener = listener
        self._app = application(
            roles.handlers,
            ready=health.ready,
            before_metrics=health.refresh,
            cors_origins=[origin.strip() for origin in settings.cors_origins.split(",") if origin.strip()],
            door=roles.door,
            token=settings.metrics_token.get_secret_value(),
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
        if self._roles.node:
            await self._roles.node.drain(_WS_DRAIN_S)
        server.should_exit = True
        await serving
        await self._roles.sending.drained()


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


def _config(app: Litestar, ws: Any, drain_s: int) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http="httptools",
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
