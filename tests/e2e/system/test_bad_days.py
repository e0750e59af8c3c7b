"""A provider's worst days, with time scaled: nothing is lost, nothing is hammered, and nobody else notices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.eventually import eventually
from tests.support.servers import nats_url, redis_url
from tests.support.system import Heliograph, notification_of

__all__ = ["nats_url", "redis_url"]
Install = Callable[..., Heliograph]
RATE = 200
FAST = 500
WAITING = 10_000
BATCH = 25


def crowd(count: int, name: str = "m") -> list[dict[str, str]]:
    return [{"id": f"{name}{n}", "email": f"{name}{n}@example.com"} for n in range(count)]


async def state(system: Heliograph, provider: str) -> str:
    """As `/readyz` tells it, which must stay 200."""
    return str((await system.get("/readyz", key=None))["providers"][provider])


async def is_open(system: Heliograph, provider: str, within_s: float = 20.0) -> str:
    async def look() -> str | None:
        found = await state(system, provider)
        return found if found.startswith("open") else None

    return str(await eventually(look, within_s))


async def is_up(system: Heliograph, provider: str) -> None:
    async def look() -> bool:
        return await state(system, provider) == "up"

    await eventually(look)


async def arrived(system: Heliograph, count: int, provider: str, within_s: float = 40.0) -> list[Any]:
    """What the provider took, once it has taken so many."""

    async def look() -> list[Any] | None:
        total = (await system.lab("GET", f"/lab/messages?provider={provider}&limit=1"))["total"]
        return await system.received(provider=provider) if total >= count else None

    return list(await eventually(look, within_s, 0.2) or [])


async def metrics(system: Heliograph) -> str:
    async with system.session.get(system.url + "/metrics") as response:
        return await response.text()


def at(message: Any) -> float:
    return datetime.fromisoformat(message["at"]).timestamp()


async def no_dead_letters(system: Heliograph) -> None:
    assert (await system.get("/v1/dlq"))["groups"] == []


@pytest.mark.timeout(150)
async def test_a_long_outage_loses_nothing_and_hammers_nobody(install: Install) -> None:
    """Ten thousand wait, a breaker is open within 5 s, a few probes go out; when it heals P0 is first, and the backlog
    leaves at the rate limit (reliability goals 1 and 9)."""
    system = await install(email_rate=FAST, email_providers="sendgrid", breaker_probe_s=0.5).start()
    await system.fault("sendgrid", mode="down")
    for part in range(WAITING // 1_000):
        await system.send(crowd(1_000, f"m{part}-"), type="marketing")
    assert await is_open(system, "sendgrid", within_s=5) == "open: sendgrid: connection lost"
    urgent = (await system.send(crowd(20, "vip"), type="transactional"))["ids"]

    async def all_wait() -> bool:
        outbox = (await system.get("/v1/lanes"))["outbox"]
        return outbox["p0"]["depth"] >= 15 and outbox["p2"]["depth"] >= 0.8 * WAITING

    await eventually(all_wait, 40)
    tried = len(await system.received(provider="sendgrid", all="true"))

    async def probed() -> bool:
        return len(await system.received(provider="sendgrid", all="true")) >= tried + 3

    await eventually(probed)
    storm = len(await system.received(provider="sendgrid", all="true"))
    assert storm <= 0.2 * WAITING, "an outage costs a few calls, not one for each that waits"
    await system.fault("sendgrid", mode="ok")
    mails = await arrived(system, WAITING + 20, "sendgrid", within_s=80)
    order = [notification_of(mail) for mail in mails]
    assert len(order) == len(set(order)) == WAITING + 20, "each once: down means not taken"
    # Calls that begin together arrive in any order: P0 may have a few batches of the next beside it, on a busy machine
    # as many as leave in a second. Most come at the very front.
    places = sorted(order.index(one) for one in urgent)
    assert places[len(places) // 2] < 20 + 4 * BATCH, "P0 first"
    assert places[-1] < 20 + 4 * BATCH + FAST, "P0 first"
    took_s = at(mails[-1]) - at(mails[0])
    assert took_s <= 1.5 * WAITING / FAST
    await no_dead_letters(system)


async def test_a_wait_that_was_asked_for_is_never_undercut(
    install: Install, tmp_path: Path, nats_url: str, redis_url: str
) -> None:
    """After a 429 nothing comes before its time: not the message, not its neighbours, not from another process."""
    outside = await install("outside").start()
    shared = {
        "store_url": f"sqlite:///{tmp_path / 'cluster.db'}", "nats_url": nats_url, "redis_url": redis_url,
        "email_rate": 100, "email_providers": "sendgrid",
    }  # fmt: skip
    everything = ["api", "webhooks", "router", "push-worker", "email-worker", "email-sender", "reconciler"]
    system = install("first", roles=everything, **shared)
    second = install("second", roles=["webhooks", "email-sender"], **shared)
    for process in (system, second):
        process.use_lab_of(outside)
        await process.start()
    wait_s = 2
    await outside.fault("sendgrid", mode="throttle", rate_per_s=30, retry_after_s=wait_s)
    await system.send(crowd(90), type="alert")
    await arrived(outside, 90, "sendgrid")
    calls = await outside.received(provider="sendgrid", all="true")
    refused = [at(call) for call in calls if call["status"] == 429]
    assert refused
    # Calls that were on the wire when the answer came can't be called back: they arrive within the same moment.
    early = [(at(call) - when) for when in refused for call in calls if 0.5 < at(call) - when < wait_s]
    assert early == []
    assert len(refused) < 60, "the rate fell, so that most calls were taken"
    for process in (system, second):
        calls_made = [line for line in (await metrics(process)).splitlines() if "provider_attempts_total{" in line]
        assert any('outcome="delivered"' in line for line in calls_made), "both had their share"
    await no_dead_letters(system)


async def test_a_provider_that_hangs_holds_nobody_else(install: Install) -> None:
    """SendGrid takes calls and never answers: pushes go on, the breaker opens before the time-outs are over, the mails
    go to the next provider, and traffic returns. A front end's HTML in FCM's place is an outcome like any other."""
    system = await install(
        email_providers="sendgrid,smtp", provider_timeout_s=4, breaker_probe_s=1, email_rate=500
    ).start()  # fmt: skip
    await system.fault("fcm", tokens={"token-html": "once:html502"})
    for name in ("html", "plain"):
        await system.call("POST", f"/v1/users/{name}/devices", {"kind": "fcm_token", "value": f"token-{name}"})
    html = await system.send("html", type="transactional", channels=["push"])
    await system.fault("sendgrid", mode="hang")
    await system.send(crowd(300), type="marketing")
    pushed = await system.send("plain", type="transactional", channels=["push"])
    await system.reaches(pushed["id"], "push", "sent")
    assert await is_open(system, "sendgrid") == "open: no answers"
    urgent = await system.send({"id": "vip", "email": "vip@example.com"}, type="transactional")
    assert (await system.reaches(urgent["id"], "email", "sent", "delivered"))["provider"] == "smtp"
    await system.fault("sendgrid", mode="ok")
    await is_up(system, "sendgrid")
    back = await system.send({"id": "back", "email": "back@example.com"}, type="transactional")
    got = await system.reaches(back["id"], "email", "sent", "delivered")
    assert got["provider"] == "sendgrid", (
        system.output,
        (await system.get(f"/v1/notifications/{back['id']}/timeline")),
    )

    async def everybody() -> bool:
        got = {mail["to"] for mail in await system.received() if mail["provider"] in ("sendgrid", "smtp")}
        return {one["email"] for one in crowd(300)} <= got

    await eventually(everybody)
    again = await system.reaches(html["id"], "push", "sent")
    assert again["attempts"] == 2
    events = (await system.get(f"/v1/notifications/{html['id']}/timeline"))["events"]
    assert "fcm 502" in [event["detail"] for event in events if event["event"] == "unknown"]
    await no_dead_letters(system)


async def test_one_in_ten_fails_and_all_arrive(install: Install) -> None:
    """Random 5xx and lost answers: everybody gets the mail, and twice only where an attempt is marked unknown."""
    system = await install(email_providers="sendgrid").start()
    lost = {f"m{n}@example.com": "once:lost_answer" for n in range(0, 200, 20)}
    await system.fault("sendgrid", mode="flaky", fraction=0.1, status=500, tokens=lost)
    ids = (await system.send(crowd(200), type="alert"))["ids"]

    async def all_there() -> Counter[str] | None:
        found = Counter(notification_of(mail) for mail in await system.received(provider="sendgrid"))
        return found if set(found) == set(ids) else None

    await eventually(all_there)
    for one in ids:
        await system.reaches(one, "email", "sent", "delivered")
    copies = await all_there() or Counter()
    doubtful = set(ids[::20]) | {one for one, count in copies.items() if count > 1}
    for one in doubtful:
        events = (await system.get(f"/v1/notifications/{one}/timeline"))["events"]
        assert "unknown" in [event["event"] for event in events]
    assert "heliograph_retry_budget_exhausted_total" in await metrics(system)
    await no_dead_letters(system)


async def test_wrong_credentials_stop_everything_and_say_why(install: Install) -> None:
    """A revoked key: the breaker is open at once, with its cause where people look; not one dead letter; and what
    waits is sent once the account is in order. With a second provider, traffic moves there at once."""
    system = await install(email_providers="sendgrid", breaker_probe_s=1, retry_max_attempts=2).start()
    await system.fault("sendgrid", mode="error", status=401)
    await system.send(crowd(200), type="alert")
    why = await is_open(system, "sendgrid")
    assert why.startswith("open: sendgrid 401: The provided authorization grant")

    async def probed() -> bool:
        return len(await system.received(provider="sendgrid", all="true")) >= 3

    await eventually(probed)
    line = next(one for one in (await metrics(system)).splitlines() if "provider_breaker_open{" in one)
    assert "sendgrid 401" in line
    assert line.endswith(" 1.0")
    told = [line for line in system.output if "breaker_opened" in line]
    assert len(told) == 1, "once a change, not once a mail"
    assert "sendgrid 401" in told[0]
    await no_dead_letters(system)
    await system.fault("sendgrid", mode="ok")
    assert len(await arrived(system, 200, "sendgrid")) == 200
    await no_dead_letters(system)
