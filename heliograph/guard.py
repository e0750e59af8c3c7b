"""What stands between a sender and one account at a provider: pace, breaker and retry budget.

Asked before calls begin and told what became of each. What is learnt is shared by all processes through the cache
(`Cells`); without it each process goes on by what it knows. The rules themselves are pure: core/account.py and what it
stands on, core/budget.py. Never chooses what is sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import count, islice
from typing import Final

import msgspec

from heliograph import telemetry
from heliograph.core import account as accounts
from heliograph.core import breaker, budget, pacing
from heliograph.core.account import Account, Admitted, Rules
from heliograph.core.errors import PresenceUnavailable
from heliograph.core.model import Level, Millis
from heliograph.core.outcomes import Held, ProviderOutcome
from heliograph.core.ports import Cells, Clock
from heliograph.pausing import Pauses

_KEPT_MS: Final = 24 * 3600 * 1000
"""What nobody asked about for a day is forgotten. No pause is longer than an hour."""
_LOOK_S: Final = 0.3
_BY_HAND_MS: Final = 60_000
"""A pause by hand ends when somebody ends it: others needn't wait for that."""
_account: Final = msgspec.msgpack.Decoder(Account)

log = telemetry.logger("guard")


class Guard:
    """Args:
    provider: its name in logs, metrics and `/readyz`.
    account: what tells this account from others at the same provider, where cells are shared.
    """

    def __init__(
        self, provider: str, cells: Cells, clock: Clock, rules: Rules, account: str = "", pauses: Pauses | None = None
    ) -> None:  # fmt: skip
        self.provider = provider
        self.rules = rules
        self._cells = cells
        self._clock = clock
        self._pauses = pauses or Pauses()
        self._cell = f"account:{provider}:{account}"
        self._seen = accounts.fresh(rules, clock())
        self._alone = False
        self._window = breaker.Window()
        self._turned_at: Millis = 0
        self._under_way: dict[int, Millis] = {}
        self._numbers = count()
        self._unused: list[tuple[int, Millis]] = []
        self._answered_at: Millis = 0
        self._tokens_gauge = telemetry.provider_tokens.labels(provider)
        self._rate_gauge = telemetry.provider_rate.labels(provider)
        self._budget_rules = budget.budget_rules(rules.pace.ceiling)
        self._budgets = {level: budget.opening_credit(clock()) for level in Level}
        """One a level: a crowd of P2 that fails must not cost P0 its retries."""

    # --- before calls -------------------------------------------------------------------------------------------------

    async def admit(self, wanted: int, level: Level) -> Admitted:
        """How many calls may begin now, up to `wanted`."""
        now = self._clock()
        if self.paused_for_ms():
            return Admitted(0, self.paused_for_ms() / 1000)
        admitted = Admitted(0)
        unused, self._unused = self._unused, []

        def step(account: Account) -> Account:
            nonlocal admitted
            account = accounts.given_back(account, self.rules, unused, now)
            account, admitted = accounts.admit(account, self.rules, wanted, level is Level.P0, now)
            return account

        await self._change(step)
        return admitted

    def give_back(self, tokens: int, taken_at: Millis) -> None:
        """Tokens that nobody needed; everybody may have them from the next `admit` on."""
        self._unused.append((tokens, taken_at))

    def held(self, *, probe: bool = False) -> str:
        """Why no call may begin at this moment, by what this process knows; empty = one may."""
        by_hand = self._pauses.of(self.provider)
        if by_hand:
            return by_hand.words
        if accounts.paused(self._seen, self._clock()):
            return "the provider asked for a pause"
        return "" if probe else self._seen.breaker.cause

    @property
    def is_open(self) -> bool:
        """Its breaker is."""
        return self._seen.breaker.is_open

    def paused_for_ms(self) -> Millis:
        """How long nothing calls it for certain, whoever asked for that; 0 = it isn't paused."""
        if self._pauses.of(self.provider):
            return _BY_HAND_MS
        return max(0, self._seen.pace.since - self._clock())

    def may_try(self, level: Level, *, again: bool) -> bool:
        """Whether the retry budget lets this attempt begin; a first one always may, and earns credit."""
        now = self._clock()
        credit = budget.earned(self._budgets[level], self._budget_rules, 0 if again else 1, now)
        left = budget.spent(credit) if again else credit
        self._budgets[level] = left or credit
        if left is None:
            telemetry.retry_budget_exhausted_total.labels(self.provider, level.name.lower()).inc()
        return left is not None

    # --- calls --------------------------------------------------------------------------------------------------------

    async def call(self, send: Callable[[], Awaitable[ProviderOutcome]], *, probe: bool = False) -> ProviderOutcome:
        """Makes the call, unless a pause or an open breaker has come between."""
        why = self.held(probe=probe)
        if why:
            return Held(why)
        begun_at, number = self._clock(), next(self._numbers)
        self._under_way[number] = begun_at
        try:
            outcome = await send()
        finally:
            del self._under_way[number]
        await self._learn(outcome, begun_at)
        return outcome

    async def watch(self) -> None:
        """Opens the breaker when calls pile up unanswered. To be called now and then while calls are under way."""
        rules, now = self.rules.breaker, self._clock()
        oldest = [*islice(self._under_way.values(), rules.silent_calls)]
        if self.is_open or not breaker.fell_silent(oldest, self._answered_at, rules, now):
            return

        def step(account: Account) -> Account:
            opened = breaker.opened(account.breaker, rules, breaker.SILENT, now, now, patient=False)
            return msgspec.structs.replace(account, breaker=opened)

        await self._change(step)

    async def look(self) -> str:
        """The state in words, as far as all processes know it: `up`, `paused`, `open: <cause>` or `paused by hand`."""
        with suppress(TimeoutError):  # `/readyz` must not wait for a cache that is frozen
            async with asyncio.timeout(_LOOK_S):
                await self.watch()
                await self._change(lambda account: account)
        by_hand = self._pauses.of(self.provider)
        if by_hand:
            return by_hand.words
        if self.is_open:
            return f"open: {self._seen.breaker.cause}"
        return "paused" if self.paused_for_ms() else "up"

    async def rate(self) -> float:
        """Calls a second that the account grants just now: 0 in a pause or behind an open breaker."""
        await self.look()
        if self.is_open or self._pauses.of(self.provider):
            return 0.0
        return pacing.rate_at(self._seen.pace, self.rules.pace, self._clock())

    async def _learn(self, outcome: ProviderOutcome, begun_at: Millis) -> None:
        now = self._clock()
        answered = accounts.answers(outcome)
        trips = False
        if answered or begun_at >= self._turned_at:  # else it tells of the time before the breaker opened or closed
            self._window, trips = breaker.seen(self._window, self.rules.breaker, answered, now)
        self._answered_at = now if answered else self._answered_at

        def step(account: Account) -> Account:
            return accounts.learn(account, self.rules, outcome, begun_at, now, trips)

        if step(self._seen) != self._seen:  # nearly every call teaches nothing new
            await self._change(step)

    # --- what all processes share -------------------------------------------------------------------------------------

    async def _change(self, step: Callable[[Account], Account]) -> None:
        try:
            found = await self._cells.change(self._cell, lambda was: self._changed(was, step), _KEPT_MS)
        except PresenceUnavailable as error:
            self._go_alone(error)
            self._notice(step(self._seen))
        else:
            self._alone = False
            self._notice(_account.decode(found))

    def _changed(self, was: bytes, step: Callable[[Account], Account]) -> bytes:
        account = self._seen  # the cache lost it, if it ever had it
        if was:
            account = accounts.merged(_account.decode(was), self._seen) if self._alone else _account.decode(was)
        return msgspec.msgpack.encode(step(account))

    def _go_alone(self, error: PresenceUnavailable) -> None:
        if self._alone:
            return
        self._alone = True
        log.warning("pace_not_shared", action="pace alone", provider=self.provider, error=str(error))
        # Others may just have emptied the bucket.
        pace = msgspec.structs.replace(self._seen.pace, tokens=0.0, at=self._clock())
        self._seen = msgspec.structs.replace(self._seen, pace=pace)

    def _notice(self, found: Account) -> None:
        """Takes it for the truth, and says once what is new about it."""
        was, self._seen = self._seen, found
        now = self._clock()
        self._tokens_gauge.set(int(pacing.tokens_at(found.pace, self.rules.pace, now)))
        self._rate_gauge.set(pacing.rate_at(found.pace, self.rules.pace, now))
        if found.breaker.cause != was.breaker.cause:
            self._tell_breaker(was.breaker.cause, found.breaker.cause)
        if found.breaker.is_open != was.breaker.is_open:
            self._turned_at, self._window = now, breaker.Window()
        if found.pace.since > max(now, was.pace.since) and not accounts.paused(was, now):
            log.info("paused", action="pause", provider=self.provider, seconds=(found.pace.since - now) / 1000)

    def _tell_breaker(self, was: str, cause: str) -> None:
        if was:
            telemetry.breaker_open.remove(self.provider, was)
        if cause:
            telemetry.breaker_open.labels(self.provider, cause).set(1)
            log.warning("breaker_opened", action="hold", provider=self.provider, cause=cause)
        else:
            log.info("breaker_closed", action="send again", provider=self.provider)
        telemetry.breaker_opened_total.labels(self.provider).inc(0 if was else 1)
