"""Quotas as callers meet them: 429 with a time, counted by all processes together, and never in the way of a cache that
is away (attack 25)."""

from __future__ import annotations

from typing import Any

import pytest

from heliograph.access import create_key
from heliograph.core.errors import Problem
from heliograph.core.keys import ApiKey
from heliograph.core.sending import RecipientInput
from heliograph.quotas import Quotas
from heliograph.roles.api import bulk, sending
from heliograph.testing.cells import MemoryCells
from heliograph.web import application
from tests.unit.given import FakeClock
from tests.unit.roles.api.service import Answer, Service, call


def key(**fields: Any) -> ApiKey:
    return ApiKey(digest="d", tenant="acme", prefix="p", created_at=0, **fields)


async def passed(quotas: Quotas, one: ApiKey, times: int) -> int:
    """How many of so many requests went through."""
    count, refusals = 0, []
    for _ in range(times):
        try:
            await quotas.spend(one, 1)
        except Problem as problem:
            refusals.append(problem)
        else:
            count += 1
    assert {(one.kind.status, one.kind.code) for one in refusals} <= {(429, "quota_exceeded")}
    assert all(one.retry_after_s for one in refusals)
    return count


async def test_processes_count_together() -> None:
    """Ten times over the quota, through two of them: what it allows goes through, no more."""
    cells, clock = MemoryCells(), FakeClock()
    nodes = [Quotas(cells, clock, rate=5) for _ in range(2)]
    assert sum([await passed(node, key(), 25) for node in nodes]) == 5
    clock.forward(1)
    assert await passed(nodes[0], key(), 25) == 5


async def test_a_keys_own_quota_stands_above_the_settings() -> None:
    """More, less, or none at all."""
    quotas = Quotas(MemoryCells(), FakeClock(), rate=2, daily=3)
    assert await passed(quotas, key(rate=0.0, daily=0), 50) == 50
    assert await passed(quotas, ApiKey(digest="e", tenant="acme", prefix="p", created_at=0, rate=10.0), 50) == 3
    assert await passed(quotas, ApiKey(digest="f", tenant="acme", prefix="p", created_at=0, daily=50), 50) == 2


async def test_without_the_cache_each_process_counts_alone() -> None:
    """No send fails because of it, and none is for free; what was known before is not forgotten."""
    cells, clock = MemoryCells(), FakeClock()
    quotas = Quotas(cells, clock, rate=5)
    assert await passed(quotas, key(), 3) == 3
    cells.away = True
    assert await passed(quotas, key(), 50) == 2
    cells.away = False
    clock.forward(1)
    assert await passed(quotas, key(), 50) == 5


async def test_one_victim_whatever_they_are_called() -> None:
    """By address where there is one, in any case of letters; another tenant's users are others."""
    quotas = Quotas(MemoryCells(), FakeClock(), per_recipient=3)

    async def sent(tenant: str, *recipients: str | RecipientInput) -> bool:
        try:
            await quotas.spare(tenant, recipients)
        except Problem:
            return False
        return True

    def at(user: str, email: str) -> RecipientInput:
        return RecipientInput(id=user, email=email)

    assert [await sent("acme", at(f"u{n}", "Anna@acme.example")) for n in range(2)] == [True, True]
    assert await sent("acme", at("u7", "anna@ACME.example"))
    assert not await sent("acme", at("u8", "anna@acme.example"))
    assert await sent("acme", "u8")
    assert await sent("other", at("u8", "anna@acme.example"))


# --- over HTTP --------------------------------------------------------------------------------------------------------


class Limited:
    """An API with a quota of 5 a second for each key and of 10 a minute for each recipient."""

    def __init__(self) -> None:
        self.service = Service()
        quotas = Quotas(MemoryCells(), self.service.clock, rate=5, per_recipient=10)
        service = sending.Sending(self.service.store, self.service.queue, self.service.clock, 100, quotas=quotas)
        callers = self.service.callers
        handlers = [
            *sending.routes(service, callers, self.service.clock),
            *bulk.routes(bulk.BulkSending(service, self.service.store, self.service.clock), callers),
        ]
        self.app = application(handlers, ready=self.service.ready, before_metrics=self.service.refresh)

    async def post(self, path: str, body: bytes, secret: str) -> Answer:
        return await call(self.app, "POST", path, [body], {"authorization": f"Bearer {secret}"})


async def test_a_bombed_recipient_is_spared() -> None:
    """A hundred one-time passwords to one address: ten go out, and who sends them is told whom they are for."""
    limited = Limited()
    secret = await create_key(limited.service.store, "acme", 0, rate=0.0)
    body = b'{"to": {"id": "u", "email": "a@x.example"}, "type": "transactional", "title": "1234"}'
    answers = [await limited.post("/v1/send", body, secret) for _ in range(100)]
    assert [answer.status for answer in answers] == [202] * 10 + [429] * 90
    assert answers[-1].problem(429, "recipient_limited").keys() == {"to"}
    assert int(answers[-1].headers["retry-after"]) >= 1
    alert = body.replace(b"transactional", b"alert")
    assert (await limited.post("/v1/send", alert, secret)).status == 202


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/send", b'{"to": ["a", "b", "c", "d", "e"], "title": "x"}'),
        ("/v1/send/bulk", b"[" + b'{"to": "a", "title": "x"},' * 4 + b"{}]"),
    ],
)
async def test_a_quota_counts_notifications(path: str, body: bytes) -> None:
    """A list or a bulk of five is five; the next send waits, another key doesn't."""
    limited = Limited()
    secrets = [await create_key(limited.service.store, "acme", 0) for _ in range(2)]
    one = b'{"to": "a", "title": "x"}'
    assert (await limited.post(path, body, secrets[0])).status == 202
    refused = await limited.post("/v1/send", one, secrets[0])
    refused.problem(429, "quota_exceeded")
    assert refused.headers["retry-after"] == "1"
    assert (await limited.post("/v1/send", one, secrets[1])).status == 202
    limited.service.clock.forward(1)
    assert (await limited.post("/v1/send", one, secrets[0])).status == 202
