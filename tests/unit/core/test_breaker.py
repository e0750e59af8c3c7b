"""The breaker: open within seconds of an outage and for no less, one probe at a time, closed by the first answer."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from heliograph.core import account as accounts
from heliograph.core import breaker
from heliograph.core.account import Account, Rules
from heliograph.core.breaker import CLOSED, SILENT, Breaker, BreakerRules, Window
from heliograph.core.outcomes import Delivered, Misconfigured, ProviderOutcome, Rejected, Unavailable
from heliograph.core.pacing import PaceRules
from tests.unit.given import T0

RULES = BreakerRules()


def after(calls: str, every_ms: int = 10) -> list[bool]:
    """What each of these calls says: + answered, - failed."""
    window, told = Window(), []
    for number, call in enumerate(calls):
        window, trips = breaker.seen(window, RULES, call == "+", T0 + number * every_ms)
        told.append(trips)
    return told


@pytest.mark.parametrize(
    ("calls", "every_ms", "opens"),
    [
        ("-----", 10, True),
        ("----", 10, False),
        ("-----", 60_000, True),  # in a row, however long it takes
        ("+-+-+-+-+-", 10, True),  # half of them, at least five
        ("+-+-+-+-+-", 3_000, False),  # but not within the window
        ("+++-" * 20, 10, False),
        ("+" * 1_000 + "-----", 1, True),
        ("+++++++++-" * 50, 5, False),  # one in ten is no outage
    ],
)
def test_what_opens_it(calls: str, every_ms: int, opens: bool) -> None:
    """So many in a row, or so many and such a share within seconds."""
    assert any(after(calls, every_ms)) is opens


def test_silence_opens_it() -> None:
    """Five calls for four seconds without any answer; one that answers meanwhile is a sign of life."""
    begun = [T0] * 5
    assert breaker.fell_silent(begun, T0 - 1, RULES, T0 + 4_000)
    assert not breaker.fell_silent(begun, T0 - 1, RULES, T0 + 3_999)
    assert not breaker.fell_silent(begun[:4], T0 - 1, RULES, T0 + 9_000)
    assert not breaker.fell_silent(begun, T0 + 1_000, RULES, T0 + 4_000)
    assert not breaker.fell_silent([*begun[:4], T0 + 3_000], T0 - 1, RULES, T0 + 4_000)


def test_probes_come_ever_further_apart() -> None:
    """1, 2, 4 … seconds, never more than 30."""
    now, state = T0, breaker.opened(CLOSED, RULES, "down", T0, T0, patient=False)
    spacings = []
    for _ in range(8):
        assert breaker.probed(state, RULES, state.probe_at - 1) is None
        spacings.append((state.probe_at - now) / 1000)
        now = state.probe_at
        state = breaker.probed(state, RULES, now) or CLOSED
    assert spacings == [1, 2, 4, 8, 16, 30, 30, 30]


def test_wrong_credentials_are_looked_at_rarely() -> None:
    """They don't heal by themselves within a second; and their cause replaces a vaguer one."""
    assert breaker.opened(CLOSED, RULES, "401", T0, T0, patient=True).probe_at == T0 + 30_000
    down = breaker.opened(CLOSED, RULES, "down", T0, T0, patient=False)
    assert breaker.opened(down, RULES, "401", T0 + 9, T0 + 10, patient=True) == Breaker("401", T0, T0 + 30_010, 32)
    assert breaker.opened(down, RULES, "502", T0 + 9, T0 + 10, patient=False) == Breaker("502", T0, T0 + 1_000, 0)


def test_only_news_changes_an_open_one() -> None:
    """Calls that were under way when it opened tell nothing new, neither yes nor no; after silence any answer does."""
    down = breaker.opened(CLOSED, RULES, "down", T0, T0, patient=False)
    assert breaker.opened(down, RULES, "401", T0 - 1, T0 + 10, patient=True) == down
    assert not breaker.healed(down, T0 - 1)
    assert breaker.healed(down, T0)
    silent = breaker.opened(CLOSED, RULES, SILENT, T0, T0, patient=False)
    assert breaker.healed(silent, T0 - 9_000)
    assert not breaker.healed(CLOSED, T0)


PACE = PaceRules(1e6)


class Outages(RuleBasedStateMachine):
    """One process, calls that are answered or fail as the provider stands at their end, time that passes."""

    def __init__(self) -> None:
        super().__init__()
        self.rules = Rules(PACE)
        self.now = T0
        self.account = accounts.fresh(self.rules, T0)
        self.window = Window()
        self.outcome: ProviderOutcome = Delivered()
        self.under_way: list[int] = []
        self.failed_in_a_row = 0
        self.probes: list[int] = []

    def learn(self, begun_at: int) -> None:
        answered = accounts.answers(self.outcome)
        self.failed_in_a_row = 0 if answered else self.failed_in_a_row + 1
        self.window, trips = breaker.seen(self.window, self.rules.breaker, answered, self.now)
        was = self.account
        self.account = accounts.learn(was, self.rules, self.outcome, begun_at, self.now, trips)
        if was.breaker.is_open and not self.account.breaker.is_open:
            assert answered, "only an answer closes it"
            assert begun_at >= was.breaker.opened_at, "and only one to a call that began after it opened"
            self.probes.clear()

    @rule(ms=st.integers(1, 40_000))
    def time_passes(self, ms: int) -> None:
        self.now += ms

    @rule(
        outcome=st.sampled_from(
            [Delivered(), Rejected("550"), Unavailable("503"), Unavailable("mailbox", alone=True), Misconfigured("401")]
        )
    )
    def the_provider_changes(self, outcome: ProviderOutcome) -> None:
        self.outcome = outcome

    @rule(wanted=st.integers(1, 20), urgent=st.booleans())
    def calls_begin(self, wanted: int, urgent: bool) -> None:
        was_open = self.account.breaker.is_open
        self.account, got = accounts.admit(self.account, self.rules, wanted, urgent, self.now)
        assert got.probe == (was_open and got.count > 0)
        assert got.count <= 1 if was_open else got.count == wanted
        if got.probe:
            self.probes.append(self.now)
        self.under_way += [self.now] * got.count

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def a_call_ends(self, data: st.DataObject) -> None:
        self.learn(self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1))))

    @invariant()
    def trouble_is_known(self) -> None:
        """Five failures in a row, or one of credentials, and it is open."""
        if self.failed_in_a_row >= self.rules.breaker.failures:
            assert self.account.breaker.is_open

    @invariant()
    def probes_are_few(self) -> None:
        """Never two within the same second, and no more than one in 30 s after the first five."""
        gaps = [later - earlier for earlier, later in zip(self.probes, self.probes[1:], strict=False)]
        assert all(gap >= 1_000 for gap in gaps)
        assert all(gap >= 30_000 for gap in gaps[5:])

    @invariant()
    def it_is_never_shut_for_good(self) -> None:
        """30 s from now at most, a call may go."""
        later = self.now + 30_000
        assert accounts.admit(self.account, self.rules, 1, True, later)[1].count == 1


TestOutages = Outages.TestCase
TestOutages.settings = settings(max_examples=60, stateful_step_count=40, deadline=None, database=None)


def test_closed_by_default() -> None:
    """An account nobody called is open to all."""
    assert not Account(accounts.fresh(Rules(PACE), T0).pace).breaker.is_open
