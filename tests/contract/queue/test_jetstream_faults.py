"""What only a real server can do to us: stop, freeze, be killed, lose its disk, hold rubbish."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog

from heliograph.backends.jetstream import JetStreamQueue
from heliograph.backends.jetstream.envelope import NAK, receipt
from heliograph.backends.jetstream.link import NatsLink, Outgoing
from heliograph.backends.jetstream.packing import pack
from heliograph.backends.servers import NatsServer
from heliograph.backends.servers.accounts import OPERATOR
from heliograph.core.errors import QueueUnavailable
from heliograph.core.lanes import INGEST, LANES
from heliograph.core.model import Level
from tests.contract.queue.items import ingest, many, names, take
from tests.contract.queue.worlds import wall
from tests.support.eventually import eventually
from tests.support.servers import frozen, lose_data


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[NatsServer]:
    """A server of the test's own, to be mistreated."""
    found = NatsServer(tmp_path)
    await found.start()
    yield found
    await found.stop()


@pytest.fixture
async def queue(server: NatsServer) -> AsyncIterator[JetStreamQueue]:
    found = JetStreamQueue(await server.start(), wall, ack_wait_s=1.0)
    await found.connect()
    yield found
    await found.close()


async def publish_when_possible(queue: JetStreamQueue, name: str) -> None:
    async def published() -> bool:
        try:
            await queue.publish(INGEST, [ingest(name)])
        except QueueUnavailable:
            return False
        return True

    await eventually(published)


async def test_disk_lost_while_a_consumer_waits(server: NatsServer, queue: JetStreamQueue, tmp_path: Path) -> None:
    """The server is gone, comes back with an empty disk, and both ends go on without being told."""
    before = await queue.incarnation()
    waiting = asyncio.create_task(queue.pull(INGEST, 10))
    await queue.lanes()
    await lose_data(server, tmp_path)
    await publish_when_possible(queue, "after")
    assert names(await asyncio.wait_for(waiting, 10)) == ["after"]
    assert await queue.incarnation() != before


async def test_a_restart_keeps_what_was_there(server: NatsServer, queue: JetStreamQueue) -> None:
    """An orderly restart of the server loses nothing, and is no new incarnation."""
    before = await queue.incarnation()
    await queue.publish(INGEST, many("n", 100))
    waiting = [asyncio.create_task(queue.pull(lane, 1)) for lane in LANES if lane is not INGEST]
    for _ in range(3):
        await server.stop()
        await server.start()
        await eventually(lambda: _up(queue))
        assert await queue.incarnation() == before
    assert len(await take(queue, INGEST, 100)) == 100
    for pull in waiting:
        pull.cancel()
    await asyncio.wait(waiting)


async def test_killed_under_load_nothing_acknowledged_is_lost(server: NatsServer, queue: JetStreamQueue) -> None:
    """kill -9 of the server: the supervisor brings it back, and all that was acknowledged is delivered."""
    acknowledged: set[str] = set()
    got: set[str] = set()

    async def work() -> None:
        while True:
            batch = await queue.pull(INGEST, 50)
            got.update(names(batch))
            await queue.settle(batch)

    worker = asyncio.create_task(work())
    for number in range(600):
        if number in {150, 350}:
            assert server.pid
            os.kill(server.pid, signal.SIGKILL)
        try:
            await queue.publish(INGEST, [ingest(f"n{number}")])
            acknowledged.add(f"n{number}")
        except QueueUnavailable:
            await eventually(lambda: _up(queue))

    async def all_there() -> bool:
        return acknowledged <= got

    await eventually(all_there)
    worker.cancel()
    await asyncio.wait({worker})
    assert len(acknowledged) > 300


async def test_a_frozen_server_is_an_error_not_a_wait(server: NatsServer, queue: JetStreamQueue) -> None:
    """A server that takes but never answers makes publishing fail, and is used again once it thaws."""
    async with frozen(server):
        with pytest.raises(QueueUnavailable):
            await asyncio.wait_for(queue.publish(INGEST, [ingest("lost?")]), 10)
    await publish_when_possible(queue, "thawed")


async def test_while_the_server_is_down_everything_says_so(server: NatsServer, queue: JetStreamQueue) -> None:
    """Publishing, measuring and asking for the incarnation raise `QueueUnavailable`; settling doesn't."""
    await queue.publish(INGEST, many("n", 2))
    pulled = await take(queue, INGEST, 2)
    await server.stop()
    await eventually(lambda: _down(queue))
    for call in (queue.publish(INGEST, many("x", 1)), queue.lanes(), queue.incarnation()):
        with pytest.raises(QueueUnavailable):
            await call
    await queue.settle(pulled)
    await server.start()

    async def settled() -> bool:
        try:
            return (await queue.lanes())["ingest", Level.P0].depth == 0
        except QueueUnavailable:
            return False

    await eventually(settled)


