"""What clients tell: acknowledgements and inbox marks, with a store that is away now and then."""

from __future__ import annotations

import json
from typing import Any

import pytest

from heliograph.core.model import InboxState
from heliograph.roles.realtime import acks, marks
from tests.unit.roles.realtime.world import ANNA, BERT, World


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Backoff without waiting."""
    for where in (acks, marks):
        monkeypatch.setattr(where, "_FIRST_WAIT_S", 0)


async def test_acks_share_writes() -> None:
    """Fifty acks at once: one write."""
    world = World()
    clients = [await world.connect(user) for user in (ANNA, BERT) for _ in range(2)]
    for number in range(25):
        await world.push(ANNA, f"ntf_a{number}")
        await world.push(BERT, f"ntf_b{number}")
    for client in clients:
        for offset in range(26):
            client.say({"t": "ack", "offset": offset})
    await world.settle()
    assert world.inbox.records == 1
    assert len(world.inbox.recorded) == 50
    assert {event.id for event in world.inbox.recorded} == {"in_app|delivered|0.1|"}


@pytest.mark.usefixtures("impatient")
async def test_acks_survive_a_store_that_is_away_for_a_moment() -> None:
    """Recorded when it is back, the later ones with them."""
    world = World()
    client = await world.connect()
    await world.push(ANNA, "ntf_1")
    await world.push(ANNA, "ntf_2")
    world.inbox.failures = 3
    client.say({"t": "ack", "offset": 1})
    client.say({"t": "ack", "offset": 2})
    await world.settle()
    assert sorted(event.notification_id for event in world.inbox.recorded) == ["ntf_1", "ntf_2"]


@pytest.mark.usefixtures("impatient")
async def test_acks_are_given_up_aloud(capsys: pytest.CaptureFixture[str]) -> None:
    """After a bounded number of tries the loss is logged with its notification; later acks work."""
    world = World()
    client = await world.connect()
    await world.push(ANNA, "ntf_1")
    world.inbox.failures = 6
    client.say({"t": "ack", "offset": 1})
    await world.settle()
    captured = capsys.readouterr()
    assert "ack_lost" in captured.out + captured.err
    assert "ntf_1" in captured.out + captured.err
    await world.push(ANNA, "ntf_2")
    client.say({"t": "ack", "offset": 2})
    await world.settle()
    assert world.inbox.acknowledged == ["ntf_2"]


MARKS: list[tuple[list[str], InboxState]] = [
    (["seen"], InboxState(1, None, None)),
    (["read"], InboxState(1, 1, None)),
    (["read", "unread"], InboxState(1, None, None)),
    (["archive"], InboxState(None, None, 1)),
    (["archive", "unarchive"], InboxState(None, None, None)),
]


@pytest.mark.parametrize(("said", "state"), MARKS)
async def test_marks_are_applied_in_order_and_told(said: list[str], state: InboxState) -> None:
    """Every tab, the sender's too, gets the item's marks and the new count."""
    world = World()
    await world.inbox.hold(ANNA, "ntf_1", "ntf_2", "ntf_3")
    sender, tab = await world.connect(), await world.connect()
    other = await world.connect(BERT)
    for mark in said:
        sender.say({"t": mark, "id": "ntf_1"})
    await world.settle()
    for client in (sender, tab):
        frame = client.link.got("inbox")[-1]
        assert frame["id"] == "ntf_1"
        assert frame["unread"] == (3 if state.read_at is None and state.archived_at is None else 2)
        marked = [frame[name] is not None for name in ("seen_at", "read_at", "archived_at")]
        assert marked == [at is not None for at in (state.seen_at, state.read_at, state.archived_at)]
    assert other.link.got("inbox") == []


async def test_marks_reach_the_other_nodes() -> None:
    """Tabs on another node get the frame through the bus; their node reads the count itself."""
    world = World()
    far = World(node_id="n2", beside=world)
    for node in (world.node, far.node):
        await node.start()
    await world.inbox.hold(ANNA, "ntf_1")
    sender, tab = await world.connect(), await far.connect()
    sender.say({"t": "read", "id": "ntf_1"})
    await world.settle()
    assert tab.link.got("inbox") == sender.link.got("inbox")
    assert tab.link.got("inbox")[0]["unread"] == 0
    assert [node for node, _ in world.bus.sent] == ["n2"]


async def test_an_unknown_item_is_ignored() -> None:
    """Another user's item is like none: no frame, no error."""
    world = World()
    await world.inbox.hold(BERT, "ntf_1")
    client = await world.connect()
    client.say({"t": "read", "id": "ntf_1"})
    await world.settle()
    assert (client.link.got("inbox"), client.link.closed) == ([], None)
    assert world.inbox.state(BERT, "ntf_1") == InboxState()


@pytest.mark.usefixtures("impatient")
async def test_marks_survive_a_store_and_a_cache_that_are_away() -> None:
    """The store is tried again; without presence at least this node's tabs are told."""
    world = World()
    await world.inbox.hold(ANNA, "ntf_1")
    client = await world.connect()
    world.inbox.failures = 2
    world.cache.server.away = True
    client.say({"t": "seen", "id": "ntf_1"})
    await world.settle()
    assert world.inbox.state(ANNA, "ntf_1").seen_at is not None
    assert len(client.link.got("inbox")) == 1


async def test_marks_of_one_user_are_limited() -> None:
    """While the store hangs, waiting marks don't fill the memory: 4429."""
    world = World()
    clients = [await world.connect() for _ in range(6)]
    world.cache.gate.clear()  # the fan-out of the first mark waits for presence
    await world.inbox.hold(ANNA, "ntf_1")
    clients[0].say({"t": "seen", "id": "ntf_1"})
    await world.settle()
    for client in clients:
        for _ in range(190):
            client.say({"t": "seen", "id": "ntf_1"})
    assert [client.link.closed for client in clients].count(4429) >= 1
    world.cache.gate.set()
    await world.settle()


async def test_a_mark_is_applied_although_the_tab_was_closed() -> None:
    """Click and close: what the person did counts."""
    world = World()
    await world.inbox.hold(ANNA, "ntf_1")
    client = await world.connect()
    client.say({"t": "archive", "id": "ntf_1"})
    client.leave()
    await world.settle()
    assert world.inbox.state(ANNA, "ntf_1").archived_at is not None


async def test_the_last_frame_has_the_newest_count() -> None:
    """Many marks at once from two tabs: the last frame each of them gets says what the store says (G4)."""
    world = World()
    tabs = [await world.connect(), await world.connect()]
    await world.inbox.hold(ANNA, *(f"ntf_{number}" for number in range(20)))
    for number in range(20):
        tabs[number % 2].say({"t": "read", "id": f"ntf_{number}"})
        if number % 3 == 0:
            await world.settle()
    await world.settle()
    frames: list[list[dict[str, Any]]] = [tab.link.got("inbox") for tab in tabs]
    assert json.dumps(frames[0]) == json.dumps(frames[1])
    assert frames[0][-1]["unread"] == 0
