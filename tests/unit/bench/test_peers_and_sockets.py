"""The arithmetic of `peers` and `sockets`, and what stands in the way of running them."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from heliograph.bench import pages as pages_of
from heliograph.bench import peers as started
from heliograph.bench.command import app
from heliograph.bench.histogram import Histogram
from heliograph.bench.load import Outcome
from heliograph.bench.registry import ALL, SCENARIOS
from heliograph.bench.scenario import Sample
from heliograph.bench.scenarios import peers, sockets


def sample(rate: int, began_at: float = 100.0) -> Sample:
    """One second of it."""
    outcome = Outcome(
        seconds=1.0, whole_s=1.0, requests=rate, answered=rate, answers=Histogram.of_ns([10**6]).to_json(),
        statuses={202: rate}, cpu_s=0.1, began_at=began_at,
    )  # fmt: skip
    return Sample(outcome, {"api": 0.5})


def test_end_to_end_counts_every_mail_from_the_first_request_to_the_last_arrival() -> None:
    assert peers.end_to_end(sample(4), {1: 101.0, 2: 104.0, 3: 102.0, 4: 100.5}) == 1.0


def test_the_ratio_to_a_peer_is_ours_by_its_own_in_the_same_round() -> None:
    """Ours is ten times Celery's in both rounds, though the second was disturbed: the goal is reached."""
    rates = dict.fromkeys((peers.OURS, peers.SPLIT, *started.PEERS), 100.0) | {peers.OURS: 1_000.0}
    rounds = {
        side: [peers.Round(sample(500), rate / disturbed, Histogram.of_ns([3 * 10**6]), lost=0) for disturbed in (1, 4)]
        for side, rate in rates.items()
    }
    figures = {one.name: one for one in peers.figures(rounds, [sample(2_000), sample(500)])}

    ours = figures["Heliograph / FastAPI + Celery, end to end"]
    assert (ours.value, ours.low, ours.high, ours.reached) == (10.0, 10.0, 10.0, True)
    assert figures["Heliograph, 2 processes / Express + BullMQ, end to end"].reached is False
    assert figures["Heliograph / FastAPI + Celery, accepted"].value == 1.0
    assert figures["Heliograph / lab alone, end to end"].value == 0.5
    assert figures["mails lost"].value == 0


def test_peers_are_offered_apart_and_say_how_to_get_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`all` leaves them out; asked for by name without their installation, the command ends with the way to it."""
    monkeypatch.setattr(started, "_INSTALLED", tmp_path / "nothing")

    result = CliRunner().invoke(app, ["peers", "--short"])

    assert result.exit_code == 1
    assert "make peers" in result.output
    assert {scenario.name for scenario in SCENARIOS} - {scenario.name for scenario in ALL} == {"peers"}


@pytest.mark.parametrize(
    ("pages", "processes"), [(1, [1]), (5_000, [5_000]), (5_001, [2_501, 2_500]), (19_800, [4_950] * 4)]
)
def test_pages_are_shared_out_evenly_among_few_processes(pages: int, processes: list[int]) -> None:
    assert pages_of.shares(pages, 5_000) == processes


def test_memory_and_deliveries_are_by_page_and_by_processor_second() -> None:
    opened = sockets.Opened(pages=2_000, seconds=2.0, grown_mb=10.0)
    alone = [sockets.total([sockets.Fanout(60_000, 1.0, 0.25), sockets.Fanout(60_000, 1.0, 0.75)])]
    whole = [sockets.Fanout(30_000, 6.0, 1.0)]

    figures = {one.name: one for one in sockets.figures(opened, alone, whole)}

    assert (figures["memory a socket"].value, figures["memory a socket"].unit) == (5.12, "KB")
    assert figures["sockets connected a second"].value == 1_000
    assert figures["fan-out alone, deliveries a processor second"].value == 120_000
    assert figures["bulk send to page, deliveries a second"].value == 5_000
    assert figures["bulk send to page / fan-out alone, a processor second"].value == 0.25
