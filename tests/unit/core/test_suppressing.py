"""The suppression list's rule: which reason stops which mail."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.core.model import Level
from heliograph.core.suppressing import REASONS, Reason, in_order, stopped_by


@pytest.mark.parametrize(
    ("reasons", "p0", "p1", "p2"),
    [
        ((), None, None, None),
        (("hard_bounce",), "hard_bounce", "hard_bounce", "hard_bounce"),
        (("complaint",), "complaint", "complaint", "complaint"),
        (("manual",), "manual", "manual", "manual"),
        (("unsubscribe",), None, "unsubscribe", "unsubscribe"),
        (("unsubscribe", "manual"), "manual", "manual", "manual"),
        (("unsubscribe", "complaint", "hard_bounce"), "hard_bounce", "hard_bounce", "hard_bounce"),
    ],
)
def test_which_reason_stops_which_mail(
    reasons: tuple[Reason, ...], p0: str | None, p1: str | None, p2: str | None
) -> None:
    """Transactional passes unsubscribes and nothing else; of several reasons the strongest is told."""
    assert [stopped_by(reasons, level) for level in Level] == [p0, p1, p2]


@given(st.sets(st.sampled_from(REASONS)), st.sampled_from(REASONS), st.sampled_from(Level))
def test_another_reason_never_lets_a_mail_pass(reasons: set[Reason], more: Reason, level: Level) -> None:
    """And a less important mail never passes where a more important one is stopped."""
    if stopped_by(reasons, level):
        assert stopped_by(reasons | {more}, level)
    if stopped_by(reasons, Level.P0):
        assert stopped_by(reasons, level)


def test_unknown_reasons_are_left_out() -> None:
    """What a newer version wrote stops nothing here rather than everything."""
    assert in_order({"unsubscribe", "invented", "complaint"}) == ("complaint", "unsubscribe")
