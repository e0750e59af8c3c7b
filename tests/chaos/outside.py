"""The outside world of a run: the provider lab as a process of its own, which survives whatever happens to the system.

Reads the lab's journal as it grows, because that is bounded; sets its faults.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import datetime
from typing import Any

import aiohttp

from tests.chaos.invariants import Call
from tests.support.eventually import eventually
from tests.support.system import free_port

_CHANNELS = {"sendgrid": "email", "smtp": "email", "expo": "push"}
_PAGE = 1_000


class Outside:
    """The lab, and everything it took so far in `calls`."""

    def __init__(self) -> None:
        self.port = free_port(3)
        self.calls: list[Call] = []
        self._after = 0
        self._process: asyncio.subprocess.Process | None = None
        self._session = aiohttp.ClientSession()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> Outside:
        command = [sys.executable, "-m", "heliograph", "lab", "--port", str(self.port)]
        self._process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL, start_new_session=True
        )

        async def answers() -> bool:
            """the lab answers"""
            try:
                return await self.lab("GET", "/lab/faults") is not None
            except aiohttp.ClientError:
                return False

        await eventually(answers, within_s=60)
        return self

    async def close(self) -> None:
        await self._session.close()
        if self._process and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def settings(self) -> dict[str, Any]:
        """Points an installation at this lab."""
        return {
            "sendgrid_url": f"{self.url}/sendgrid",
            "sendgrid_api_key": "SG.lab",
            "sendgrid_webhook_key": await self._text("/lab/sendgrid-webhook-key"),
            "expo_url": f"{self.url}/expo",
            "expo_receipt_after_s": 600,
        }

    async def lab(self, method: str, path: str, body: Any = None) -> Any:
        async with self._session.request(method, self.url + path, json=body) as response:
            assert response.status < 300, (path, response.status, await response.text())
            return await response.json() if response.status != 204 else None

    async def fault(self, provider: str, **fault: Any) -> None:
        await self.lab("PUT", f"/lab/faults/{provider}", fault)

    async def tell(self, url: str, *, duplicates: float, shuffle: bool) -> None:
        """From now on every mail's events follow it there, a share of them twice, and in any order."""
        setting = {"webhook_url": url, "duplicates": duplicates, "shuffle": shuffle}
        await self.lab("PUT", "/lab/events/sendgrid", setting)

    async def collect(self) -> list[Call]:
        """Everything taken so far, oldest first."""
        while True:
            page = (await self.lab("GET", f"/lab/messages?after={self._after}&limit={_PAGE}"))["messages"]
            for one in page:
                self._after = int(one["id"].removeprefix("lab_"))
                self.calls.append(_call_of(one))
            if len(page) < _PAGE:
                return self.calls

    async def collecting(self, every_s: float = 1.0) -> None:
        """Until cancelled."""
        while True:
            await self.collect()
            await asyncio.sleep(every_s)

    async def _text(self, path: str) -> str:
        async with self._session.get(self.url + path) as response:
            return (await response.text()).strip()


def _call_of(message: dict[str, Any]) -> Call:
    data = message["data"]
    name = data.get("hg_id") or data.get("notification_id") or ""
    at = datetime.fromisoformat(message["at"]).timestamp()
    return Call(str(name), _CHANNELS[message["provider"]], message["title"], at, message["to"])