async def test_a_late_acknowledgement_settles_nothing_new(
    server: NatsServer, queue: JetStreamQueue, tmp_path: Path
) -> None:
    """What was in hand before the data was lost must not settle a message that was published after."""
    await queue.publish(INGEST, many("old", 3))
    old = await take(queue, INGEST, 3)
    await lose_data(server, tmp_path)
    await publish_when_possible(queue, "new")
    new = await asyncio.wait_for(queue.pull(INGEST, 10), 10)
    assert names(new) == ["new"]
    await queue.settle(old)
    for _ in range(5):  # round trips, in which the server takes in what was said
        assert (await queue.lanes())["ingest", Level.P0].depth == 1


async def test_a_consumer_that_was_deleted_is_made_again(server: NatsServer, queue: JetStreamQueue) -> None:
    """Nobody publishes into a missing stream here: the one who pulls must find out alone."""
    waiting = asyncio.create_task(queue.pull(INGEST, 10))
    await queue.lanes()
    somebody = NatsLink(server.url_of(OPERATOR))  # no account of ours may
    await somebody.open()
    await somebody.request_many([Outgoing("$JS.API.CONSUMER.DELETE.lane_ingest.router-p0", b"")], 2)
    await somebody.close()
    await queue.publish(INGEST, [ingest("n")])
    assert names(await asyncio.wait_for(waiting, 10)) == ["n"]


async def test_a_message_that_comes_again_while_in_hand_is_one_message(queue: JetStreamQueue) -> None:
    """A worker that was slow to say that it lives may get its own message again: it doesn't handle it twice."""
    await queue.publish(INGEST, many("n", 2))
    held = await take(queue, INGEST, 2)
    await queue.link.send(receipt(held[0])[0].reply, NAK)
    for _ in range(5):  # round trips, in which it comes again
        await queue.lanes()
    await queue.publish(INGEST, [ingest("next")])
    after = await queue.pull(INGEST, 10)
    assert names(after) == ["next"]
    await queue.settle([*held, *after])

    async def empty() -> bool:
        return (await queue.lanes())["ingest", Level.P0].depth == 0

    await eventually(empty)


async def test_a_connection_that_the_client_library_gave_up_is_made_anew(queue: JetStreamQueue) -> None:
    """nats-py closes for good on errors that the server reports; waiting pulls and later publishes survive that."""
    waiting = asyncio.create_task(queue.pull(INGEST, 10))
    await queue.lanes()
    await queue.link._client._process_err("'something of the server''s'")
    await eventually(lambda: _down(queue), every_s=0)
    await publish_when_possible(queue, "after")
    assert names(await asyncio.wait_for(waiting, 10)) == ["after"]


async def test_a_queue_opens_before_its_server_is_up(tmp_path: Path) -> None:
    """Processes start in any order: connecting comes back, publishing fails, and then it works."""
    server = NatsServer(tmp_path)
    url = await server.start()
    await server.stop()
    queue = JetStreamQueue(url, wall)
    await queue.connect()
    with pytest.raises(QueueUnavailable):
        await queue.publish(INGEST, many("n", 1))
    await server.start()
    await publish_when_possible(queue, "now")
    assert names(await queue.pull(INGEST, 1)) == ["now"]
    await queue.close()
    await server.stop()


@pytest.mark.parametrize("rubbish", [b"", b"\xc1", b"\x90", b"\x91\x01", b'[{"json":1}]'])
async def test_rubbish_is_logged_and_thrown_away(queue: JetStreamQueue, rubbish: bytes) -> None:
    """A message that can't be read never stops a lane, and never goes in silence."""
    with structlog.testing.capture_logs() as logs:
        await queue.link.request_many([Outgoing("lane.ingest.p0.3", rubbish)], 2)
        await queue.publish(INGEST, [ingest("sound")])
        pulled = await queue.pull(INGEST, 10)
    assert names(pulled) == ["sound"]
    assert [(log["event"], log["subject"]) for log in logs if log["log_level"] == "error"] == [
        ("undecodable", "lane.ingest.p0.3")
    ]
    await queue.settle(pulled)

    async def empty() -> bool:
        return (await queue.lanes())["ingest", Level.P0].depth == 0

    await eventually(empty)


async def test_a_subject_that_lies_about_its_count_does_no_harm(queue: JetStreamQueue) -> None:
    """The items inside count, whatever the subject says."""
    [(_, _, honest)] = pack(INGEST, many("n", 3))
    await queue.link.request_many([Outgoing("lane.ingest.p0.9", honest)], 2)
    pulled = await take(queue, INGEST, 3)
    await queue.settle(pulled)
    await queue.publish(INGEST, [ingest("next")])
    assert names(await queue.pull(INGEST, 10)) == ["next"]


async def _up(queue: JetStreamQueue) -> bool:
    return queue.link.is_up


async def _down(queue: JetStreamQueue) -> bool:
    return not queue.link.is_up
