"""Several tabs and nodes, resume, slow consumers, drain, and backends that go away."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from heliograph.backends.servers import ValkeyServer
from heliograph.core.ports import InboxQuery
from heliograph.roles.realtime import Limits
from tests.e2e.realtime.conftest import Cluster, Node, Tab
from tests.support.eventually import eventually


async def test_tabs_on_two_nodes(cluster: Cluster, node: Node) -> None:
    """A notification and a mark reach every tab on every node; closing one keeps the user online."""
    far = await cluster.node()
    async with node.tab() as tab, far.tab() as second:
        (notification_id,) = await cluster.notify("anna")
        assert await tab.frame() == await second.frame()
        await second.say({"t": "read", "id": notification_id})
        frames = [await tab.frame(), await second.frame()]
        assert frames[0] == frames[1]
        assert (frames[0]["t"], frames[0]["unread"]) == ("inbox", 0)
        await tab.connection.close()
        await cluster.comes_true(lambda presence: presence.nodes == {far.realtime.node_id})
        await cluster.notify("anna")
        assert (await second.frame())["offset"] == 2
    await cluster.comes_true(lambda presence: not presence.online)


async def test_the_http_side_tells_the_tabs(cluster: Cluster, node: Node) -> None:
    """What the API changes in the inbox comes as `inbox` frames; read-all as one with the id `*`."""
    async with node.tab() as tab:
        first, _ = await cluster.notify("anna", "anna")
        await tab.frame()
        await tab.frame()
        item = await cluster.store.engage(cluster.key("anna"), first, "read", 1000)
        assert item is not None
        await cluster.fanout.changed(cluster.key("anna"), [item])
        frame = await tab.frame()
        assert (frame["id"], frame["read_at"], frame["unread"]) == (first, "1970-01-01T00:00:01.000Z", 1)
        await cluster.store.read_all(cluster.key("anna"), 2000)
        await cluster.fanout.read_all(cluster.key("anna"))
        frame = await tab.frame()
        assert (frame["t"], frame["id"], frame["unread"]) == ("inbox", "*", 0)
        assert frame["read_at"]


async def test_devices_hold_their_own_lease(cluster: Cluster, node: Node) -> None:
    """A device with a live connection is known as such, until that connection ends."""
    async with node.tab():
        async with node.tab(device="dev_1"):
            assert (await cluster.online("anna")).devices == {"dev_1"}
        await cluster.comes_true(lambda presence: presence.online and not presence.devices)


async def test_resume_on_another_node(cluster: Cluster, node: Node) -> None:
    """With its last offset a client gets exactly what it missed, first; then it goes on."""
    far = await cluster.node()
    async with node.tab() as tab:
        await cluster.notify("anna")
        last = await tab.frame()
        epoch = tab.connected["epoch"]
    missed = await cluster.notify("anna", "anna", "anna")
    async with far.tab(since={"epoch": epoch, "offset": last["offset"]}) as tab:
        assert [frame["notification"]["id"] for frame in tab.before] == missed
        assert [frame["offset"] for frame in tab.before] == [2, 3, 4]
        assert (tab.connected["recovered"], tab.connected["offset"], tab.connected["unread"]) == (True, 4, 4)
        await cluster.notify("anna")
        assert (await tab.frame())["offset"] == 5
        await tab.say({"t": "ack", "offset": 5})
        await cluster.delivered(missed[0])


async def test_a_gap_that_is_too_long(cluster: Cluster, node: Node) -> None:
    """More than the stream keeps: no gap frames, `recovered` false, the inbox has them all."""
    async with node.tab() as tab:
        epoch = tab.connected["epoch"]
    await cluster.notify(*["anna"] * 600)
    async with node.tab(since={"epoch": epoch, "offset": 0}) as tab:
        assert (tab.before, tab.connected["recovered"], tab.connected["offset"]) == ([], False, 600)
    assert len(await cluster.store.inbox(InboxQuery(user=cluster.key("anna"), limit=1000))) == 600


async def test_reconnecting_in_the_middle_of_a_burst(cluster: Cluster, node: Node) -> None:
    """Clients that come and go while notifications pour in see each exactly once, in order."""
    async with node.tab("bert"):
        seen: list[int] = []
        position: dict[str, Any] | None = None

        async def come_and_go() -> None:
            nonlocal position
            while not seen or seen[-1] < 120:
                async with node.tab(since=position) as tab:
                    frames = [
                        *tab.before,
                        *[await tab.frame() for _ in range(min(7, 120 - len(seen) - len(tab.before)))],
                    ]
                    if position is not None:
                        assert tab.connected["recovered"]
                    seen.extend(frame["offset"] for frame in frames)
                    position = {"epoch": tab.connected["epoch"], "offset": seen[-1]}

        async with node.tab() as first:  # opens the stream, so that the count begins at 1
            position = {"epoch": first.connected["epoch"], "offset": 0}
        reading = asyncio.create_task(come_and_go())
        for _ in range(40):
            await cluster.notify("anna", "anna", "anna")
        await asyncio.wait_for(reading, 30)
        assert seen == list(range(1, 121))


async def test_a_lost_bus_message_is_filled_in(cluster: Cluster, node: Node) -> None:
    """What the bus loses comes from the stream, before what follows."""
    async with node.tab() as tab:
        working = cluster.bus.send

        async def lossy(to: str, payload: bytes) -> None:
            return None

        cluster.bus.send = lossy  # type: ignore[method-assign,assignment]
        await cluster.notify("anna", "anna")
        cluster.bus.send = working  # type: ignore[method-assign]
        await cluster.notify("anna")
        assert [(await tab.frame())["offset"] for _ in range(3)] == [1, 2, 3]


async def test_a_lost_bus_message_that_nothing_follows(cluster: Cluster) -> None:
    """Found by the node itself within a presence TTL."""
    node = await cluster.node(presence_ttl_s=1.2)
    async with node.tab() as tab:
        node.realtime._hub.notify = lambda frames: None  # type: ignore[method-assign]
        await cluster.notify("anna")
        assert (await tab.frame())["offset"] == 1


async def test_a_slow_consumer(cluster: Cluster) -> None:
    """A client that doesn't read is closed with 4408 beyond 1 MiB; its neighbours go on getting everything."""
    node = await cluster.node(limits=Limits(close_within_s=60))
    body = "x" * 60_000
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(("127.0.0.1", node.port))
        slow.setblocking(False)
        loop = asyncio.get_running_loop()
        async with node.open(sock=slow, max_queue=1) as connection, node.tab() as quick:
            tab = await Tab(connection).hello(cluster.token("anna"))
            connection.transport.pause_reading()
            sent = 0
            while not node.realtime.counters.slow_closed:
                await cluster.notify(*["anna"] * 10, body=body)
                sent += 10
                assert sent < 2000
                for _ in range(10):
                    await quick.frame()
            connection.transport.resume_reading()
            assert await tab.closed() == 4408
            await quick.alive()
            assert loop.is_running()
    assert node.realtime.counters.slow_closed == 1


