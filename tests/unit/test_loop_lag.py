"""Loop lag: a stall between two scrapes is still told at the next one, and forgotten 15 s later."""

from __future__ import annotations

import asyncio
import time

import pytest

from heliograph.loop_lag import LoopLag


def test_the_worst_of_the_window_is_told() -> None:
    """`now_s` is the last look, `worst_s` the worst of 150; early wake-ups count as none."""
    lag = LoopLag()
    assert (lag.now_s, lag.worst_s) == (0.0, 0.0)
    lag.saw(0.4)
    lag.saw(-0.001)
    assert (lag.now_s, lag.worst_s) == (0.0, 0.4)
    for _ in range(150):
        lag.saw(0.01)
    assert lag.worst_s == 0.01


async def test_a_blocked_loop_is_seen() -> None:
    """What holds the loop for longer than a look takes shows as lag."""
    lag, looks = LoopLag(), 0

    async def blocked(seconds: float) -> None:
        nonlocal looks
        if looks:
            raise asyncio.CancelledError
        looks += 1
        time.sleep(seconds + 0.05)  # noqa: ASYNC251 - what a bug in a role would do to the loop

    with pytest.raises(asyncio.CancelledError):
        await lag.watch(blocked)
    assert lag.now_s >= 0.05
