"""Going down without hurting anybody."""

from __future__ import annotations

import asyncio

import pytest

from heliograph.core.frames import InboxFrame, pack_erased, pack_inbox, read_all_text
from heliograph.core.model import Key
from tests.unit.roles.realtime.world import ANNA, BERT, World


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """A world whose time goes on while the drain sleeps."""
    found, sleep = World(), asyncio.sleep

    async def passing(seconds: float) -> None:
        found.time.now += seconds
        await sleep(0)

    monkeypatch.setattr("heliograph.roles.realtime.node.asyncio.sleep", passing)
    return found


async def test_everybody_is_sent_away_in_a_jittered_order(world: World) -> None:
    """`reconnect` with a random time first, then 1012 at that time; no lease stays behind."""
    clients = [await world.connect(Key("default", f"u{number}")) for number in range(200)]
    started = world.time.now
    closed_at: dict[int, float] = {}

    def watch(number: int) -> None:
        link, connection = clients[number].link, clients[number].connection
        close = link.close

        def noting(code: int, reason: str) -> None:
            closed_at[number] = world.time.now - started
            close(code, reason)
            connection.lost()

        link.close = noting  # type: ignore[method-assign]

    for number in range(200):
        watch(number)
    await world.node.drain(10)
    assert all(client.link.closed == 1012 for client in clients)
    told = {number: client.link.got("reconnect")[0]["after_ms"] for number, client in enumerate(clients)}
    assert len(set(told.values())) > 100
    assert all(0 <= told[n] / 1000 <= closed_at[n] + 0.01 <= told[n] / 1000 + 1.0 for n in told)
    assert world.cache.leases == set()
    assert world.time.now - started <= 10


async def test_clients_that_do_not_answer_are_cut(world: World) -> None:
    """The drain ends within its time, whatever clients do."""
    client, silent = await world.connect(), world.arrive()
    started = world.time.now
    await world.node.drain(4)
    assert (client.link.closed, silent.link.closed) == (1012, 1012)
    assert client.link.aborted
    assert silent.link.aborted
    assert world.time.now - started <= 4
    assert world.cache.leases == set()


async def test_notifications_go_on_while_draining(world: World) -> None:
    """Until it is closed a client is served as before."""
    client = await world.connect()
    client.connection.depart(1000)
    await world.push(ANNA, "ntf_1")
    client.say({"t": "ack", "offset": 1})
    await world.settle()
    assert client.link.offsets == [1]
    assert world.inbox.acknowledged == ["ntf_1"]


async def test_sent_away_once(world: World) -> None:
    """A client that is leaving already isn't told again."""
    client = await world.connect()
    client.connection.depart(100)
    client.connection.stale()
    await world.node.drain(2)
    assert len(client.link.got("reconnect")) == 1


async def test_without_clients_it_ends_at_once(world: World) -> None:
    started = world.time.now
    await world.node.drain(15)
    assert world.time.now == started


@pytest.mark.parametrize("what", ["ack", "mark", "lease"])
async def test_nothing_is_left_half_done(world: World, what: str) -> None:
    """What clients told before they left is written, and so is that they left."""
    await world.inbox.hold(ANNA, "ntf_1")
    client = await world.connect()
    await world.push(ANNA, "ntf_1")
    gate = world.cache.gate if what == "lease" else world.inbox.gate
    gate.clear()
    if what == "ack":
        client.say({"t": "ack", "offset": 1})
    elif what == "mark":
        client.say({"t": "read", "id": "ntf_1"})
    client.leave()
    draining = asyncio.create_task(world.node.drain(10))
    await world.settle()
    assert not draining.done()
    gate.set()
    await draining
    assert world.inbox.acknowledged == (["ntf_1"] if what == "ack" else [])
    assert (world.inbox.state(ANNA, "ntf_1").read_at is not None) == (what == "mark")
    assert world.cache.leases == set()


async def test_run_ends_on_stop() -> None:
    """The loops listen to the bus, beat and refresh, and end when told to."""
    world = World()
    stop = asyncio.Event()
    client = await world.connect()
    world.cache.server.flush()
    running = asyncio.create_task(world.node.run(stop))
    await world.settle()
    assert world.cache.online(ANNA, world.time.clock())
    await world.bus.send("n1", pack_inbox([InboxFrame(ANNA, read_all_text(0))])[0])
    await world.settle()
    assert client.link.got("inbox")
    stop.set()
    await running


async def test_the_connections_of_an_erased_user_end() -> None:
    """4403 on every tab, and the lease goes; others stay."""
    world = World()
    anna, again, bert = await world.connect(), await world.connect(), await world.connect(BERT)
    await world.node._receive(pack_erased(ANNA))
    await world.settle()
    assert [client.link.closed for client in (anna, again, bert)] == [4403, 4403, None]
    assert {user for user, _, _ in world.cache.leases} == {BERT}
