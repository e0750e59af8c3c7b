"""Which devices may be forgotten: never the one that came back, never the fleet because we are wrong."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.core.outcomes import (
    Delivered,
    Misconfigured,
    ProviderOutcome,
    Rejected,
    Throttled,
    Unavailable,
    Unregistered,
)
from heliograph.core.pruning import MEMORY, TRICKLE, TokenDoubts, still_meant
from tests.unit.given import T0

SETTINGS = settings(max_examples=100, deadline=None, database=None)
DOUBT = Unregistered("apns 400 BadDeviceToken", doubtful=True)
SURE = Unregistered("apns 400 BadDeviceToken")
GONE = Unregistered("apns 410 Unregistered", since=T0)
WAVE = Misconfigured("apns 400 BadDeviceToken from too many devices")
TAKEN = Delivered("1")


@pytest.mark.parametrize(
    ("registered_at", "since", "meant"),
    [
        (T0 - 1, T0, True),
        (T0, T0, False),  # within the same millisecond: keep it, the next push tells
        (T0 + 1, T0, False),
        (T0, None, True),
        (0, T0, True),  # nobody knows when it registered
    ],
)
def test_news_older_than_the_registration_mean_another(registered_at: int, since: int | None, meant: bool) -> None:
    """Apple: stop sending to a token that was gone, unless the app has registered it again since."""
    assert still_meant(registered_at, since) is meant


def judged(*answers: ProviderOutcome) -> list[ProviderOutcome]:
    doubts = TokenDoubts()
    return [doubts.judge(answer) for answer in answers]


def test_a_single_bad_token_is_forgotten() -> None:
    """Also if it is the first thing that a provider ever says: small installations have few devices."""
    assert judged(DOUBT) == [SURE]
    assert judged(TAKEN, DOUBT, TAKEN) == [TAKEN, SURE, TAKEN]


@pytest.mark.parametrize("size", [6, 50, 5000])
def test_a_wave_stops_after_five(size: int) -> None:
    """The wrong environment: every token is bad. The rest waits, nothing of it is forgotten or dead."""
    assert judged(*[DOUBT] * size) == [SURE] * 5 + [WAVE] * (size - 5)


def test_a_wave_in_the_middle_of_good_days_is_one_too() -> None:
    """Somebody exchanged the key for another app's, and thousands of good answers lie behind."""
    assert judged(*[TAKEN] * 5000, *[DOUBT] * 100)[5000:] == [SURE] * 5 + [WAVE] * 95


def test_good_answers_end_a_wave() -> None:
    """Some three times the memory of them, and bad tokens are believed again."""
    doubts = TokenDoubts()
    for answer in [DOUBT] * 1000 + [TAKEN] * 3 * MEMORY:
        doubts.judge(answer)
    assert doubts.judge(DOUBT) == SURE


@pytest.mark.parametrize(
    "answer",
    [Throttled("429"), Unavailable("503"), Rejected("413"), Misconfigured("403"), Unavailable("x", unknown=True)],
)
def test_what_is_not_about_the_token_changes_nothing(answer: ProviderOutcome) -> None:
    """An outage neither proves nor disproves an address."""
    doubts = TokenDoubts()
    for _ in range(100):
        assert doubts.judge(answer) == answer
    assert doubts.share == 0


def test_a_token_that_is_known_to_be_gone_speaks_for_us() -> None:
    """Who knows that it is gone knew it: we ask in the right place. A wave of them is a stale list, and is pruned."""
    assert judged(*[GONE] * 1000) == [GONE] * 1000


ANSWERS = st.lists(st.sampled_from([TAKEN, GONE, DOUBT, Unavailable("503")]), max_size=400)


@SETTINGS
@given(ANSWERS)
def test_only_a_trickle_is_ever_forgotten(answers: list[ProviderOutcome]) -> None:
    """In any order of answers: five, and then one for about every nine good ones."""
    doubtful = [
        result for answer, result in zip(answers, judged(*answers), strict=True) if answer == DOUBT and result == SURE
    ]
    good = sum(answer in (TAKEN, GONE) for answer in answers)
    assert len(doubtful) <= 6 + good * TRICKLE / (1 - TRICKLE)


@SETTINGS
@given(ANSWERS)
def test_nothing_else_is_ever_changed(answers: list[ProviderOutcome]) -> None:
    """Every answer but the doubtful comes out as it went in, and no doubt is left to the caller."""
    for answer, result in zip(answers, judged(*answers), strict=True):
        assert result in (SURE, WAVE) if answer == DOUBT else result == answer
