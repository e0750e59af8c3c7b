"""When to try again: exponential backoff with full jitter, bounded, never sooner than the provider asked.

Full jitter (a uniform draw between 0 and the exponential ceiling) spreads a crowd of retries best:
aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec

from heliograph.core.model import Level, Millis
from heliograph.core.outcomes import Held, Misconfigured, ProviderOutcome, Throttled, Unavailable


class RetryPolicy(msgspec.Struct, frozen=True):
    """`base_s` doubles with every attempt up to `ceiling_s`; `max_attempts` counts the first attempt too.

    `resend_unknown`: the levels whose unknown attempts are repeated like any other failure; those of the other levels
    wait `unknown_hold_s` for word of what became of them.
    """

    base_s: float = 2.0
    ceiling_s: float = 3600.0
    max_attempts: int = 8
    resend_unknown: frozenset[Level] = frozenset(Level)
    unknown_hold_s: float = 0.0

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
    policy: RetryPolicy, attempt: int, outcome: ProviderOutcome, now: Millis, draw: Callable[[], float], *,
    level: Level = Level.P0, excused: bool = False,
) -> TryAgain | GiveUp:  # fmt: skip
    """What follows a failed attempt.

    Args:
        attempt: which try this was, from 1, counted since the last replay.
        outcome: any provider outcome but `Delivered`.
        draw: uniform in [0, 1); the caller's randomness, so that the rule stays pure.
        excused: nothing is wrong with the message, so it isn't given up for this; see `excuses`.
    """
    cause: str = getattr(outcome, "cause", type(outcome).__name__.lower())
    if not isinstance(outcome, Throttled | Unavailable | Misconfigured | Held):
        return GiveUp(cause)
    if attempt >= policy.max_attempts and not excused:
        return GiveUp(cause)
    floor_s = _floor_s(policy, outcome, level)
    if isinstance(outcome, Held) or (excused and isinstance(outcome, Unavailable) and floor_s is None):
        # It waits in its lane for the provider, whose breaker spaces the probes: with a wait of its own it would miss
        # the moment when that closes, and what is less urgent would go first.
        wait_s = 0.0
    elif floor_s is None:
        wait_s = policy.backoff_s(attempt, draw)
    else:
        # Retry-After is a floor: the jitter goes on top of it, or a crowd would return in the same millisecond.
        wait_s = floor_s + policy.backoff_s(1, draw)
    return TryAgain(now + math.ceil(wait_s * 1000), cause)


def excuses(outcome: ProviderOutcome, is_open: bool) -> bool:
    """Whether a failed attempt says something about the provider's account only, so that it doesn't count.

    Args:
        is_open: the provider's breaker is, after this outcome.
    """
    match outcome:
        case Held():
            return True
        case Throttled():
            # Without a time it may be any transient refusal (a relay's 451), which must come to an end some day.
            return outcome.after_s is not None and not outcome.alone
        case Misconfigured():
            return not outcome.alone
        case Unavailable():
            return is_open and not outcome.alone
        case _:
            return False


def _floor_s(policy: RetryPolicy, outcome: ProviderOutcome, level: Level) -> float | None:
    """Seconds that must pass in any case."""
    asked_s = getattr(outcome, "after_s", None)
    if isinstance(outcome, Unavailable) and outcome.unknown and level not in policy.resend_unknown:
        return max(policy.unknown_hold_s, asked_s or 0.0)
    return asked_s
