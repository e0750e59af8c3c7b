"""Goals 11 and 12: everybody comes back at once, and some never read."""

from __future__ import annotations

import asyncio
import json
import random
import resource
import socket
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from heliograph.access import UserTokens
from heliograph.cli.backends import now
from heliograph.core.model import Key
from tests.chaos.conftest import MakeFleet
from tests.chaos.fleet import Fleet, rss_mib
from tests.chaos.ledger import Ledger
from tests.chaos.outside import Outside
from tests.chaos.pages import Page
from tests.chaos.profile import scaled
from tests.chaos.sender import Sender, Tenant
from tests.chaos.verdict import judge
from tests.support.eventually import eventually
from tests.support.system import KEY, SECRET

EDGE = {
    "realtime": ["realtime"],
    "rest": ["api", "router", "inapp-worker", "email-worker", "email-sender", "reconciler"],
}
BACK_S, CUT_S, EACH_MIB, SLOWER = 30.0, 10.0, 1.0, 1.2
FRAME = "x" * 15_000


@pytest.fixture(autouse=True)
def many_files() -> None:
    """Thousands of sockets in one process."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def token_for(user: str) -> str:
    return UserTokens(SECRET, now).mint(Key("default", user), 7200)[0]


@asynccontextmanager
async def open_pages(fleet: Fleet, users: Sequence[str]) -> AsyncIterator[list[Page]]:
    """A page for each user, all connected."""
    pages = [Page("default", user, token_for(user), lambda: fleet.urls_of("realtime")) for user in users]
    going = [asyncio.create_task(page.run()) for page in pages]
    try:
        await asyncio.wait_for(asyncio.gather(*(page.connected.wait() for page in pages)), 120)
        yield pages
    finally:
        for task in going:
            task.cancel()
        await asyncio.gather(*going, return_exceptions=True)


def p99(values: Sequence[float]) -> float:
    return sorted(values)[int(len(values) * 0.99)]


async def test_a_node_dies_and_everybody_comes_back(
    fleet_of: MakeFleet,
    outside: Outside,
    ledger: Ledger,
    dice: random.Random,
    remember: Callable[[dict[str, Any]], None],
) -> None:
    """Its node is killed under load: all sockets are open again in time, without a hole."""
    sockets, rate = scaled(200, 5_000), scaled(40, 100)
    fleet = await fleet_of("sqlite", members=EDGE, unseen_after_s=30)
    tenant = Tenant("default", KEY, [f"u{n}" for n in range(sockets)])
    async with open_pages(fleet, tenant.users) as pages:
        async with Sender(lambda: fleet.urls_of("api"), [tenant], ledger, dice) as sender:
            sending = asyncio.create_task(sender.run(10**9, rate))
            ledger.note("fault", name="kill realtime")
            await fleet.members["realtime"].kill()
            for page in pages:
                page.connected.clear()
            struck = time.time()
            await fleet.up_again("realtime")
            up = time.time()
            await asyncio.wait_for(asyncio.gather(*(page.connected.wait() for page in pages)), 4 * BACK_S)
            back = time.time()
            sender.enough = True
            await sending

        async def all_shown() -> bool:
            """each accepted one was shown"""
            shown = {name for page in pages for name in page.shown_at}
            return all(key.id in shown for key in ledger.accepted)

        if all(len(page.chains) == 1 for page in pages):
            await eventually(all_shown)
        found = await judge(fleet.apis[0], fleet.store_url, ledger, outside, [tenant], pages=pages)
    meanwhile = [took for at, status, took in ledger.answers if status == 202 and struck < at < back]
    remember({
        **found.numbers, "sockets": sockets, "node_up_s": round(up - struck, 1), "all_back_s": round(back - up, 1),
        "not_recovered": sum(len(page.chains) - 1 for page in pages),
        "send_ms_p99_meanwhile": round(1000 * p99(meanwhile), 1),
    })  # fmt: skip
    assert found.wrong == []
    assert back - up <= BACK_S
    assert sum(len(page.chains) - 1 for page in pages) == 0, "some had to load their inbox anew"


async def stall(fleet: Fleet, user: str) -> ClientConnection:
    """Connects, then never reads again, behind the smallest buffers there are."""
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.setblocking(False)
    host, _, port = fleet.urls_of("realtime")[0].removeprefix("http://").partition(":")
    await asyncio.get_running_loop().sock_connect(slow, (host, int(port)))
    tab = await connect(f"ws://{host}:{port}/v1/realtime", sock=slow, max_queue=1, ping_interval=None)
    await tab.send(json.dumps({"t": "connect", "token": token_for(user)}))
    await tab.recv()
    tab.transport.pause_reading()
    return tab


async def connections(fleet: Fleet) -> int:
    member = fleet.members["realtime"]
    async with member.session.get(member.url + "/metrics") as response:
        text = await response.text()
    return int(
        float(next(line.split()[1] for line in text.splitlines() if line.startswith("heliograph_ws_connections")))
    )


async def spread(
    sender: Sender, tenant: Tenant, pages: Sequence[Page], ledger: Ledger, count: int, name: str
) -> list[float]:
    """Sends to every page so many times; answers how long each took from the 202's request to the page."""
    before = set(ledger.accepted)
    for turn in range(count):
        await asyncio.gather(*(
            sender.insist(tenant, page.user, "transactional", f"{name}-{turn}-{page.user}") for page in pages
        ))  # fmt: skip
    sent = {key.id: one for key, one in ledger.accepted.items() if key not in before}

    async def shown() -> bool:
        """each page has shown its own"""
        return sum(len(page.shown_at.keys() & sent.keys()) for page in pages) == len(sent)

    await eventually(shown, within_s=30)
    return [
        max(0.0, page.shown_at[name] - sent[name].at) for page in pages for name in page.shown_at.keys() & sent.keys()
    ]


