"""Expo: pushes share requests, each gets its own outcome, and what Expo refused as a whole is sent in parts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import pytest

from heliograph.core.model import PushMessage
from heliograph.core.outcomes import (
    Delivered,
    Misconfigured,
    ProviderOutcome,
    Rejected,
    Throttled,
    Unavailable,
    Unregistered,
)
from heliograph.providers.expo import Expo
from heliograph.providers.http import LOST, NO_CONNECTION, SILENT, Answer, Failed

NOW = 1_700_000_000_000
Rule = Callable[[list[str]], Any]


class Service:
    """Stands in for `Http`: answers each request by a rule, which gets its tokens; notes them."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.requests: list[list[str]] = []
        self.headers: list[Mapping[str, str]] = []
        self.urls: list[str] = []
        self.open = asyncio.Event()
        self.open.set()
        self.crowded = asyncio.Event()
        self.together = self.most = 0
        self.timeout_s = 10.0
        self.closed = False

    async def post(
        self, url: str, headers: Mapping[str, str], body: bytes, deadline: float | None = None
    ) -> Answer | Failed:
        self.together += 1
        self.most = max(self.most, self.together)
        if self.together == 6:
            self.crowded.set()
        entries = msgspec.json.decode(body)
        tokens = [one["to"] for one in entries] if isinstance(entries, list) else entries["ids"]
        self.requests.append(tokens)
        self.headers.append(headers)
        self.urls.append(url)
        await self.open.wait()
        self.together -= 1
        found = self.rule(tokens)
        return found if isinstance(found, Failed) else Answer(found[0], {}, msgspec.json.encode(found[1]))

    async def close(self) -> None:
        self.closed = True


def fine(tokens: list[str]) -> Any:
    return 200, {"data": [{"status": "ok", "id": f"ticket-{token}"} for token in tokens]}


def refused(status: int, code: str, details: Any = None) -> Any:
    return status, {"errors": [{"code": code, "message": "x", "details": details}]}


def provider_of(service: Service, token: str = "") -> Expo:
    made: Any = service
    return Expo("https://exp.host/", made, token, lambda: NOW)


def push(token: str) -> PushMessage:
    return PushMessage(kind="expo", token=token, title="Shipped", body="It left.")


async def send(provider: Expo, *tokens: str) -> list[ProviderOutcome]:
    return list(await asyncio.gather(*(provider.send(push(token)) for token in tokens)))


async def test_pushes_at_the_same_time_share_a_request() -> None:
    """Each gets its own ticket; the address is Expo's."""
    service = Service(fine)
    assert await send(provider_of(service), "a", "b") == [
        Delivered("ticket-a", receipt=True), Delivered("ticket-b", receipt=True),
    ]  # fmt: skip
    assert service.requests == [["a", "b"]]
    assert service.urls == ["https://exp.host/--/api/v2/push/send"]
    assert "Authorization" not in service.headers[0]


async def test_a_hundred_a_request_and_six_requests_at_a_time() -> None:
    """As Expo asks for; everything gets through."""
    service = Service(fine)
    service.open.clear()
    provider = provider_of(service)
    sending = asyncio.gather(*(provider.send(push(str(number))) for number in range(1_050)))
    await service.crowded.wait()
    service.open.set()
    outcomes = await sending
    assert outcomes == [Delivered(f"ticket-{number}", receipt=True) for number in range(1_050)]
    assert service.most == 6
    assert sorted(len(tokens) for tokens in service.requests) == [50] + [100] * 10


async def test_the_account_s_token() -> None:
    """For accounts that insist on one."""
    service = Service(fine)
    provider = provider_of(service, "secret")
    await send(provider, "a")
    await provider.receipts(["t"])
    assert [headers["Authorization"] for headers in service.headers] == ["Bearer secret"] * 2


async def test_every_push_has_its_own_outcome() -> None:
    """Tickets come in the order of the messages."""
    bad = {"status": "error", "message": "x", "details": {"error": "DeviceNotRegistered"}}
    service = Service(lambda tokens: (200, {"data": [{"status": "ok", "id": "t"}, bad]}))
    assert await send(provider_of(service), "a", "b") == [
        Delivered("t", receipt=True), Unregistered("expo ticket DeviceNotRegistered"),
    ]  # fmt: skip


