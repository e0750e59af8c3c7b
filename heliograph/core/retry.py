"""When to try again: exponential backoff with full jitter, bounded, never sooner than the provider asked.

Full jitter (a uniform draw between 0 and the exponential ceiling) spreads a crowd of retries best:
aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec

from heliograph.core.model import Millis
from heliograph.core.outcomes import Misconfigured, ProviderOutcome, Throttled, Unavailable


class RetryPolicy(msgspec.Struct, frozen=True):
    """`base_s` doubles with every attempt up to `ceiling_s`; `max_attempts` counts the first attempt too."""

    base_s: float = 2.0
    ceiling_s: float = 3600.0
    max_attempts: int = 8

    def backoff_s(self, attempt: int, draw: Callable[[], float]) -> float:
        """Seconds to wait after the `attempt`-th try (from 1); `draw` gives uniform numbers in [0, 1)."""
        ceiling: float = min(self.ceiling_s, self.base_s * 2.0 ** min(attempt - 1, 40))
        return ceiling * draw()


class GiveUp(msgspec.Struct, frozen=True):
    """No further attempt."""

    cause: str


class TryAgain(msgspec.Struct, frozen=True):
    at: Millis
    cause: str


def after_failure(
    policy: RetryPolicy, attempt: int, outcome: ProviderOutcome, now: Millis, draw: Callable[[], float]
) -> TryAgain | GiveUp:
    """What follows a failed attempt.

    Args:
        attempt: which try this was, from 1, counted since the last replay.
        outcome: any provider outcome but `Delivered`.
        draw: uniform in [0, 1); the caller's randomness, so that the rule stays pure.
    """
    cause: str = getattr(outcome, "cause", type(outcome).__name__.lower())
    if not isinstance(outcome, Throttled | Unavailable | Misconfigured):
        return GiveUp(cause)
    if attempt >= policy.max_attempts:
        return GiveUp(cause)
    wait_s = policy.backoff_s(attempt, draw)
    asked_s = None if isinstance(outcome, Misconfigured) else outcome.after_s
    if asked_s is not None:
        # Retry-After is a floor: the jitter goes on top of it, or a crowd would return in the same millisecond.
        wait_s = asked_s + policy.backoff_s(1, draw)
    return TryAgain(now + math.ceil(wait_s * 1000), cause)
