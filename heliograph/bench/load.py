"""The load generator: a process of its own, so that it shares no interpreter with anything it measures.

`python -m heliograph.bench.load` reads one `Plan` as JSON from its standard input and writes one `Outcome` as JSON to
its standard output. Closed loop (as fast as the answers come) or open loop (at a rate, whatever the answers do: a
latency counts from the moment at which the request was meant to leave, so a stall is felt by everybody it would have
kept waiting).
"""

from __future__ import annotations

import asyncio
import resource
import sys
import time
from collections import Counter, deque
from functools import partial
from typing import Final

import msgspec
import uvloop

from heliograph.bench.histogram import Histogram
from heliograph.bench.http_client import Connection, request
from heliograph.bench.socket_client import Page

_AFTER_S: Final = 5.0
"""How long answers and notifications are waited for when the last request has left."""
_CLOSED: Final = 0
"""Stands among the HTTP statuses for a connection that the server closed."""
_MARK: Final = b"#"
"""Before the request's number in what arrives over a WebSocket."""
_DIGITS: Final = 9
_SWITCH_INTERVAL_S: Final = 1e-4


class Plan(msgspec.Struct, kw_only=True):
    """
    port: of 127.0.0.1.
    rate: requests a second, open loop; None = closed loop.
    body: JSON with `$N`, replaced by the request's number in nine digits, and `$U`, replaced by a user's.
    users: how many users the requests go to in turn.
    tokens: one WebSocket for each, of the users 0 ... n-1, in order.
    first: number of the first request, so that no two runs send the same.
    stamps: keep when each request was meant to leave; for arrivals that are seen elsewhere.
    """

    port: int
    path: str = "/v1/send"
    key: str
    body: str
    users: int
    connections: int
    rate: float | None = None
    seconds: float
    warmup_s: float
    tokens: list[str] = []
    first: int = 0
    stamps: bool = False


class Outcome(msgspec.Struct, kw_only=True):
    """
    seconds, requests: what was measured, without the warm-up. whole_s, answered, cpu_s: all in all, with it; `cpu_s` is
        what the load generator itself used.
    began_at: when the first request left, seconds since 1970.
    answers: histogram of request to answer; arrivals: of request to WebSocket.
    statuses: answers per HTTP status. lost: notifications that never arrived.
    meant_at, answered_at: with `Plan.stamps`: by request, seconds since 1970.
    """

    seconds: float
    whole_s: float
    requests: int
    answered: int
    answers: list[tuple[int, int]]
    arrivals: list[tuple[int, int]] = []
    statuses: dict[int, int]
    lost: int = 0
    cpu_s: float
    began_at: float = 0.0
    meant_at: dict[int, float] = {}
    answered_at: dict[int, float] = {}