async def test_tickets_that_are_not_one_each_tell_nothing() -> None:
    """Whose are they?"""
    service = Service(lambda tokens: (200, {"data": [{"status": "ok", "id": "t"}]}))
    unknown = Unavailable("expo: not one ticket each", unknown=True)
    assert await send(provider_of(service), "a", "b") == [unknown, unknown]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (refused(429, "TOO_MANY_REQUESTS"), Throttled("expo 429 TOO_MANY_REQUESTS")),
        (refused(401, "UNAUTHORIZED"), Misconfigured("expo 401 UNAUTHORIZED")),
        (refused(500, "INTERNAL_SERVER_ERROR"), Unavailable("expo 500 INTERNAL_SERVER_ERROR")),
        (NO_CONNECTION, Unavailable("expo: no connection")),
        (SILENT, Unavailable("expo: no answer in time", unknown=True)),
        (LOST, Unavailable("expo: connection lost", unknown=True)),
    ],
)
async def test_what_is_true_of_all(found: Any, expected: ProviderOutcome) -> None:
    """A request that failed for no fault of its messages is not sent again."""
    service = Service(lambda tokens: found)
    assert await send(provider_of(service), "a", "b", "c") == [expected] * 3
    assert len(service.requests) == 1


async def test_the_guilty_one_alone_is_refused() -> None:
    """One that Expo can't read must not hold its neighbours."""
    service = Service(lambda tokens: refused(400, "VALIDATION_ERROR") if "13" in tokens else fine(tokens))
    outcomes = await send(provider_of(service), *(str(number) for number in range(100)))
    assert outcomes.pop(13) == Rejected("expo 400 VALIDATION_ERROR")
    assert all(isinstance(outcome, Delivered) for outcome in outcomes)
    assert len(service.requests) < 20
    taken = [token for tokens in service.requests if "13" not in tokens for token in tokens]
    assert len(taken) == len(set(taken)) == 99


async def test_projects_are_sent_apart() -> None:
    """Expo takes one project a request, and says which token belongs where."""
    service = Service(
        lambda tokens: (
            refused(400, "PUSH_TOO_MANY_EXPERIENCE_IDS", {"@x/a": ["a1", "a2"], "@x/b": ["b1"]})
            if {"a1", "b1"} <= set(tokens)
            else fine(tokens)
        )
    )
    outcomes = await send(provider_of(service), "a1", "b1", "a2")
    assert outcomes == [Delivered(f"ticket-{token}", receipt=True) for token in ("a1", "b1", "a2")]
    assert service.requests[1:] == [["a1", "a2"], ["b1"]]


async def test_a_refusal_that_names_nobody_ends() -> None:
    """Whatever is said of projects, each part is smaller than the whole."""
    service = Service(lambda tokens: refused(400, "PUSH_TOO_MANY_EXPERIENCE_IDS", {"@x/a": ["z1"], "@x/b": ["z2"]}))
    outcomes = await send(provider_of(service), "a", "b", "c")
    assert outcomes == [Rejected("expo 400 PUSH_TOO_MANY_EXPERIENCE_IDS")] * 3
    assert len(service.requests) == 5


async def test_who_has_waited_too_long_is_not_sent() -> None:
    """What is left of the time must do for an answer; it certainly wasn't sent."""
    service = Service(fine)
    service.open.clear()
    provider = provider_of(service)
    first = [asyncio.ensure_future(provider.send(push(str(number)))) for number in range(600)]
    await service.crowded.wait()
    service.timeout_s = 4.0
    late = [asyncio.ensure_future(provider.send(push(f"late {number}"))) for number in range(3)]
    await asyncio.sleep(0)
    service.timeout_s = 10.0
    service.open.set()
    assert await asyncio.gather(*late) == [Unavailable("expo: no free connection in time")] * 3
    assert all(isinstance(outcome, Delivered) for outcome in await asyncio.gather(*first))
    assert len(service.requests) == 6


async def test_receipts() -> None:
    """Those that there are by now."""
    bad = {"status": "error", "message": "x", "details": {"error": "DeviceNotRegistered"}}
    service = Service(lambda ids: (200, {"data": {"t1": {"status": "ok"}, "t2": bad}}))
    assert await provider_of(service).receipts(["t1", "t2", "t3"]) == {
        "t1": Delivered(final=True), "t2": Unregistered("expo receipt DeviceNotRegistered"),
    }  # fmt: skip
    assert (service.urls, service.requests) == (["https://exp.host/--/api/v2/push/getReceipts"], [["t1", "t2", "t3"]])


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (refused(429, "TOO_MANY_REQUESTS"), Throttled("expo 429 TOO_MANY_REQUESTS")),
        (SILENT, Unavailable("expo: no answer in time")),
    ],
)
async def test_no_receipts(found: Any, expected: ProviderOutcome) -> None:
    """Why there are none; asking may be repeated, so nothing is unknown."""
    assert await provider_of(Service(lambda ids: found)).receipts(["t1"]) == expected


async def test_closes_its_pool() -> None:
    """Nothing stays open."""
    service = Service(fine)
    await provider_of(service).close()
    assert service.closed
