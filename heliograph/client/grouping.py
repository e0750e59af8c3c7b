"""Natural batching of sends: concurrent ones with the same content share one request.

No timer and no minimum: a send leaves at once while the line is free; what comes while requests are under way waits,
and leaves in groups of one content, the most urgent type first. Each caller gets its own notification's id, and its own
error: what a group is refused for is tried again one by one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import uuid4

import msgspec
from msgspec.structs import replace

from heliograph.client.errors import ServerError, ValidationError
from heliograph.client.shapes import Sent, SentList
from heliograph.client.transport import Answer

MAX_GROUP: Final = 1_000
MAX_BYTES: Final = 200 * 1024
"""Below the server's limit of 256 KiB for a body."""
_TYPES: Final = ("transactional", "alert", "marketing")

Post = Callable[[bytes], Awaitable[Answer]]
"""Posts the body of a send, as often as it takes. Raises `HeliographError`."""


class Waiting:
    """One send that hasn't left. `alone` = it must not share a request."""

    def __init__(self, message: Mapping[str, Any]) -> None:
        content = {name: value for name, value in message.items() if name not in ("to", "idempotency_key")}
        key = message.get("idempotency_key")
        self.to = msgspec.json.encode(message["to"])
        self.content = msgspec.json.encode(content, order="deterministic")
        self.level = _TYPES.index(content["type"]) if content.get("type") in _TYPES else 1
        self.key = new_key() if key is None else key
        self.alone = key is not None
        self.future: asyncio.Future[Sent] = asyncio.get_running_loop().create_future()


class Sends:
    """Args:
    in_flight: requests under way at a time.
    """

    def __init__(self, post: Post, in_flight: int) -> None:
        self._post = post
        self._free = in_flight
        self._waiting: list[dict[object, deque[Waiting]]] = [{} for _ in _TYPES]
        self._running: set[asyncio.Task[None]] = set()
        self._due = False

    def submit(self, messages: Iterable[Mapping[str, Any]]) -> list[asyncio.Future[Sent]]:
        """One future for each; what is cancelled before it left isn't sent. Raises TypeError if one of them holds what
        JSON has no form for, and KeyError if one has no `to`: then none is sent."""
        made = [Waiting(message) for message in messages]
        for one in made:
            self._line_up(one)
        return [one.future for one in made]

    def _line_up(self, one: Waiting) -> None:
        self._waiting[one.level].setdefault(one if one.alone else one.content, deque()).append(one)
        if not self._due:
            # Everyone who is ready to run now gets on board before the first request leaves.
            self._due = True
            asyncio.get_running_loop().call_soon(self._leave)

    def _leave(self) -> None:
        self._due = False
        while self._free and (group := self._next_group()):
            self._free -= 1
            task = asyncio.get_running_loop().create_task(self._carry(group))
            self._running.add(task)
            task.add_done_callback(self._back)

    def _back(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._free += 1
        self._leave()

    def _next_group(self) -> list[Waiting]:
        for by_content in self._waiting:
            while by_content:
                content, line = next(iter(by_content.items()))
                group = _board(line)
                if not line:
                    del by_content[content]
                if group:
                    return group
        return []

    async def _carry(self, group: Sequence[Waiting]) -> None:
        try:
            answers = await (self._send_one(group[0]) if len(group) == 1 else self._send_list(group))
        except ValidationError as error:
            self._refused(group, error)
        except Exception as error:  # noqa: BLE001 - whatever it is, its callers must hear it
            _fail(group, error)
        else:
            for one, answer in zip(group, answers, strict=True):
                if not one.future.done():
                    one.future.set_result(answer)

    async def _send_one(self, one: Waiting) -> Sequence[Sent]:
        answer = await self._post(body_of(one.to, one.content, one.key))
        return [replace(answer.read(Sent), replayed=answer.replayed)]

    async def _send_list(self, group: Sequence[Waiting]) -> Sequence[Sent]:
        to = b"[" + b",".join(one.to for one in group) + b"]"
        answer = await self._post(body_of(to, group[0].content, new_key()))
        ids = answer.read(SentList).ids
        if len(ids) != len(group):
            raise ServerError(f"{len(ids)} ids for {len(group)} recipients", code="unreadable", status=answer.status)
        return [Sent(id=id_) for id_ in ids]

    def _refused(self, group: Sequence[Waiting], error: ValidationError) -> None:
        """Nothing of the group was accepted, and perhaps for one recipient's sake: each is asked for by itself."""
        if len(group) == 1:
            _fail(group, error)
            return
        for one in group:
            one.alone = True
            self._line_up(one)

    async def settled(self) -> None:
        """Returns when everything submitted so far has its answer."""
        while self._due or self._running:
            await (asyncio.wait(set(self._running)) if self._running else asyncio.sleep(0))


def _board(line: deque[Waiting]) -> list[Waiting]:
    """Takes from the line what fits into one request; who gave up meanwhile doesn't travel."""
    group: list[Waiting] = []
    size = 0
    while line and len(group) < MAX_GROUP:
        size += len(line[0].to) + 1
        if group and size + len(line[0].content) > MAX_BYTES:
            break
        one = line.popleft()
        if not one.future.done():
            group.append(one)
    return group


def new_key() -> str:
    """An idempotency key: the same send may then be asked for again and again."""
    return str(uuid4())


def body_of(to: bytes, content: bytes, key: object) -> bytes:
    """The JSON of a send, of its JSON parts."""
    rest = content.removeprefix(b"{")
    comma = b"," if len(rest) > 1 else b""
    return b'{"to":' + to + b',"idempotency_key":' + msgspec.json.encode(key) + comma + rest


def _fail(group: Sequence[Waiting], error: Exception) -> None:
    for one in group:
        if not one.future.done():
            one.future.set_exception(error)
