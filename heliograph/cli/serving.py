"""Serves HTTP and WebSocket on one port with uvicorn, as one service among the others."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Generator
from typing import Any

import uvicorn
from litestar import Litestar
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from heliograph import telemetry
from heliograph.cli.backends import Backends, now
from heliograph.cli.roles import Roles
from heliograph.core.errors import Problem, QueueUnavailable, StoreUnavailable
from heliograph.web import application

_WS_DRAIN_S = 8.0
_HTTP_DRAIN_S = 5
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
        self, roles: Roles, backends: Backends, listener: socket.socket, cors_origins: str = "*", *,
        handed: bool = False,
    ) -> None:  # fmt: skip
        """`handed`: by a supervisor, whose load balancer stands before it."""
        self._handed = handed
        self._roles = roles
        self._backends = backends
        self._listener = listener
        self._cors_origins = [origin.strip() for origin in cors_origins.split(",") if origin.strip()]
        self._draining = False
        self.listening = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        if self._roles.node:
            await self._roles.node.start()
        server = _Server(self._config(self._app()))
        serving = asyncio.create_task(server.serve([self._listener]))
        while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn has no event for this
            await asyncio.sleep(0.005)
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

    def _config(self, app: ASGIApp) -> uvicorn.Config:
        node = self._roles.node
        return uvicorn.Config(
            app,
            http="httptools",
            ws=node.protocol_class() if node else "none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_graceful_shutdown=_HTTP_DRAIN_S,
            timeout_keep_alive=_KEEP_ALIVE_S,
            backlog=4096,
        )

    def _app(self) -> ASGIApp:
        return self._parting(self._application())

    def _parting(self, app: ASGIApp) -> ASGIApp:
        """While the process drains, every answer is the last of its connection."""

        async def handle(scope: Scope, receive: Receive, send: Send) -> None:
            async def last(message: Message) -> None:
                if message["type"] == "http.response.start":
                    message["headers"] = [*message["headers"], (b"connection", b"close")]
                await send(message)

            await app(scope, receive, last if self._draining and scope["type"] == ScopeType.HTTP else send)

        return handle

    def _application(self) -> Litestar:
        return application(
            self._roles.handlers,
            ready=self._ready,
            before_metrics=self._refresh_gauges,
            cors_origins=self._cors_origins,
        )

    async def _ready(self) -> dict[str, Any]:
        if self._draining:
            raise Problem("overloaded", "this process is draining", retry_after_s=1)
        await self._backends.store.ping()
        queue = "up" if self._backends.queue.link.is_up else "down"
        return {"store": "up", "queue": queue, "providers": await self._providers()}

    async def _providers(self) -> dict[str, str]:
        """How each provider's account is, in words; also sets their gauges."""
        guards = self._roles.guards
        return dict(zip(guards, await asyncio.gather(*(guard.look() for guard in guards.values())), strict=True))

    async def _refresh_gauges(self) -> None:
        if self._roles.node:
            telemetry.connections.set(self._roles.node.counters.connections)
        await self._providers()
        with contextlib.suppress(QueueUnavailable):
            for (lane, level), state in (await self._backends.queue.lanes()).items():
                labels = (lane, level.name.lower())
                telemetry.lane_depth.labels(*labels).set(state.depth)
                telemetry.lane_in_flight.labels(*labels).set(state.in_flight)
                age_s = 0.0 if state.oldest_at is None else max(0.0, (now() - state.oldest_at) / 1000)
                telemetry.lane_oldest.labels(*labels).set(age_s)
        with contextlib.suppress(StoreUnavailable):
            telemetry.dead_letters.set(await self._backends.store.dead_count())


def listen(host: str, port: int) -> socket.socket:
    """A bound socket, so that a port that is taken is known before anything starts. Raises `OSError`."""
    listener = socket.create_server((host, port), backlog=4096)
    listener.setblocking(False)
    return listener
