"""Provider: Expo's push service: up to a hundred pushes a request, a ticket for each, and receipts later.

Reads `PushMessage`s one by one; those that are sent while requests are under way share the next one (batching.py).
Writes `POST {base}/--/api/v2/push/send` and `…/getReceipts`. What a push looks like stands in expo_message.py, what
answers mean in expo_codes.py. The only thing it sends twice is what Expo has refused as part of a whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from heliograph.batching import Batcher
from heliograph.core.model import PushMessage
from heliograph.core.outcomes import ProviderOutcome, Unavailable
from heliograph.core.ports import Clock
from heliograph.providers.expo_codes import (
    Result,
    projects_in,
    receipt_outcome,
    receipts_of,
    refusal_outcome,
    ticket_outcome,
    tickets_of,
)
from heliograph.providers.expo_message import entry_of
from heliograph.providers.http import CROWDED, Answer, Failed, Http
from heliograph.providers.waiting import wall_clock

KINDS: Final = frozenset({"expo"})
MAX_MESSAGES: Final = 100
MAX_RECEIPTS: Final = 1_000
_REQUESTS: Final = 6
"""Expo asks for no more connections than that at a time."""
_HIGH_WATER: Final = 100_000
"""Far more than a process has in hand at once."""

_encode: Final = msgspec.json.Encoder().encode


class _Waiting(NamedTuple):
    entry: dict[str, Any]
    deadline: float


class Expo:
    """The projects of one account.

    Args:
        base_url: `https://exp.host`.
        access_token: for accounts that insist on one ("enhanced security for push notifications"); empty = none.
    """

    name = "expo"
    kinds: frozenset[str] = KINDS

    def __init__(self, base_url: str, http: Http, access_token: str = "", clock: Clock = wall_clock) -> None:
        self._url = f"{base_url.rstrip('/')}/--/api/v2/push"
        self._headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if access_token:
            self._headers["Authorization"] = f"Bearer {access_token}"
        self._http = http
        self._clock = clock
        self._batcher: Batcher[_Waiting, ProviderOutcome] = Batcher(
            self._flush, limit=MAX_MESSAGES, flushes=_REQUESTS, high_water=_HIGH_WATER
        )

    async def send(self, message: PushMessage) -> ProviderOutcome:
        """Takes as long as one post of `http` may take, waiting for a place in a request included."""
        deadline = asyncio.get_running_loop().time() + self._http.timeout_s
        return await self._batcher.submit(_Waiting(entry_of(message), deadline))

    async def receipts(self, ids: Sequence[str]) -> Mapping[str, ProviderOutcome] | ProviderOutcome:
        """See `core.ports.ReceiptProvider`; at most `MAX_RECEIPTS` ids."""
        answer = await self._http.post(f"{self._url}/getReceipts", self._headers, _encode({"ids": ids}))
        if isinstance(answer, Failed):
            return Unavailable(f"expo: {answer.cause}")
        found = receipts_of(answer)
        if found is None:
            return refusal_outcome(answer, self._clock())
        return {name: receipt_outcome(receipt) for name, receipt in found.items()}

    async def close(self) -> None:
        await self._http.close()

    async def _flush(self, group: Sequence[_Waiting]) -> Sequence[ProviderOutcome]:
        """Who has waited more than half of their time is not sent: what is left must do for an answer."""
        now = asyncio.get_running_loop().time()
        late = now + self._http.timeout_s / 2
        going = [one for one in group if one.deadline >= late]
        sent = iter(await self._send([one.entry for one in going], min((one.deadline for one in going), default=now)))
        crowded = Unavailable(f"expo: {CROWDED.cause}")
        return [next(sent) if one.deadline >= late else crowded for one in group]

    async def _send(self, entries: Sequence[dict[str, Any]], deadline: float) -> Sequence[ProviderOutcome]:
        """One request. If Expo refused it for what some of its messages are, it is sent in parts."""
        if not entries:
            return []
        answer = await self._http.post(f"{self._url}/send", self._headers, _encode(entries), deadline)
        if isinstance(answer, Failed):
            return [Unavailable(f"expo: {answer.cause}", unknown=answer.unknown)] * len(entries)
        tickets = tickets_of(answer)
        if tickets is not None:
            return _one_each(tickets, len(entries))
        parts = _parts(answer, entries)
        if not parts:
            return [refusal_outcome(answer, self._clock())] * len(entries)
        return await _in_parts(entries, parts, lambda part: self._send(part, deadline))


def _one_each(tickets: Sequence[Result], count: int) -> Sequence[ProviderOutcome]:
    """Tickets come in the order of the messages. Any other number of them tells nothing."""
    if len(tickets) != count:
        return [Unavailable("expo: not one ticket each", unknown=True)] * count
    return [ticket_outcome(ticket) for ticket in tickets]


def _parts(answer: Answer, entries: Sequence[dict[str, Any]]) -> list[list[int]]:
    """What to send anew, as indices of `entries`; nothing, if that would change nothing."""
    if len(entries) == 1 or answer.status not in (400, 413):
        return []
    project_of = {token: number for number, tokens in enumerate(projects_in(answer)) for token in tokens}
    parts: dict[int, list[int]] = {}
    for index, entry in enumerate(entries):
        parts.setdefault(project_of.get(entry["to"], -1), []).append(index)
    if len(parts) > 1:
        return list(parts.values())
    half = len(entries) // 2  # and so on, until the guilty ones alone are refused
    return [[*range(half)], [*range(half, len(entries))]]


async def _in_parts(
    entries: Sequence[dict[str, Any]],
    parts: Sequence[Sequence[int]],
    send: Callable[[Sequence[dict[str, Any]]], Awaitable[Sequence[ProviderOutcome]]],
) -> Sequence[ProviderOutcome]:
    found: dict[int, ProviderOutcome] = {}
    for part in parts:
        found |= zip(part, await send([entries[index] for index in part]), strict=True)
    return [found[index] for index in range(len(entries))]