class Load:
    """One run of a plan."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._parts = _parts(plan)
        self._number = plan.first
        self._free: deque[Connection] = deque()
        self._all: list[Connection] = []
        self._waiting: deque[int] = deque()
        self._in_flight = 0
        self._statuses: Counter[int] = Counter()
        self._answers: list[int] = []
        self._arrivals: list[int] = []
        self._sent: dict[int, int] = {}
        self._meant_at: dict[int, float] = {}
        self._answered_at: dict[int, float] = {}
        self._carries: dict[Connection, int] = {}
        self._epoch = time.time() - time.perf_counter()
        self._counting = False
        self._going = True

    async def run(self) -> Outcome:
        pages = await self._open()
        cpu, began = _cpu_s(), time.perf_counter()
        work = asyncio.create_task(self._at_rate(self._plan.rate) if self._plan.rate else self._flat_out())
        await asyncio.sleep(self._plan.warmup_s)
        self._counting, started = True, time.perf_counter()
        await asyncio.sleep(self._plan.seconds)
        await self._first_answer()
        self._counting, self._going = False, False
        seconds = time.perf_counter() - started
        await work
        whole_s = time.perf_counter() - began
        await self._settled()
        for connection in self._all:
            connection.close()
        for page in pages:
            page.close()
        return Outcome(
            seconds=seconds,
            whole_s=whole_s,
            requests=len(self._answers),
            answered=self._number - self._plan.first - self._in_flight,
            answers=Histogram.of_ns(self._answers).to_json(),
            arrivals=Histogram.of_ns(self._arrivals).to_json(),
            statuses=dict(self._statuses),
            lost=len(self._sent),
            began_at=self._epoch + began,
            meant_at=self._meant_at,
            answered_at=self._answered_at,
            cpu_s=_cpu_s() - cpu,
        )

    async def _open(self) -> list[Page]:
        loop = asyncio.get_running_loop()
        pages = []
        for token in self._plan.tokens:
            _, page = await loop.create_connection(partial(Page, token, self._arrived), "127.0.0.1", self._plan.port)
            await page.connected
            pages.append(page)
        for _ in range(self._plan.connections):
            made = partial(Connection, self._answered, self._lost)
            _, connection = await loop.create_connection(made, "127.0.0.1", self._plan.port)
            self._all.append(connection)
            self._free.append(connection)
        return pages

    async def _flat_out(self) -> None:
        while self._free:
            self._send(self._free.popleft(), None)

    async def _at_rate(self, rate: float) -> None:
        """Every request has its moment. A thread keeps the time: the loop itself knows whole milliseconds only, and
        a loop that spins until the moment has come takes a core from what it measures."""
        sys.setswitchinterval(_SWITCH_INTERVAL_S)
        await asyncio.to_thread(self._keep_time, int(1e9 / rate), asyncio.get_running_loop())

    def _keep_time(self, step: int, loop: asyncio.AbstractEventLoop) -> None:
        due = time.perf_counter_ns()
        while self._going:
            loop.call_soon_threadsafe(self._meant, due)
            due += step
            time.sleep(max(0.0, (due - time.perf_counter_ns()) / 1e9))

    def _meant(self, due: int) -> None:
        self._waiting.append(due)
        self._send_waiting()

    def _send_waiting(self) -> None:
        while self._free and self._waiting:
            self._send(self._free.popleft(), self._waiting.popleft())

    def _send(self, connection: Connection, since: int | None) -> None:
        number = self._number
        self._number += 1
        self._in_flight += 1
        if self._plan.tokens and self._counting and since is not None:
            self._sent[number] = since
        if self._plan.stamps and self._counting and since is not None:
            self._meant_at[number] = self._epoch + since / 1e9
            self._carries[connection] = number
        connection.send(self._request(number), since)

    def _request(self, number: int) -> bytes:
        head, *parts = self._parts
        pieces = [head]
        for kind, text in zip(parts[::2], parts[1::2], strict=True):
            pieces += [b"%09d" % (number if kind == b"N" else number % self._plan.users), text]
        return b"".join(pieces)

    def _answered(self, connection: Connection, status: int, took_ns: int) -> None:
        self._in_flight -= 1
        if (number := self._carries.pop(connection, None)) is not None:
            self._answered_at[number] = self._epoch + time.perf_counter()
        if self._counting:
            self._statuses[status] += 1
            self._answers.append(took_ns)
        if self._plan.rate is None and self._going:
            self._send(connection, None)
            return
        self._free.append(connection)
        self._send_waiting()

    def _arrived(self, text: bytes, now: int) -> None:
        at = text.find(_MARK) + 1
        since = self._sent.pop(int(text[at : at + _DIGITS]), None)
        if since is not None:
            self._arrivals.append(now - since)

    def _lost(self) -> None:
        if self._going:
            self._statuses[_CLOSED] += 1

    async def _first_answer(self) -> None:
        """A time in which nothing was answered has no rate: it goes on until something is."""
        until = time.perf_counter() + _AFTER_S
        while not self._answers and time.perf_counter() < until:  # noqa: ASYNC110
            await asyncio.sleep(0.02)

    async def _settled(self) -> None:
        """What is on its way arrives, or counts as lost."""
        until = time.perf_counter() + _AFTER_S
        while (self._in_flight or self._waiting or self._sent) and time.perf_counter() < until:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def _parts(plan: Plan) -> list[bytes]:
    """The request cut at `$N` and `$U`: text, kind, text, kind, text ..."""
    body = plan.body.replace("$N", "$N0000000").replace("$U", "$U0000000")
    parts: list[bytes] = []
    for piece in request("POST", plan.path, plan.key, body.encode()).split(b"$"):
        parts += [piece[:1], piece[_DIGITS - 1 :]] if parts else [piece]
    return parts


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    plan = msgspec.json.decode(sys.stdin.buffer.read(), type=Plan)

    async def run() -> Outcome:
        return await Load(plan).run()

    sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(run())))


if __name__ == "__main__":
    main()
