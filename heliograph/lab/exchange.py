"""Lab: one HTTP call of a provider, from the request to the answer (or the silence).

Reads the request and the provider's gate, writes the journal, then waits, answers, hangs or cuts the connection as
the fault says. What the provider answers is the provider's business, not decided here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

import msgspec
from litestar import Request, Response
from msgspec import Struct

from heliograph.lab.faults import Verdict
from heliograph.lab.gate import Gate
from heliograph.lab.inbox import Content, Inbox

CUT_EXTENSION = "heliograph.lab.cut"
"""ASGI scope extension put there by the lab's HTTP protocol: a function that closes the connection at once."""

JSON = "application/json; charset=utf-8"
SERVER_MAX_BODY = 64 * 1024 * 1024


class Call:
    """A request: `headers` with lower-case names, the raw `body`, the path's parameter if it has one.

    `document` is the body as JSON, or UNSET if it isn't JSON.
    """

    __slots__ = ("body", "document", "headers", "parameter")

    def __init__(self, headers: dict[str, str], body: bytes, parameter: str = "") -> None:
        self.headers = headers
        self.body = body
        self.parameter = parameter
        self.document = _json(body)


def _json(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return msgspec.UNSET


class Letter(Struct):
    """What a call carries for one recipient. `to` is empty where the call is too broken to tell."""

    to: str
    content: Content


class Reply(Struct):
    """An answer. `lost` = the provider did what it says, but the connection ends before the answer leaves.

    `parts` has what became of each letter, as (accepted, provider_id), where one call is taken in part.
    """

    status: int
    body: bytes = b""
    headers: dict[str, str] = {}
    media_type: str = JSON
    accepted: bool = False
    provider_id: str = ""
    lost: bool = False
    parts: list[tuple[bool, str]] = []


class HttpProvider(Protocol):
    """One provider spoken to over HTTP; one file each."""

    name: str

    def read(self, call: Call) -> list[Letter]:
        """Whom the call is for; at least one letter, however broken the call is."""
        ...

    async def answer(self, call: Call, letters: list[Letter], verdict: Verdict) -> Reply:
        """The provider's answer; `verdict` is pass, fail or throttle."""
        ...


async def exchange(
    request: Request[Any, Any, Any], provider: HttpProvider, gate: Gate, inbox: Inbox, parameter: str = ""
) -> Response[bytes]:
    """Run one call through fault, provider and journal."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.scope["headers"]}
    call = Call(headers, await request.body(), parameter)
    letters = provider.read(call)
    verdict = gate.judge()
    if verdict.kind in ("drop", "hang"):
        _record(inbox, provider, call, letters, Reply(0))
        if verdict.kind == "hang":
            await _until_released(request, gate)
        return await _cut(request)
    reply = await provider.answer(call, letters, verdict)
    _record(inbox, provider, call, letters, reply)
    await gate.linger()
    if reply.lost:
        return await _cut(request)
    return Response(reply.body, status_code=reply.status, headers=reply.headers, media_type=reply.media_type)


def _record(inbox: Inbox, provider: HttpProvider, call: Call, letters: list[Letter], reply: Reply) -> None:
    size = len(call.body) // len(letters)
    parts = reply.parts or [(reply.accepted, reply.provider_id)] * len(letters)
    for letter, (accepted, provider_id) in zip(letters, parts, strict=True):
        inbox.add(
            provider.name,
            letter.to,
            letter.content,
            accepted=accepted,
            status=0 if reply.lost else reply.status,
            provider_id=provider_id,
            size=size,
        )


async def _until_released(request: Request[Any, Any, Any], gate: Gate) -> None:
    """Hang until the fault is replaced or the client gives up."""
    waits = [asyncio.ensure_future(gate.replaced()), asyncio.ensure_future(_gone(request))]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


async def _gone(request: Request[Any, Any, Any]) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _cut(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Close the connection without an answer. The returned response goes nowhere; ASGI wants one."""
    cut: Callable[[], None] = request.scope["extensions"][CUT_EXTENSION]  # type: ignore[index,assignment]
    cut()
    await _gone(request)
    return Response(b"", status_code=503)
