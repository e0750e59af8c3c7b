"""The system as a cluster has it: roles in processes of their own, and the servers of store, queue and cache.

Kills, stops, wipes and restarts any of them. Whatever dies is started again at once, as an init system would.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from heliograph.backends.servers import NatsServer, ValkeyServer
from tests.chaos.proxy import Proxy
from tests.support.mongo import MongoServer
from tests.support.system import Heliograph

Make = Callable[..., Heliograph]
SPLIT: Mapping[str, Sequence[str]] = {
    "api-1": ["api"],
    "api-2": ["api"],
    "router": ["router"],
    "inapp-worker": ["inapp-worker"],
    "push-worker": ["push-worker"],
    "email-worker": ["email-worker"],
    "email-sender": ["email-sender"],
    "realtime": ["realtime"],
    "webhooks": ["webhooks"],
    "reconciler": ["reconciler"],
}
"""Each role alone, the API twice: its callers have somewhere else to go."""
PACKED: Mapping[str, Sequence[str]] = {
    "api-1": ["api"],
    "api-2": ["api"],
    "workers": ["router", "inapp-worker", "push-worker", "email-worker", "email-sender", "reconciler"],
    "edge": ["realtime", "webhooks"],
}
ALONE: Mapping[str, Sequence[str]] = {
    "all": [
        "api", "router", "inapp-worker", "push-worker", "email-worker", "email-sender", "realtime", "webhooks",
        "reconciler",
    ]
}  # fmt: skip
"""Where it is one server that breaks and not a role, processes only cost time."""
PACE = {"unseen_after_s": 5, "unknown_hold_s": 5, "retry_base_s": 0.5, "presence_ttl_s": 10, "provider_timeout_s": 4}
"""Waits of a product that has hours, shortened for a run that has minutes."""


SOCKET_S = 3
"""How long the MongoDB driver waits for an answer, and once more: what hung when the server was frozen may hang so long
after it is back."""


class Fleet:
    """Args:
    store: `sqlite` or `mongo` (SecantusDB).
    members: by name, the roles of each process.
    proxied: puts a `Proxy` before the queue and the cache, and before the store if it is a server.
    environments: by member, what else its process finds in its environment.
    socket_s: `SOCKET_S`; longer where no server freezes and a slow one has much to do.
    """

    def __init__(
        self, folder: Path, make: Make, dice: random.Random, store: str, *,
        members: Mapping[str, Sequence[str]] = SPLIT, proxied: bool = False,
        environments: Mapping[str, dict[str, str]] | None = None, store_url: str = "", socket_s: int = SOCKET_S,
        **settings: Any,
    ) -> None:  # fmt: skip
        self.folder = folder
        self._make = make
        self._dice = dice
        self._store = store
        self._roles = members
        self._proxied = proxied
        self._settings = {**PACE, **settings}
        self.nats = NatsServer(folder)
        self.valkey = ValkeyServer(folder)
        self.mongo: MongoServer | None = None
        self._environments = environments or {}
        self._socket_s = socket_s
        self.store_url = store_url or f"sqlite:///{folder / 'heliograph.db'}"
        self.proxies: dict[str, Proxy] = {}
        self.members: dict[str, Heliograph] = {}
        self.restarts: list[tuple[str, float]] = []
        """(member, seconds until it answered again)."""

    async def start(self) -> Fleet:
        self.folder.mkdir(parents=True, exist_ok=True)
        nats_url, redis_url = await asyncio.gather(self.nats.start(), self.valkey.start())
        if self._store == "mongo":
            (self.folder / "mongo").mkdir()
            self.mongo = await MongoServer(self.folder / "mongo").start()
            self.store_url = f"{self.mongo.url}/chaos?socketTimeoutMS={self._socket_s * 1000}"
        store_url = await self._way("store", self.store_url) if self.mongo else self.store_url
        shared = {
            "store_url": store_url,
            "nats_url": await self._way("queue", nats_url),
            "redis_url": await self._way("cache", redis_url),
            "email_providers": "sendgrid",
            **self._settings,
        }
        for name, roles in self._roles.items():
            environment = self._environments.get(name)
            self.members[name] = self._make(name, lab=False, roles=list(roles), environment=environment, **shared)
        first, *others = self.members.values()
        await first.start()  # it makes the store's tables and the queue's streams
        await asyncio.gather(*(member.start() for member in others))
        return self

    async def _way(self, name: str, url: str) -> str:
        """The URL as members see it: through a proxy, if this run has them."""
        if not self._proxied:
            return url
        port = urlsplit(url).port
        assert port
        self.proxies[name] = await Proxy(port, self._dice).start()
        return url.replace(f":{port}", f":{self.proxies[name].port}")

    async def close(self) -> None:
        for name, member in self.members.items():
            print("\n".join([f"--- {name}", *member.output[-40:]]))  # noqa: T201 - shown on failure
        await asyncio.gather(*(member.kill() for member in self.members.values() if _alive(member)))
        await asyncio.gather(*(member.session.close() for member in self.members.values()))
        for proxy in self.proxies.values():
            await proxy.down()
        await asyncio.gather(self.nats.stop(), self.valkey.stop())
        if self.mongo:
            self.mongo.kill()

    # --- who is where ----------------------------------------------------------------------------------------------

    @property
    def apis(self) -> list[Heliograph]:
        return [member for name, member in self.members.items() if "api" in self._roles[name]]

    def urls_of(self, role: str) -> list[str]:
        """Every process with the role, up or not: a caller must be ready for both."""
        return [member.url for name, member in self.members.items() if role in self._roles[name]]

    def pids(self) -> dict[str, int]:
        return {name: member.process.pid for name, member in self.members.items() if member.process and _alive(member)}

    # --- what may happen to it -------------------------------------------------------------------------------------

    async def kill(self, name: str) -> None:
        """kill -9, and up again; remembers how long that took."""
        member = self.members[name]
        await member.kill()
        await self.up_again(name)

    async def restart(self, name: str) -> int:
        """SIGTERM, and up again; answers the exit code."""
        code = await self.members[name].stop()
        await self.up_again(name)
        return code

    async def up_again(self, name: str) -> None:
        began = time.monotonic()
        await self.members[name].start()
        self.restarts.append((name, time.monotonic() - began))

    async def stop_for(self, pid: int | None, seconds: float) -> None:
        """SIGSTOP, SIGCONT after a while."""
        assert pid
        os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            os.kill(pid, signal.SIGCONT)

    def kill_server(self, server: NatsServer | ValkeyServer) -> None:
        """kill -9; its supervisor starts it again."""
        assert server.pid
        os.kill(server.pid, signal.SIGKILL)

    async def wipe(self, *names: str) -> None:
        """Takes `queue`, `cache` or both down and brings them back with nothing."""
        servers = {"queue": (self.nats, "nats"), "cache": (self.valkey, "valkey")}
        chosen = [servers[name] for name in names]
        await asyncio.gather(*(server.stop() for server, _ in chosen))
        for _, folder in chosen:
            shutil.rmtree(self.folder / folder)
        await asyncio.gather(*(server.start() for server, _ in chosen))

    async def kill_store(self) -> None:
        """kill -9 of the store's server, and up again."""
        assert self.mongo
        self.mongo.kill()
        await self.mongo.start()


def _alive(member: Heliograph) -> bool:
    return member.process is not None and member.process.returncode is None


def rss_mib(pid: int) -> float:
    """Resident memory of a process; 0 when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), 0.0)
