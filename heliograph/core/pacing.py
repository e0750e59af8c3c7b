"""How fast a provider's account may be called: a token bucket whose rate obeys the provider. Pure: state in, state out.

The rate falls when the provider says that it is too fast and comes back over time (additive increase, multiplicative
decrease). A pause is kept to the millisecond: nothing is granted before `since`, and after it the bucket is empty. A
share of every bucket is P0's own. Sources: FCM's "Best practices when sending at scale" (nothing sooner than 10 s, from
0 to the peak over 60 s); RFC 9110 section 10.2.3 (Retry-After).
"""

from __future__ import annotations

import math
from typing import Final

import msgspec

from heliograph.core.model import Millis

MARGIN_MS: Final = 250
"""On top of every pause: the provider's clock is not ours, and an answer travels."""
_WRONG_CLOCK_MS: Final = 10_000


class PaceRules(msgspec.Struct, frozen=True):
    """What holds for one kind of account.

    Attributes:
        ceiling: calls a second, at most.
        reserve: share of the bucket that only P0 may take.
        kept: share of the rate that is left after the provider called it too fast.
        restart: share of the ceiling to begin with after an outage.
        ramp_s: seconds in which the rate grows from 0 to the ceiling.
        pause_s: the pause when the provider names none.
        least_pause_s: no pause is shorter, whatever the provider names.
    """

    ceiling: float
    reserve: float = 0.2
    kept: float = 0.5
    restart: float = 1.0
    ramp_s: float = 60.0
    pause_s: float = 1.0
    least_pause_s: float = 0.0


class Pace(msgspec.Struct, frozen=True, array_like=True):
    """`tokens` as counted at `at`. `rate` holds from `since` on and grows from there; before it, nothing goes."""

    tokens: float
    at: Millis
    rate: float
    since: Millis


class Taken(msgspec.Struct, frozen=True):
    """`count` tokens; if none, there may be one in `wait_s` seconds."""

    count: int
    wait_s: float = 0.0


def fresh(rules: PaceRules, now: Millis) -> Pace:
    """A bucket that nobody used: full, at the ceiling."""
    return Pace(_capacity(rules.ceiling), now, rules.ceiling, now)


def rate_at(pace: Pace, rules: PaceRules, at: Millis) -> float:
    """Calls a second that are allowed at a moment; 0 during a pause."""
    if at < pace.since:
        return 0.0
    return min(rules.ceiling, pace.rate + _slope(rules) * (at - pace.since) / 1000)


def tokens_at(pace: Pace, rules: PaceRules, now: Millis) -> float:
    """What is in the bucket: at most one second's worth, and never less than room for one."""
    start = max(pace.at, pace.since)
    gained = _gained(rate_at(pace, rules, start), rules, max(0, now - start) / 1000)
    return min(_capacity(rate_at(pace, rules, max(now, start))), pace.tokens + gained)


def take(pace: Pace, rules: PaceRules, wanted: int, urgent: bool, now: Millis) -> tuple[Pace, Taken]:
    """Takes up to `wanted` tokens. `urgent` = P0, which alone may empty the bucket."""
    if pace.at > now + _WRONG_CLOCK_MS:  # somebody's clock was wrong; else it would stop everyone until then
        pace = msgspec.structs.replace(pace, at=now)
    if now < pace.since:
        return pace, Taken(0, (pace.since - now) / 1000)
    rate = rate_at(pace, rules, now)
    tokens = tokens_at(pace, rules, now)
    kept = 0 if urgent else math.floor(_capacity(rate) * rules.reserve)
    count = max(0, min(wanted, math.floor(tokens - kept + 1e-9)))
    left = max(0.0, tokens - count)
    wait_s = 0.0 if count else _wait_s(rate, rules, 1 + kept - left)
    return msgspec.structs.replace(pace, tokens=left, at=max(pace.at, now)), Taken(count, wait_s)


def given_back(pace: Pace, rules: PaceRules, count: int, taken_at: Millis, now: Millis) -> Pace:
    """Tokens that nobody needed are in the bucket again, unless the provider asked for silence since `taken_at`."""
    if taken_at < pace.since:
        return pace
    at = max(pace.at, now)
    tokens = min(_capacity(rate_at(pace, rules, at)), tokens_at(pace, rules, now) + count)
    return msgspec.structs.replace(pace, tokens=tokens, at=at)


def slowed(pace: Pace, rules: PaceRules, after_s: float | None, begun_at: Millis, now: Millis) -> Pace:
    """The provider said that it is too fast: a pause, and a lower rate after it.

    Args:
        after_s: what it asked for.
        begun_at: when the call began that was answered so. Of a crowd of calls that were under way together only the
            first lowers the rate: the others tell nothing new.
    """
    pause_s = max(rules.least_pause_s, rules.pause_s if after_s is None else after_s)
    until = now + math.ceil(pause_s * 1000) + MARGIN_MS
    news = begun_at >= pace.since
    rate = rate_at(pace, rules, now) * rules.kept if news else pace.rate
    return Pace(0.0, max(pace.at, now), rate, max(pace.since, until))


def restarted(pace: Pace, rules: PaceRules, now: Millis) -> Pace:
    """The provider is back after an outage: from `restart` of the ceiling, if it wasn't slower before."""
    if rules.restart >= 1:
        return pace
    since = max(now, pace.since)
    rate = min(rate_at(pace, rules, since), rules.ceiling * rules.restart)
    return Pace(0.0, max(pace.at, now), rate, since)


def stricter(one: Pace, other: Pace) -> Pace:
    """Of what two sides know of the same account, what allows less."""
    later = max(one, other, key=lambda pace: pace.since)
    return msgspec.structs.replace(later, tokens=min(one.tokens, other.tokens), at=max(one.at, other.at))


def _slope(rules: PaceRules) -> float:
    """By how much the rate grows in a second."""
    return rules.ceiling / rules.ramp_s


def _capacity(rate: float) -> float:
    return max(1.0, rate)


def _gained(rate: float, rules: PaceRules, seconds: float) -> float:
    """Tokens that come in while the rate grows from `rate` to the ceiling and stays there."""
    growing_s = min(seconds, (rules.ceiling - rate) / _slope(rules))
    return rate * growing_s + _slope(rules) * growing_s**2 / 2 + rules.ceiling * (seconds - growing_s)


def _wait_s(rate: float, rules: PaceRules, tokens: float) -> float:
    """Seconds until so many tokens have come in: `_gained` the other way round, never more than it takes."""
    slope = _slope(rules)
    growing_s = (math.sqrt(rate**2 + 2 * slope * tokens) - rate) / slope
    return max(growing_s, tokens / rules.ceiling)
