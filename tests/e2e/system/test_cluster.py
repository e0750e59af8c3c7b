"""The same roles as processes of their own, sharing a store, a queue and a cache: presence over several nodes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.eventually import eventually
from tests.support.servers import nats_url, redis_url
from tests.support.system import Heliograph

__all__ = ["nats_url", "redis_url"]
CORE = ["api", "webhooks", "router", "inapp-worker", "push-worker", "email-worker", "email-sender", "reconciler"]


@pytest.fixture
def cluster(
    install: Callable[..., Heliograph], tmp_path: Path, nats_url: str, redis_url: str, store_settings: dict[str, str]
) -> Callable[..., Heliograph]:
    """Makes processes of one cluster."""
    shared = {
        "store_url": f"sqlite:///{tmp_path / 'cluster.db'}",
        "nats_url": nats_url,
        "redis_url": redis_url,
        "presence_ttl_s": 2,
        **store_settings,
    }

    def make(roles: list[str], **settings: Any) -> Heliograph:
        return install("-".join(roles[:2]), roles=roles, **shared, **settings)

    return make


async def test_nodes_come_and_go(cluster: Callable[..., Heliograph], install: Callable[..., Heliograph]) -> None:
    """Tabs on two nodes both get it; a killed node's tab is gone after the lease, the other keeps the user online;
    when that node dies too, the user is offline and gets a mail."""
    outside = await install("outside").start()
    core = cluster(CORE)
    core.use_lab_of(outside)
    await core.start()
    one = await cluster(["realtime"]).start()
    two = await cluster(["realtime"]).start()
    await core.call("PUT", "/v1/users/uma", {"email": "uma@example.com"})
    async with core.socket("uma", url=one.url) as first, core.socket("uma", url=two.url) as second:
        answer = await core.send("uma")
        assert (await first.frame())["notification"]["id"] == answer["id"]
        assert (await second.frame())["notification"]["id"] == answer["id"]
        await second.ack()
        await core.reaches(answer["id"], "in_app", "delivered")
        await one.kill()
        again = await core.send("uma")
        assert (await second.frame())["notification"]["id"] == again["id"]
        await second.ack()
        await core.reaches(again["id"], "in_app", "delivered")
        await two.kill()

    async def mailed() -> bool:
        """The dead nodes' leases are over: she counts as offline."""
        sent = await core.send("uma")
        return (await eventually(lambda: core.delivery(sent["id"], "email"), 1.0)) is not None

    async def offline() -> bool:
        try:
            return await mailed()
        except AssertionError:
            return False

    await eventually(offline)
    await eventually(lambda: outside.received(to="uma@example.com"))


async def test_a_client_resumes_on_another_node(cluster: Callable[..., Heliograph]) -> None:
    """Drain: `reconnect`, then close 1012; the client goes on at its offset on another node."""
    core = await cluster(CORE).start()
    one = await cluster(["realtime"]).start()
    two = await cluster(["realtime"]).start()
    async with core.socket("vic", url=one.url) as tab:
        await core.send("vic", title="before")
        await tab.frame()
        await tab.ack()
        position = tab.position
        stopping = one.stop()
        frame = await tab.frame() if (code := await stopping) == 0 else {}
        assert code == 0
        assert frame["t"] == "reconnect"
        await tab.connection.wait_closed()
        assert tab.connection.close_code == 1012
    missed = await core.send("vic", title="missed")
    await core.settled(missed["id"])
    async with core.socket("vic", since=position, url=two.url) as tab:
        assert tab.connected["recovered"] is True
        assert [frame["notification"]["id"] for frame in tab.gap] == [missed["id"]]


async def test_roles_need_their_servers_named(install: Callable[..., Heliograph]) -> None:
    """`heliograph run` without URLs says what is missing instead of starting servers of its own."""
    alone = install("alone", roles=["router"])
    with pytest.raises(AssertionError, match="HELIOGRAPH_STORE_URL, HELIOGRAPH_NATS_URL, HELIOGRAPH_REDIS_URL"):
        await alone.start()
