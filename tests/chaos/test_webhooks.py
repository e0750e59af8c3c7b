"""Goal 13: a provider's events come twice, shuffled, late and forged, and each mail ends where its true events say."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from heliograph.cli.backends import store_of
from heliograph.core.lifecycle import fold
from heliograph.lab.events import Signer
from tests.chaos.conftest import MakeFleet
from tests.chaos.fleet import ALONE
from tests.chaos.ledger import Ledger
from tests.chaos.outside import Outside
from tests.chaos.profile import scaled
from tests.chaos.sender import Sender, Tenant
from tests.chaos.verdict import at_rest, judge
from tests.support.system import KEY

FATES = (
    ("processed", "delivered"),
    ("processed", "bounce"),
    ("processed", "delivered", "open"),
    ("processed", "deferred"),
    (),
)
POST = 200
DAY_S = 86_400


def told(name: str, kind: str, number: int, at: float) -> dict[str, Any]:
    """One event as SendGrid reports it."""
    return {
        "event": kind, "email": f"{name}@default.example", "timestamp": int(at), "sg_event_id": f"e{number}-{name}",
        "sg_message_id": f"m-{name}", "hg_id": name, "hg_tenant": "default", "hg_target": "email", "hg_gen": "0",
        "hg_attempt": "1", "reason": "550 unknown user" if kind == "bounce" else "",
    }  # fmt: skip


def stories(names: Sequence[str], dice: random.Random) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """True events about each mail, and where it must end."""
    events: list[dict[str, Any]] = []
    ends: dict[str, str] = {}
    for name in names:
        fate = dice.choice(FATES)
        ends[name] = "delivered" if "delivered" in fate else "failed" if "bounce" in fate else "sent"
        events += [told(name, kind, number, time.time()) for number, kind in enumerate(fate)]
    return events, ends


async def test_events_come_twice_shuffled_late_and_forged(
    fleet_of: MakeFleet,
    outside: Outside,
    ledger: Ledger,
    dice: random.Random,
    remember: Callable[[dict[str, Any]], None],
) -> None:
    """A tenth comes again, all in any order, a twentieth is forged and a twentieth signed two days ago."""
    mails = scaled(800, 50_000)
    signer, forger = Signer(), Signer()
    fleet = await fleet_of("sqlite", members=ALONE, sendgrid_webhook_key=signer.public_key)
    tenant = Tenant("default", KEY, [f"u{n}" for n in range(mails)])
    async with Sender(lambda: fleet.urls_of("api"), [tenant], ledger, dice) as sender:
        await sender.backlog(tenant, mails, "alert")
    before = await judge(fleet.apis[0], fleet.store_url, ledger, outside, [tenant], within_s=60 + mails / 200)
    assert before.wrong == []
    names = [key.id for key in ledger.accepted]
    events, ends = stories(names, dice)
    true = events + dice.sample(events, len(events) // 10)
    dice.shuffle(true)
    lies = [told(name, dice.choice(["bounce", "delivered"]), 99, time.time()) for name in names]
    share = len(true) // 20
    posts = [(signer, 0.0, true[start : start + POST]) for start in range(0, len(true), POST)]
    posts += [(forger, 0.0, lies[start : min(share, start + POST)]) for start in range(0, share, POST)]
    posts += [
        (signer, 2 * DAY_S, lies[share + start : share + min(share, start + POST)]) for start in range(0, share, POST)
    ]
    dice.shuffle(posts)
    refused = 0
    began = time.monotonic()
    async with aiohttp.ClientSession() as session:
        for who, late_s, batch in posts:
            body = msgspec.json.encode(batch) + b"\r\n"
            headers = {**who.sign(body, str(int(time.time() - late_s))), "Content-Type": "application/json"}
            async with session.post(
                f"{fleet.urls_of('webhooks')[0]}/v1/webhooks/sendgrid", data=body, headers=headers
            ) as response:
                assert response.status == (204 if who is signer and not late_s else 401), await response.text()
                refused += response.status == 401
    took = time.monotonic() - began
    store = store_of(fleet.store_url, Path())
    await store.open()
    histories = await at_rest(store, ledger, 10)
    await store.close_store()
    wrong = {
        key.id: (status, ends[key.id])
        for key, history in histories.items()
        if (status := fold(history.events)["email"].status) != ends[key.id]
    }
    remember({"mails": mails, "events": len(true), "refused_posts": refused, "events_per_s": round(len(true) / took)})
    assert wrong == {}
    assert refused > 0
