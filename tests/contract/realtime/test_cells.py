"""Cells: what several processes change at once, none of them losing another's change."""

from __future__ import annotations

import asyncio
import secrets

from heliograph.core.ports import Cells
from tests.contract.realtime.worlds import World

TTL = 60_000


def cell() -> str:
    return f"account:{secrets.token_hex(4)}"


async def held(cells: Cells, name: str) -> bytes:
    return await cells.change(name, lambda was: was, TTL)


async def test_a_cell_begins_empty_and_holds_what_it_is_given(world: World) -> None:
    """For everybody, and apart from all others."""
    one, other = world.cells
    name = cell()
    assert await held(one, name) == b""
    assert await one.change(name, lambda was: was + b"\x00\xffvalue", TTL) == b"\x00\xffvalue"
    assert await held(other, name) == b"\x00\xffvalue"
    assert await held(other, cell()) == b""


async def test_no_change_is_lost(world: World) -> None:
    """Two processes, fifty changes each at once: each builds on the one before it."""
    name = cell()
    changes = [cells.change(name, lambda was: b"%d" % (int(was or b"0") + 1), TTL) for cells in world.cells * 50]
    answers = await asyncio.gather(*changes)
    assert sorted(map(int, answers)) == list(range(1, 101))


async def test_what_others_changed_is_seen(world: World) -> None:
    """Also by whoever changed it last, and whoever only looks."""
    one, other = world.cells
    name = cell()
    await one.change(name, lambda was: was + b"a", TTL)
    await other.change(name, lambda was: was + b"b", TTL)
    assert await held(one, name) == b"ab"
    assert await one.change(name, lambda was: was + b"c", TTL) == b"abc"


async def test_a_lost_cell_is_an_empty_one(world: World) -> None:
    """The cache was wiped: nobody's memory of it stands in for it."""
    one, other = world.cells
    name = cell()
    await one.change(name, lambda _: b"a", TTL)
    await world.flush()
    assert await held(one, name) == b""
    assert await other.change(name, lambda was: was + b"b", TTL) == b"b"