async def test_a_slow_consumer_that_never_reads_is_cut(cluster: Cluster) -> None:
    """What waits for it doesn't stay in memory: aborted after a while."""
    node = await cluster.node(limits=Limits(close_within_s=0.3))
    async with node.open(max_queue=1) as connection:
        await Tab(connection).hello(cluster.token("anna"))
        connection.transport.pause_reading()
        while not node.realtime.counters.slow_closed:
            await cluster.notify(*["anna"] * 10, body="x" * 60_000)

        async def cut() -> bool:
            return node.realtime.counters.connections == 0

        await eventually(cut)
        connection.transport.abort()


async def test_drain(cluster: Cluster) -> None:
    """Everybody is told to come back and closed with 1012, new ones get 503, no lease stays, uvicorn can end."""
    node = await cluster.node()
    async with AsyncExitStack() as stack:
        tabs = [await stack.enter_async_context(node.tab(f"u{number}")) for number in range(30)]
        waiting = Tab(await stack.enter_async_context(node.open()))
        draining = asyncio.create_task(node.realtime.drain(8))
        frames = [await tab.frame() for tab in tabs]
        assert {frame["t"] for frame in frames} == {"reconnect"}
        assert all(0 <= frame["after_ms"] <= 8000 for frame in frames)
        assert len({frame["after_ms"] for frame in frames}) > 10
        with pytest.raises(InvalidStatus) as refused:
            await node.open()
        assert refused.value.response.status_code == 503
        assert {await tab.closed() for tab in [*tabs, waiting]} == {1012}
        await draining
        for number in range(30):
            assert not (await cluster.online(f"u{number}")).online
    await node.stop()