async def test_stalled_consumers_are_cut_and_cost_nobody_else(
    fleet_of: MakeFleet, ledger: Ledger, dice: random.Random, remember: Callable[[dict[str, Any]], None]
) -> None:
    """Some sockets never read: each is closed at 1 MiB of queue and the others' pages are as quick as before."""
    sockets, stalled, turns = scaled(60, 2_000), scaled(6, 200), scaled(10, 5)
    fleet = await fleet_of("sqlite", members=EDGE, unseen_after_s=600)
    tenant = Tenant("default", KEY, [f"u{n}" for n in range(sockets - stalled)])
    dead = [f"dead{n}" for n in range(stalled)]
    pid = fleet.pids()["realtime"]
    async with (
        open_pages(fleet, tenant.users) as pages,
        Sender(lambda: fleet.urls_of("api"), [tenant], ledger, dice) as sender,
    ):
        calm = await spread(sender, tenant, pages, ledger, turns, "calm")
        tabs = [await stall(fleet, user) for user in dead]
        before_mib = rss_mib(pid)
        began = time.time()
        most_mib = 0.0
        for turn in range(scaled(300, 300)):
            status, _ = await fleet.apis[0].call(
                "POST", "/v1/send", {"to": dead, "title": f"fat {turn}", "body": FRAME, "channels": ["in_app"]}
            )
            assert status == 202
            most_mib = max(most_mib, rss_mib(pid))
            if turn % 20 == 0 and await connections(fleet) <= len(pages):
                break
        stormy = await spread(sender, tenant, pages, ledger, turns, "stormy")

        async def cut() -> bool:
            """the stalled ones are closed"""
            return await connections(fleet) == len(pages)

        await eventually(cut, within_s=2 * CUT_S, every_s=0.1)
        cut_s = time.time() - began
        for tab in tabs:
            tab.transport.abort()
        assert all(page.connects == 0 for page in pages), "a reader was cut"
    grown_mib = max(most_mib, rss_mib(pid)) - before_mib
    remember({"sockets": sockets, "stalled": stalled, "cut_after_s": round(cut_s, 1), "grown_mib": round(grown_mib, 1),
              "calm_ms_p99": round(1000 * p99(calm), 1), "stormy_ms_p99": round(1000 * p99(stormy), 1)})  # fmt: skip
    assert grown_mib <= stalled * EACH_MIB + 32, "beyond a mebibyte each, and what Python keeps"
    assert p99(stormy) <= SLOWER * p99(calm) + scaled(0.5, 0.05), "a small run is mostly noise"
