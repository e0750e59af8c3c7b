"""Who crowds a lane, and whose turn it is then."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.core.crowding import HOLD_MS, Crowds, FairTurns, Share, crowds_share
from heliograph.core.lanes import OUTBOX, OutboxItem
from heliograph.core.model import Level, Mail
from tests.unit.given import T0

FLOOR = 100


def seen(*steps: tuple[int, dict[str, int]]) -> list[set[str]]:
    """Who crowds after each of (milliseconds since the start, items by tenant)."""
    crowds = Crowds(FLOOR)
    return [crowds.crowding(counts, T0 + at) for at, counts in steps]


@pytest.mark.parametrize(
    ("steps", "last"),
    [
        ([(0, {"a": 100})], set()),
        ([(0, {"a": 101})], {"a"}),
        ([(0, {"a": 60}), (500, {"a": 60})], {"a"}),
        ([(0, {"a": 60}), (1_900, {"a": 60})], {"a"}),
        ([(0, {"a": 60}), (2_000, {"a": 60})], set()),
        ([(0, {"a": 101}), (HOLD_MS - 1, {"a": 1})], {"a"}),
        ([(0, {"a": 101}), (HOLD_MS, {"a": 1})], set()),
        ([(0, {"a": 101}), (500, {"b": 1})], set()),
        ([(0, {f"t{n}": 101 for n in range(20)})], set()),
        ([(0, {"a": 5_000, "b": 200})], {"a"}),
        ([(0, {"a": 5_000}), (1, {"b": 600})], {"b"}),
        ([(0, {"a": 10**6}), (-HOLD_MS * 100, {"a": 1})], set()),
    ],
)
def test_a_crowd_is_many_and_a_large_share(steps: list[tuple[int, dict[str, int]]], last: set[str]) -> None:
    """Over the floor within a second or two, and more than a tenth of the traffic; for a while afterwards; each by
    itself; and a clock that was set back holds nobody."""
    assert seen(*steps)[-1] == last


def test_what_it_remembers_is_who_was_there_lately() -> None:
    """100,000 tenants that came by leave nothing behind."""
    crowds = Crowds(FLOOR)
    for number in range(1_000):
        crowds.crowding({f"t{number}-{n}": 101 for n in range(3)}, T0 + number * 100)
    crowds.crowding({"last": 1}, T0 + 10**6)
    assert len(crowds._now) + len(crowds._before) + len(crowds._until) == 1


def test_items_are_told_apart_by_level_and_tenant() -> None:
    """A burst of P2 doesn't move the same tenant's P0; the order within each part stays."""
    mail = Mail(to="a@b.example", subject="s", text="t", html="h")
    items = [
        OutboxItem(tenant=tenant, id=f"{tenant}{level:d}-{n}", at_level=level, mail=mail)
        for n in range(40)
        for tenant, level in (("noisy", Level.P2), ("noisy", Level.P0), ("quiet", Level.P2))
        if (tenant, level) == ("noisy", Level.P2) or n < 4
    ]
    quiet, crowd = FairTurns().apart(OUTBOX, items, T0)
    assert [item.key.id for item in crowd] == [f"noisy2-{n}" for n in range(40)]
    assert list(quiet) == [item for item in items if item not in crowd]


@pytest.mark.parametrize(
    ("limit", "quiet_at", "crowd_at", "since_s", "last", "share"),
    [
        (500, 5, None, 0.0, False, Share(0, 0)),
        (500, None, 5, 99.0, False, Share(0, 500)),
        (500, None, 5, 0.5, False, Share(0, 100)),
        (500, 5, 9, 99.0, False, Share(0, 500)),
        (500, 9, 5, 99.0, False, Share(100, 100)),
        (500, 9, 5, 99.0, True, Share(0, 100)),
        (1, 9, 5, 0.0, False, Share(1, 1)),
        (1, 9, 5, 0.0, True, Share(0, 1)),
    ],
)
def test_what_a_batch_holds_of_a_crowd(
    limit: int, quiet_at: int | None, crowd_at: int | None, since_s: float, last: bool, share: Share
) -> None:
    """Full batches while it is alone, small parts while others are about, one kept for it in every second batch."""
    assert crowds_share(limit, quiet_at, crowd_at, since_s, crowd_was_last=last) == share


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 50)), max_size=200), st.integers(1, 30))
def test_the_quiet_go_first_and_nobody_starves(published: list[tuple[bool, int]], limit: int) -> None:
    """Batch by batch: no two in a row hold any of the crowd while somebody quiet is left behind, no two in a row hold
    none of it while it waits longer, and each side keeps its order."""
    sides = {crowd: deque(sorted(at for one, at in published if one is crowd)) for crowd in (False, True)}
    wanted = {crowd: list(side) for crowd, side in sides.items()}
    served: dict[bool, list[int]] = {False: [], True: []}
    last, left_out = False, 0
    while any(sides.values()):
        quiet, crowd = sides[False], sides[True]
        quiet_at, crowd_at = (side[0] if side else None for side in (quiet, crowd))
        share = crowds_share(limit, quiet_at, crowd_at, 99.0, crowd_was_last=last)
        first = [quiet.popleft() for _ in range(min(limit - share.least, len(quiet)))]
        then = [crowd.popleft() for _ in range(min(share.most, limit - len(first), len(crowd)))]
        assert first or then
        assert not (quiet and then and last)
        overtaken = quiet_at is not None and crowd_at is not None and crowd_at < quiet_at
        left_out = left_out + 1 if overtaken and not then else 0
        assert left_out <= 1
        served[False] += first
        served[True] += then
        last = bool(then)
    assert served == wanted
