"""The shared pace: never faster than the rate plus one second's worth, whoever asks."""

from __future__ import annotations

import asyncio
import secrets

import pytest

from tests.contract.realtime.worlds import World

NOW = 1_700_000_000_000


def bucket() -> str:
    return f"acme:smtp:{secrets.token_hex(4)}"


async def test_a_bucket_begins_full_and_holds_one_second(world: World) -> None:
    """One second's worth at once, then none until time goes by, and never more than that however long one waits."""
    limiter, name = world.limiters[0], bucket()
    assert (await limiter.take(name, 100, 10, NOW))[0] == 10
    assert await limiter.take(name, 100, 10, NOW) == (0, pytest.approx(0.1))
    assert (await limiter.take(name, 100, 10, NOW + 3_600_000))[0] == 10


async def test_no_more_than_wanted(world: World) -> None:
    """What isn't taken stays."""
    limiter, name = world.limiters[0], bucket()
    assert [(await limiter.take(name, 4, 10, NOW))[0] for _ in range(4)] == [4, 4, 2, 0]


async def test_the_wait_is_until_the_next_token(world: World) -> None:
    """A caller that sleeps as long as it is told gets one; a moment earlier it doesn't."""
    limiter, name = world.limiters[0], bucket()
    await limiter.take(name, 4, 4, NOW)
    _, wait_s = await limiter.take(name, 1, 4, NOW + 100)
    assert wait_s == pytest.approx(0.15)
    assert (await limiter.take(name, 1, 4, NOW + 249))[0] == 0
    assert (await limiter.take(name, 1, 4, NOW + 250))[0] == 1


async def test_rates_below_one_a_second(world: World) -> None:
    """One every ten seconds is a rate too."""
    limiter, name = world.limiters[0], bucket()
    assert (await limiter.take(name, 5, 0.1, NOW))[0] == 1
    assert await limiter.take(name, 5, 0.1, NOW + 4_000) == (0, pytest.approx(6.0))
    assert (await limiter.take(name, 5, 0.1, NOW + 10_000))[0] == 1


async def test_two_processes_share_it(world: World) -> None:
    """Many takes at once from two processes, over ten seconds: never above rate × time + one second's worth."""
    name, rate = bucket(), 50.0
    granted = 0
    for tick in range(101):
        takes = [limiter.take(name, 3, rate, NOW + 100 * tick) for limiter in world.limiters for _ in range(5)]
        granted += sum(got for got, _ in await asyncio.gather(*takes))
        assert granted <= rate * tick / 10 + rate
    assert granted == pytest.approx(rate * 10 + rate, abs=1)


async def test_buckets_are_apart(world: World) -> None:
    """One provider's pace is no other's."""
    one, other = bucket(), bucket()
    await world.limiters[0].take(one, 10, 10, NOW)
    assert (await world.limiters[0].take(other, 10, 10, NOW))[0] == 10


async def test_a_clock_that_is_behind_adds_nothing(world: World) -> None:
    """Two processes whose clocks differ a little get no token twice."""
    ahead, behind = world.limiters
    name = bucket()
    await ahead.take(name, 10, 10, NOW + 500)
    granted = 0
    for tick in range(20):
        granted += (await behind.take(name, 10, 10, NOW + 10 * tick))[0]
        granted += (await ahead.take(name, 10, 10, NOW + 500 + 10 * tick))[0]
    assert granted == 1
