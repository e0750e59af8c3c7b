"""Many mails at once, as bulk sends of 10,000: the crowd of `priority` and the backlog of `recovery`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from heliograph.bench.body import send
from heliograph.bench.servers import Server

_BULK: Final = 10_000
BEFORE_OUTBOX: Final = ("ingest", "email")
"""Lanes that a mail has left when it waits for the provider's pace."""


async def send_crowd(system: Server, count: int, kind: str) -> None:
    """One bulk after the other; durable when it returns. Recipients are offline, each with an address of their own."""
    for bulk in _bulks(count, kind):
        answer = await system.call("POST", "/v1/send/bulk", bulk)
        if answer["rejected"]:
            raise RuntimeError(f"rejected: {answer['rejected'][0]}")


def _bulks(count: int, kind: str) -> Iterator[list[dict[str, Any]]]:
    for start in range(0, count, _BULK):
        yield [_one(number, kind) for number in range(start, min(start + _BULK, count))]


def _one(number: int, kind: str) -> dict[str, Any]:
    user = {"id": f"crowd-{number}", "email": f"crowd-{number}@example.com"}
    return send(user, str(number), kind) | {"title": "Our offers of this week", "channels": ["email"]}
