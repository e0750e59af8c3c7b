"""Natural batching of sends: when more wait than lines are free, they share bulk requests, whatever each of them says.

No timer and no minimum: while there is a free line for everyone, each send leaves at once and by itself. Else those
that wait leave together, the most urgent type first and types apart. Each caller gets its own notification's id, or its
own error.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import uuid4

import msgspec

from heliograph.client.errors import ServerError, refusal_of
from heliograph.client.shapes import Sent
from heliograph.client.transport import Answer

MAX_GROUP: Final = 1_000
MAX_BYTES: Final = 900 * 1024
"""Heliograph takes 5 MiB, but 1 MiB is what many a proxy takes by default."""
_TYPES: Final = ("transactional", "alert", "marketing")

Post = Callable[[str, bytes, Mapping[str, str]], Awaitable[Answer]]
"""Posts a body to a path, with these headers, as often as it takes. Raises `HeliographError`."""


class _Waiting:
    """One send that hasn't left. `own_key` = its caller gave it an idempotency key."""

    def __init__(self, message: Mapping[str, Any]) -> None:
        kind = message.get("type")
        self.body = msgspec.json.encode(message)
        self.own_key = message.get("idempotency_key") is not None
        self.level = _TYPES.index(kind) if kind in _TYPES else _TYPES.index("alert")
        self.future: asyncio.Future[Sent] = asyncio.get_running_loop().create_future()


class _Rejected(msgspec.Struct):
    index: int
    code: str
    detail: str


class _Bulk(msgspec.Struct):
    ids: list[str | None]
    rejected: list[_Rejected]


class Sends:
    """Args:
    in_flight: requests under way at a time.
    """

    def __init__(self, post: Post, in_flight: int) -> None:
        self._post = post
        self._free = in_flight
        self._lines: list[deque[_Waiting]] = [deque() for _ in _TYPES]
        self._running: set[asyncio.Task[None]] = set()
        self._due = False

    def submit(self, messages: Iterable[Mapping[str, Any]]) -> list[asyncio.Future[Sent]]:
        """One future for each; what is cancelled before it left isn't sent. Raises TypeError if one of them holds what
        JSON has no form for: then none is sent."""
        made = [_Waiting(message) for message in messages]
        for one in made:
            self._lines[one.level].append(one)
        if made and not self._due:
            # Everyone who is ready to run now gets on board before the first request leaves.
            self._due = True
            asyncio.get_running_loop().call_soon(self._leave)
        return [one.future for one in made]

    def _leave(self) -> None:
        self._due = False
        while self._free and (group := self._next_group(1 if self._waiting <= self._free else MAX_GROUP)):
            self._free -= 1
            task = asyncio.get_running_loop().create_task(self._carry(group))
            self._running.add(task)
            task.add_done_callback(self._back)

    def _back(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._free += 1
        self._leave()

    @property
    def _waiting(self) -> int:
        return sum(map(len, self._lines))

    def _next_group(self, most: int) -> list[_Waiting]:
        for line in self._lines:
            if group := _board(line, most):
                return group
        return []

    async def _carry(self, group: Sequence[_Waiting]) -> None:
        try:
            answers = await (self._send(group[0]) if len(group) == 1 else self._send_together(group))
        except Exception as error:  # noqa: BLE001 - whatever it is, its callers must hear it
            answers = [error] * len(group)
        for one, answer in zip(group, answers, strict=True):
            if one.future.done():
                continue
            if isinstance(answer, Sent):
                one.future.set_result(answer)
            else:
                one.future.set_exception(answer)

    async def _send(self, one: _Waiting) -> Sequence[Sent | Exception]:
        answer = await self._post("/v1/send", one.body, {} if one.own_key else new_key())
        return [msgspec.structs.replace(answer.read(Sent), replayed=answer.replayed)]

    async def _send_together(self, group: Sequence[_Waiting]) -> Sequence[Sent | Exception]:
        body = b"[" + b",".join(one.body for one in group) + b"]"
        answer = await self._post("/v1/send/bulk", body, new_key())
        found = answer.read(_Bulk)
        refused = {one.index: refusal_of(one.code, one.detail) for one in found.rejected}
        if len(found.ids) != len(group) or set(refused) != {n for n, id_ in enumerate(found.ids) if id_ is None}:
            raise ServerError("the answer doesn't fit the request", code="unreadable", status=answer.status)
        return [
            refused[place] if id_ is None else Sent(id=id_, replayed=None if one.own_key else False)
            for place, (one, id_) in enumerate(zip(group, found.ids, strict=True))
        ]

    async def settled(self) -> None:
        """Returns when everything submitted so far has its answer."""
        while self._due or self._running:
            await (asyncio.wait(set(self._running)) if self._running else asyncio.sleep(0))


def new_key() -> dict[str, str]:
    """The header with an idempotency key: the same bytes may then be posted again and again."""
    return {"Idempotency-Key": str(uuid4())}


def _board(line: deque[_Waiting], most: int) -> list[_Waiting]:
    """Takes from the line what fits into one request, so many at the most; who gave up meanwhile doesn't travel."""
    group: list[_Waiting] = []
    size = 0
    while line and len(group) < most:
        size += len(line[0].body) + 1
        if group and size > MAX_BYTES:
            break
        one = line.popleft()
        if not one.future.done():
            group.append(one)
    return group
