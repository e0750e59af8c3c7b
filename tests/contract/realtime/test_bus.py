"""Messages to real-time nodes: to the one named, at most once, over whichever process."""

from __future__ import annotations

import asyncio

import pytest

from tests.contract.realtime.worlds import World


async def test_a_node_hears_what_is_sent_to_it(world: World) -> None:
    """In order, from its own process and from others, and nothing that is for another node."""
    mine, theirs = await world.buses()
    heard: list[bytes] = []

    async def receive(payload: bytes) -> None:
        heard.append(payload)

    await mine.subscribe("n1", receive)
    await world.arrived()
    await theirs.send("n2", b"for another")
    for number in range(100):
        await theirs.send("n1", b"%d" % number)
    await world.arrived()
    await mine.send("n1", "from myself 🎉".encode())
    await world.arrived()
    assert heard == [*(b"%d" % number for number in range(100)), "from myself 🎉".encode()]


async def test_nobody_there_is_no_error(world: World) -> None:
    """A node that is gone has no one to tell."""
    bus, _ = await world.buses()
    await bus.send("gone", b"x")


@pytest.mark.parametrize("node", ["", "a.b", "*", "n>", "n 1", "n\r\nPUB x 0"])
async def test_names_that_would_reach_others_are_refused(world: World, node: str) -> None:
    """A node's name is one word of a subject, never a pattern or a second command."""
    bus, _ = await world.buses()
    with pytest.raises(ValueError, match="not a node's name"):
        await bus.send(node, b"x")


async def test_a_receiver_that_fails_hears_the_next_one(world: World) -> None:
    """One bad message doesn't deafen a node."""
    mine, theirs = await world.buses()
    heard = asyncio.Event()

    async def receive(payload: bytes) -> None:
        if payload == b"bad":
            raise RuntimeError("a bug in a receiver")
        heard.set()

    await mine.subscribe("n3", receive)
    await world.arrived()
    for payload in (b"bad", b"good"):
        await theirs.send("n3", payload)
    await asyncio.wait_for(heard.wait(), 10)
