"""What all processes know of one account at a provider: its pace and its breaker. Pure: state in, state out.

`admit` decides how many calls may go now; `learn` draws the conclusions from an outcome. Who asks, and where the state
is kept, is heliograph/guard.py's business.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from heliograph.core import breaker as breakers
from heliograph.core import pacing
from heliograph.core.breaker import CLOSED, Breaker, BreakerRules
from heliograph.core.model import Millis
from heliograph.core.outcomes import Held, Misconfigured, ProviderOutcome, Throttled, Unavailable
from heliograph.core.pacing import Pace, PaceRules


class Account(msgspec.Struct, frozen=True, array_like=True):
    pace: Pace
    breaker: Breaker = CLOSED


class Rules(msgspec.Struct, frozen=True):
    pace: PaceRules
    breaker: BreakerRules = BreakerRules()


class Admitted(msgspec.Struct, frozen=True):
    """`count` calls may begin; if none, it may be worth asking again in `wait_s`. `probe` = one call, to find out
    whether the provider is back."""

    count: int
    wait_s: float = 0.0
    probe: bool = False


def fresh(rules: Rules, now: Millis) -> Account:
    return Account(pacing.fresh(rules.pace, now))


def paused(account: Account, now: Millis) -> bool:
    """The provider asked for silence."""
    return now < account.pace.since


def admit(account: Account, rules: Rules, wanted: int, urgent: bool, now: Millis) -> tuple[Account, Admitted]:
    """How many calls may begin now. A pause holds for probes too."""
    if not account.breaker.is_open or paused(account, now):
        pace, taken = pacing.take(account.pace, rules.pace, wanted, urgent, now)
        return msgspec.structs.replace(account, pace=pace), Admitted(taken.count, taken.wait_s)
    probing = breakers.probed(account.breaker, rules.breaker, now)
    if probing is None:
        return account, Admitted(0, (account.breaker.probe_at - now) / 1000)
    return msgspec.structs.replace(account, breaker=probing), Admitted(1, probe=True)


def given_back(account: Account, rules: Rules, unused: Sequence[tuple[int, Millis]], now: Millis) -> Account:
    """With the tokens that nobody needed, and when they were taken."""
    pace = account.pace
    for count, taken_at in unused:
        pace = pacing.given_back(pace, rules.pace, count, taken_at, now)
    return msgspec.structs.replace(account, pace=pace)


def learn(
    account: Account, rules: Rules, outcome: ProviderOutcome, begun_at: Millis, now: Millis, trips: bool
) -> Account:
    """The account after one call ended. `trips` = by what its process saw of late, the provider is down."""
    pace, breaker = account.pace, account.breaker
    if answers(outcome):
        if breakers.healed(breaker, begun_at):
            pace, breaker = pacing.restarted(pace, rules.pace, now), CLOSED
    elif trips or isinstance(outcome, Misconfigured) or breaker.is_open:
        patient = isinstance(outcome, Misconfigured)
        breaker = breakers.opened(breaker, rules.breaker, cause_of(outcome), begun_at, now, patient)
    if asks_to_wait(outcome):
        pace = pacing.slowed(pace, rules.pace, getattr(outcome, "after_s", None), begun_at, now)
    return Account(pace, breaker)


def answers(outcome: ProviderOutcome) -> bool:
    """Whether the provider does its work, whatever it said to this message."""
    match outcome:
        case Held():
            return False
        case Misconfigured() | Unavailable():
            return outcome.alone
        case _:
            return True


def asks_to_wait(outcome: ProviderOutcome) -> bool:
    """Whether it means every message, not just this one."""
    match outcome:
        case Throttled():
            return not outcome.alone
        case Unavailable():
            return outcome.asked and not outcome.alone
        case _:
            return False


def cause_of(outcome: ProviderOutcome) -> str:
    return getattr(outcome, "cause", "") or type(outcome).__name__.lower()


def merged(shared: Account, own: Account) -> Account:
    """After the cache was away: what either side learned meanwhile counts."""
    breaker = shared.breaker if shared.breaker.is_open else own.breaker
    return Account(pacing.stricter(shared.pace, own.pace), breaker)
