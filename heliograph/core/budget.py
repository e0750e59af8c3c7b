"""How many retries a provider's trouble may cost: a share of the first attempts. Pure: state in, state out.

First attempts earn credit, retries spend it, so that a provider in trouble gets at most a fifth more calls instead of
several times as many (a retry storm). A small constant keeps a quiet installation going. Anchors: Linkerd's 20 % and 10
a second; "Handling Overload" in Google's SRE book.
"""

from __future__ import annotations

import msgspec

from heliograph.core.model import Millis

_SAVED_S = 10.0
"""Credit is kept for as many first attempts as the pace allows in this time: what was earned an hour ago is gone."""


class BudgetRules(msgspec.Struct, frozen=True):
    """`share` of a retry is earned by a first attempt, `constant` retries by each second; `most` can be saved."""

    share: float = 0.2
    constant: float = 1.0
    most: float = 10.0


class Budget(msgspec.Struct, frozen=True):
    """`credit`, in retries, as counted at `at`."""

    credit: float
    at: Millis


def budget_rules(rate_per_s: float) -> BudgetRules:
    """For an account of that pace."""
    rules = BudgetRules()
    return msgspec.structs.replace(rules, most=rules.most + rules.share * rate_per_s * _SAVED_S)


def opening_credit(now: Millis) -> Budget:
    return Budget(BudgetRules().most, now)


def earned(budget: Budget, rules: BudgetRules, first_attempts: int, now: Millis) -> Budget:
    """After first attempts, and as time goes by."""
    gained = first_attempts * rules.share + max(0, now - budget.at) / 1000 * rules.constant
    return Budget(min(rules.most, budget.credit + gained), max(budget.at, now))


def spent(budget: Budget) -> Budget | None:
    """For one retry; None = there is no credit for it."""
    return Budget(budget.credit - 1, budget.at) if budget.credit >= 1 else None
