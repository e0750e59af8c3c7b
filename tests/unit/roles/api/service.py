"""The HTTP API over the twins, called as a server calls it: plain ASGI, no socket, no HTTP library."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from litestar import Litestar
from litestar.types import ControllerRouterHandler

from heliograph.access import ServerKeys, UserTokens, create_key
from heliograph.autoscaling import Autoscaler, bounds_of
from heliograph.core.model import Key, Notification
from heliograph.core.ports import DeadLetter
from heliograph.fanout import InboxFanout
from heliograph.roles.api import (
    autoscale,
    bulk,
    dead_letters,
    email_settings,
    inbox,
    notifications,
    operations,
    preferences,
    sending,
    suppressions,
    topics,
    users,
    webpush,
)
from heliograph.senders import Senders
from heliograph.testing.cells import MemoryCells
from heliograph.web import Callers, application
from tests.unit.roles.world import World

SECRET = "a-secret-for-user-tokens-of-32-bytes-or-more"


class Answer:
    """Status, headers with lower-case names, and the body as it came."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def everything(self) -> tuple[int, Mapping[str, str], bytes]:
        return self.status, self.headers, self.body

    def problem(self, status: int, code: str) -> dict[str, str]:
        """Checks that it is a problem of this kind (RFC 9457, CONTRACT section 1); answers message by path."""
        assert (self.status, self.headers["content-type"]) == (status, "application/problem+json"), self.body
        content = self.json
        assert set(content) == {"type", "title", "status", "detail", "code", "errors"}
        assert (content["status"], content["code"]) == (status, code), content
        assert content["type"].endswith(f"#{code}")
        assert content["title"]
        assert content["detail"]
        assert all(error["message"] for error in content["errors"])
        return {error["path"]: error["message"] for error in content["errors"]}


async def call(
    app: Litestar, method: str, path: str, chunks: Sequence[bytes] = (b"",), headers: Mapping[str, str] | None = None
) -> Answer:
    """One request. Several `chunks` come without a Content-Length, as a client streams them."""
    sent = {name.lower(): value for name, value in (headers or {}).items()}
    if len(chunks) == 1:
        sent.setdefault("content-length", str(len(chunks[0])))
    where, _, query = path.partition("?")
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
        "path": where, "raw_path": where.encode(), "query_string": query.encode(), "root_path": "",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in sent.items()],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "state": {},
    }  # fmt: skip
    left = [{"type": "http.request", "body": chunk, "more_body": n < len(chunks) - 1} for n, chunk in enumerate(chunks)]
    events: list[Any] = []

    async def receive() -> Any:
        return left.pop(0) if left else {"type": "http.disconnect"}

    async def send(event: Any) -> None:
        events.append(event)

    await app(scope, receive, send)  # type: ignore[arg-type]
    found = {name.decode().lower(): value.decode("latin-1") for name, value in events[0]["headers"]}
    return Answer(events[0]["status"], found, b"".join(event.get("body", b"") for event in events[1:]))


class Service(World):
    """A world with its API; `key` is tenant acme's, `other_key` another tenant's."""

    key = ""
    other_key = ""

    def __init__(self, high_water: int = 5_000) -> None:
        super().__init__()
        self.cells = MemoryCells()
        self.tokens = UserTokens(SECRET, self.clock)
        self.callers = callers = Callers(ServerKeys(self.store, self.clock), self.tokens)
        fanout = InboxFanout(self.presence, self.bus, self.clock)
        self.sending = sending.Sending(self.store, self.queue, self.clock, high_water)
        self.cells = MemoryCells()
        scaler = Autoscaler(self.queue, self.cells, self.clock, bounds_of("1-4,email-sender=1-2", 5.0, 60.0), {})
        self.handlers: list[ControllerRouterHandler] = [
            *sending.routes(self.sending, callers, self.clock),
            *bulk.routes(bulk.BulkSending(self.sending, self.store, self.clock), callers),
            *topics.routes(self.store, callers),
            *notifications.routes(self.store, callers, self.clock),
            *users.routes(self.store, self.presence, self.bus, callers, self.clock),
            *preferences.routes(self.store, callers, self.clock),
            *inbox.routes(self.store, fanout, callers, self.clock),
            *webpush.routes("BPublic", callers),
            *operations.routes(self.store, self.queue, self.cells, callers, self.clock, self.providers),
            *dead_letters.routes(self.store, callers, self.clock),
            *autoscale.routes(scaler.sizes),
            *suppressions.routes(self.store, callers, self.clock),
            *email_settings.routes(Senders(self.store, self.clock), callers),
        ]
        self.app = application(self.handlers, ready=self.ready, before_metrics=self.refresh)

    async def open(self) -> Service:
        self.key = await create_key(self.store, "acme", self.clock())
        self.other_key = await create_key(self.store, "other", self.clock())
        return self

    async def providers(self) -> dict[str, str]:
        return {"sendgrid": "up"}

    async def ready(self) -> dict[str, Any]:
        await self.store.ping()
        return {"queue": "up"}

    async def refresh(self) -> None:
        """No gauge here."""

    async def call(
        self, method: str, path: str, body: Any = None, *, key: str | None = None, raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:  # fmt: skip
        """With tenant acme's key unless another credential is given; an empty one sends none."""
        given = self.key if key is None else key
        sent = {"authorization": f"Bearer {given}"} if given else {}
        payload = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        return await call(self.app, method, path, [payload], {**sent, **(headers or {})})

    async def send(self, **fields: Any) -> Any:
        """The answer to a send that must be accepted, after everything it sets in motion."""
        answer = await self.call("POST", "/v1/send", {"to": "anna", "title": "Hello", **fields})
        assert answer.status == 202, answer.body
        await self.sending.drained()
        return answer.json

    def token(self, user: str = "anna", tenant: str = "acme") -> str:
        return self.tokens.mint(Key(tenant, user), 3_600)[0]

    @property
    def kept(self) -> tuple[dict[Any, Any], ...]:
        """Everything a request could have stored."""
        rows = self.store._kept
        return dict(rows.sent), dict(rows.batches), dict(rows.users), {d.id: d for d in rows.devices}, dict(rows.claims)

    async def bury(self, one: Notification, cause: str = "503", target: str = "email") -> DeadLetter:
        letter = DeadLetter(
            tenant=one.tenant, notification_id=one.id, target=target, lane="outbox", level=one.level, cause=cause,
            at=self.clock(), attempts=3,
        )  # fmt: skip
        await self.store.bury([letter])
        return letter
