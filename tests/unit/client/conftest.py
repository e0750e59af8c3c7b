"""A server on 127.0.0.1 that answers as it was told to, and remembers what it was asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web

Reply = web.Response | Callable[["Asked"], Any] | None


class Asked:
    """One request."""

    def __init__(self, method: str, path: str, headers: Any, body: bytes) -> None:
        self.method = method
        self.path = path
        self.headers = headers
        self.body = body

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Server:
    """Answers sends as Heliograph does, unless `replies` has something else to say first; None hangs up."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.replies: list[Reply] = []
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        asked = Asked(request.method, request.raw_path, request.headers, await request.read())
        self.asked.append(asked)
        reply = self.replies.pop(0) if self.replies else accept
        if reply is None:
            assert request.transport
            request.transport.abort()
            await asyncio.sleep(0)
            return web.Response()
        answer = reply if isinstance(reply, web.Response) else reply(asked)
        return answer if isinstance(answer, web.Response) else await answer

    async def start(self) -> Server:
        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", "/{path:.*}", self.handle)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def stop(self) -> None:
        await self._runner.cleanup()


def accept(asked: Asked) -> web.Response:
    """Ids that tell whom they are of; a user named `bad` is refused."""
    if asked.path.endswith("/bulk"):
        found = [named(one["to"]) for one in asked.json]
        rejected = [{"index": n, "code": "invalid", "detail": "to: No."} for n, one in enumerate(found) if one is None]
        content = {"batch_id": "bat_1", "accepted": len(found) - len(rejected), "rejected": rejected, "ids": found}
        return web.json_response(content, status=202)
    to = asked.json["to"]
    if isinstance(to, list):
        ids = [named(one) for one in to]
        return web.json_response({"batch_id": "bat_1", "accepted": len(ids), "ids": ids}, status=202)
    if "topic" in to:
        return web.json_response({"batch_id": "bat_1"}, status=202)
    one = named(to)
    if one is None:
        return problem(422, "invalid", "to")
    return web.json_response({"id": one, "status": "accepted"}, status=202)


def named(to: Any) -> str | None:
    name = to if isinstance(to, str) else to["id"]
    return None if name == "bad" else f"ntf_{name}"


def problem(status: int, code: str, *paths: str, **headers: str) -> web.Response:
    content = {
        "type": f"https://heliograph.dev/errors#{code}", "title": "T", "status": status, "detail": "D", "code": code,
        "errors": [{"path": path, "message": "is wrong"} for path in paths],
    }  # fmt: skip
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return web.json_response(content, status=status, headers=sent, content_type="application/problem+json")


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    found = await Server().start()
    yield found
    await found.stop()