async def test_a_node_that_dies(cluster: Cluster, node: Node) -> None:
    """Killed without a word: its users are offline when the lease ends; the other nodes' stay online."""
    dying = await cluster.node(presence_ttl_s=1.5)
    async with dying.tab("anna"), node.tab("bert"):
        dying._stop.set()
        await dying._running  # nobody renews any more
        await cluster.comes_true(lambda presence: not presence.online)
        assert (await cluster.online("bert")).online


async def test_the_cache_goes_away_and_comes_back(nats_url: str, tmp_path: Path) -> None:
    """Without presence clients still connect; when it is back, empty, they are online again and resume is possible."""
    valkey = ValkeyServer(tmp_path)
    cluster = await Cluster(nats_url, await valkey.start()).open()
    try:
        node = await cluster.node(presence_ttl_s=1.5)
        async with node.tab("bert") as before:
            await valkey.stop()
            async with node.tab("anna") as during:
                assert (during.connected["epoch"], during.connected["recovered"]) == ("", False)
                (notification_id,) = await stored(cluster, "anna")
                await during.say({"t": "read", "id": notification_id})
                assert (await during.frame())["unread"] == 0
                await valkey.start()
                for tab in (before, during):
                    assert (await tab.frame())["t"] == "reconnect"
                    assert await tab.closed() == 1012
        async with node.tab("anna") as after:
            assert after.connected["epoch"]
            await cluster.notify("anna")
            assert (await after.frame())["offset"] == 1
    finally:
        await cluster.close()
        await valkey.stop()


async def stored(cluster: Cluster, user: str) -> list[str]:
    """In the inbox, without a word to the nodes."""
    worker, cluster.worker.handle = cluster.worker.handle, nothing  # type: ignore[method-assign]
    try:
        return await cluster.notify(user)
    finally:
        cluster.worker.handle = worker  # type: ignore[method-assign]


async def nothing(batch: Any) -> Any:
    return []


async def test_the_store_goes_away(cluster: Cluster, node: Node) -> None:
    """No unread count, but connected; marks and acks wait for the store."""
    async with node.tab() as tab:
        (notification_id,) = await cluster.notify("anna")
        await tab.frame()
        await cluster.store.close_store()
        async with node.tab() as late:
            assert late.connected["unread"] is None
        await tab.say({"t": "ack", "offset": 1}, {"t": "seen", "id": notification_id})
        await tab.alive()
        await cluster.store.open()
        assert (await tab.frame())["seen_at"]
        await cluster.delivered(notification_id)


async def test_many_clients(cluster: Cluster, node: Node) -> None:
    """Every one of many gets its own notification, and only its own."""
    async with AsyncExitStack() as stack:
        tabs = {}
        for number in range(200):
            tabs[f"u{number}"] = await stack.enter_async_context(node.tab(f"u{number}"))
        ids = dict(zip(tabs, await cluster.notify(*tabs), strict=True))
        for user, tab in tabs.items():
            frame = await tab.frame()
            assert (frame["offset"], frame["notification"]["id"]) == (1, ids[user])
            await tab.say(json.dumps({"t": "ack", "offset": 1}))
        for notification_id in ids.values():
            await cluster.delivered(notification_id)
