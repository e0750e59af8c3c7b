"""Lab: the running servers: one HTTP port for the HTTP providers and the control API, one port for SMTP,
one for APNs.

`Lab` starts and stops them on the running event loop, so that tests and the CLI can embed it. Listens on 127.0.0.1
only; installs no signal handlers.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from heliograph.lab.apns import ApnsApp
from heliograph.lab.apns_server import ApnsServer
from heliograph.lab.app import Parts, build_app
from heliograph.lab.exchange import CUT_EXTENSION
from heliograph.lab.expo import ExpoSettings
from heliograph.lab.faults import Fault
from heliograph.lab.inbox import DEFAULT_LIMIT, Inbox
from heliograph.lab.smtp import Relay

HOST = "127.0.0.1"
BACKLOG = 2048
KEEP_ALIVE_S = 75
STOP_TIMEOUT_S = 5


class Lab:
    """The provider lab.

    sendgrid_key   the only API key SendGrid takes; None takes any that starts with `SG.`
    smtp_login     (user, password) the relay insists on; None takes any login and none at all
    webhook_url    where signed SendGrid events follow every accepted mail; may be set at any time (`webhook_url`)
    project_id     the Firebase project of `/lab/service-account.json`
    apns           the app, key and team that APNs knows, and its clock; by default any
    journal_limit  how many records are remembered
    seed           makes `flaky` and `shuffle` repeatable

    A lab runs once: start(), then stop(). After start() `listening` is set, and there are `base_url`, `port`,
    `smtp_port`, `apns_port`, and the URLs Heliograph's settings want.
    """

    def __init__(
        self,
        *,
        sendgrid_key: str | None = None,
        smtp_login: tuple[str, str] | None = None,
        webhook_url: str | None = None,
        project_id: str = "heliograph-lab",
        apns: ApnsApp | None = None,
        journal_limit: int = DEFAULT_LIMIT,
        seed: int | None = None,
    ) -> None:
        self._parts = Parts(project_id, sendgrid_key, journal_limit, seed, apns)
        self._parts.webhook.url = webhook_url
        self._app = build_app(self._parts)
        self._relay = Relay(self._parts.gates["smtp"], self._parts.inbox, smtp_login)
        self._http: _HttpServer | None = None
        self._serving: asyncio.Task[None] | None = None
        self._smtp: asyncio.Server | None = None
        self._apns: asyncio.Server | None = None
        self.listening = asyncio.Event()
        self.port = 0
        self.smtp_port = 0
        self.apns_port = 0

    @property
    def base_url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def sendgrid_url(self) -> str:
        return f"{self.base_url}/sendgrid"

    @property
    def fcm_url(self) -> str:
        return f"{self.base_url}/fcm"

    @property
    def token_uri(self) -> str:
        return f"{self.base_url}/oauth2/token"

    @property
    def expo_url(self) -> str:
        return f"{self.base_url}/expo"

    @property
    def webpush_hosts(self) -> str:
        """The `host:port` of its Web Push endpoints; two names, which are two origins to VAPID."""
        return f"{HOST}:{self.port},localhost:{self.port}"

    def webpush_subscription(self, server_key: str = "") -> dict[str, Any]:
        """What `POST /lab/webpush/subscriptions` does."""
        return self._parts.subscriptions.make(self.base_url, server_key)

    def set_expo(self, settings: ExpoSettings) -> None:
        """What `PUT /lab/expo` does."""
        self._parts.expo.put(settings)

    @property
    def smtp_url(self) -> str:
        return f"smtp://{HOST}:{self.smtp_port}"

    @property
    def apns_url(self) -> str:
        return f"https://{HOST}:{self.apns_port}"

    @property
    def apns(self) -> ApnsServer:
        """APNs' connections, identity and devices."""
        return self._parts.apns

    @property
    def inbox(self) -> Inbox:
        """The journal, for tests in the same process."""
        return self._parts.inbox

    @property
    def webhook_url(self) -> str | None:
        return self._parts.webhook.url

    @webhook_url.setter
    def webhook_url(self, url: str | None) -> None:
        self._parts.webhook.url = url

    @property
    def webhook_public_key(self) -> str:
        """Base64 DER, as HELIOGRAPH_SENDGRID_WEBHOOK_KEY wants it."""
        return self._parts.webhook.signer.public_key

    async def service_account(self) -> dict[str, str]:
        """The content of `/lab/service-account.json`. The first call makes an RSA key."""
        return await self._parts.account.document()

    def set_fault(self, provider: str, fault: Fault) -> Fault:
        """What `PUT /lab/faults/{provider}` does. Raises KeyError, InvalidFaultError."""
        return self._parts.gates[provider].put(fault)

    async def start(self, port: int = 0, smtp_port: int | None = None) -> None:
        """Listen. SMTP is on `smtp_port`, by default `port` + 1, APNs on `port` + 2; port 0 picks free ones.

        Raises OSError if a port is taken.
        """
        with contextlib.ExitStack() as undo:
            http_socket = undo.enter_context(_listen(port))
            smtp_socket = undo.enter_context(_listen((port + 1 if port else 0) if smtp_port is None else smtp_port))
            apns_socket = undo.enter_context(_listen(port + 2 if port else 0))
            self.port, self.smtp_port = http_socket.getsockname()[1], smtp_socket.getsockname()[1]
            self.apns_port = apns_socket.getsockname()[1]
            self._parts.account.token_uri = self.token_uri
            loop = asyncio.get_running_loop()
            self._smtp = await loop.create_server(self._relay.session, sock=smtp_socket, backlog=BACKLOG)
            tls = self.apns.service.identity.context()
            self._apns = await loop.create_server(self.apns.session, sock=apns_socket, backlog=BACKLOG, ssl=tls)
            self._http = _HttpServer(_config(self._app))
            self._serving = asyncio.create_task(self._http.serve([http_socket]))
            listening = asyncio.ensure_future(self._http.listening.wait())
            await asyncio.wait([listening, self._serving], return_when=asyncio.FIRST_COMPLETED)
            if self._serving.done():
                listening.cancel()
                self._serving.result()
            undo.pop_all()
        self.listening.set()

    async def stop(self) -> None:
        """Stop listening, cut what hangs, forget the events not yet sent. The journal stays readable."""
        for gate in self._parts.gates.values():
            gate.close()
        if self._smtp:
            self._smtp.close()
            self._relay.close()
        if self._apns:
            self._apns.close()
            self.apns.close()
        if self._http and self._serving:
            self._http.ending.set()
            await self._serving
        await self._parts.webhook.close()

    async def run(self, stop: asyncio.Event, port: int = 0, smtp_port: int | None = None) -> None:
        """Start, wait for `stop`, stop."""
        await self.start(port, smtp_port)
        try:
            await stop.wait()
        finally:
            await self.stop()


class _HttpServer(uvicorn.Server):
    """Uvicorn, embedded: leaves signals alone, tells when it listens, and stops at once instead of polling."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()
        self.ending = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    async def main_loop(self) -> None:
        while not self.ending.is_set():
            await self.on_tick(0)  # renews the Date header
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.ending.wait(), 1)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()  # closes idle ones; the others close after their answer
        answering = list(self.server_state.tasks)
        if answering:
            _, late = await asyncio.wait(answering, timeout=STOP_TIMEOUT_S)
            for task in late:
                task.cancel()


class _CuttableProtocol(HttpToolsProtocol):
    """Puts a function into every request's scope that closes the connection without an answer."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {CUT_EXTENSION: self.transport.abort}  # type: ignore[dict-item]


def _config(app: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=_CuttableProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
    )


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError:
        listener.close()
        raise
    return listener
