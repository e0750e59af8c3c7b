"""Results: goals, files, charts and what `heliograph bench compare` says of two of them."""

from __future__ import annotations

import io
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest
from rich.console import Console
from typer.testing import CliRunner

from heliograph.bench.bars import rate_chart
from heliograph.bench.command import app
from heliograph.bench.compare import changes, differences, pairs
from heliograph.bench.histogram import Histogram
from heliograph.bench.report import Report, read, write
from heliograph.bench.scenario import Options, Result, figure, latencies_of, rates_of, ratio

cli = CliRunner()


def report(*values: float, at_least: bool = True, name: str = "a") -> Report:
    """One scenario with one figure."""
    measured = [rates_of("heliograph", "8", [100.0]), latencies_of("page", "8", 5.0, Histogram.of_ns([10**6, 10**7]))]
    result = Result(
        name="accept", title="Sends", measurements=measured, figures=[figure(name, values, at_least=at_least)]
    )
    return Report.of([result], Options())


def shown(before: Report, after: Report) -> str:
    console = Console(width=200, record=True, file=io.StringIO(), force_terminal=True)
    console.print(changes(before, after))
    return console.export_text(styles=True)


@pytest.mark.parametrize(
    ("values", "goal", "at_least", "reached"),
    [
        ([0.4, 0.5, 0.9], 0.5, True, True),
        ([0.4, 0.4, 0.9], 0.5, True, False),
        ([14.0], 15.0, False, True),
        ([16.0], 15.0, False, False),
        ([1.0], None, True, None),
    ],
)
def test_the_median_of_the_rounds_reaches_the_goal_or_does_not(
    values: list[float], goal: float | None, at_least: bool, reached: bool | None
) -> None:
    assert figure("x", values, goal=goal, at_least=at_least).reached is reached


def test_a_ratio_is_taken_round_by_round() -> None:
    """The second round was disturbed, on both sides: the ratio doesn't show it."""
    found = ratio("x", [50.0, 5.0], [100.0, 10.0])

    assert (found.value, found.low, found.high) == (0.5, 0.5, 0.5)


def test_what_is_written_is_read_again_with_a_chart_for_each_scenario(tmp_path: Path) -> None:
    made = report(1.0)

    written = write(made, tmp_path / "new" / "result.json")

    assert read(written[0]) == made
    assert [path.name for path in written] == ["result.json", "result-accept.svg"]
    assert "p99" in written[1].read_text() or "p50" in written[1].read_text()
    assert ElementTree.parse(written[1]).getroot().tag.endswith("svg")


def test_bars_have_the_lengths_of_their_rates() -> None:
    drawn = ElementTree.fromstring(rate_chart("R & B", {"a <b>": 50.0, "c": 200.0, "nothing": 0.0}))
    widths = [float(bar.attrib["width"]) for bar in drawn.iter("{http://www.w3.org/2000/svg}rect")]

    assert widths == [100.0, 400.0, 0.0]
    assert any(text.text == "a <b>" for text in drawn.iter("{http://www.w3.org/2000/svg}text"))


@pytest.mark.parametrize(
    ("before", "after", "at_least", "colour"),
    [
        ((10.0, 11.0), (20.0, 21.0), True, "32"),
        ((10.0, 11.0), (5.0, 6.0), True, "31"),
        ((10.0, 11.0), (5.0, 6.0), False, "32"),
        ((10.0, 11.0), (11.0, 30.0), True, "2"),  # within the spread: grey
    ],
)
def test_a_change_is_good_bad_or_within_the_spread(
    before: tuple[float, ...], after: tuple[float, ...], at_least: bool, colour: str
) -> None:
    text = shown(report(*before, at_least=at_least), report(*after, at_least=at_least))

    assert f"\x1b[{colour}m" in text.partition("(")[2]


def test_only_figures_of_both_are_compared() -> None:
    assert list(pairs(report(1.0, name="a"), report(1.0, name="b"))) == []


def test_another_machine_is_told_but_not_its_load() -> None:
    before: dict[str, str | int | float] = {"cores": 2, "load": 0.1, "python": "3.12"}

    assert list(differences(before, {"cores": 8, "load": 9.0, "python": "3.12"})) == [("cores", ("2", "8"))]


def test_compare_reads_two_files(tmp_path: Path) -> None:
    one, other = (str(write(report(value), tmp_path / f"{value}.json")[0]) for value in (1.0, 2.0))

    answer = cli.invoke(app, ["compare", one, other])

    assert answer.exit_code == 0
    assert "+100%" in answer.output


def test_compare_refuses_what_is_no_result(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.json"
    wrong.write_bytes(msgspec.json.encode({"schema": 1}))

    answer = cli.invoke(app, ["compare", str(wrong), str(tmp_path / "missing.json")])

    assert answer.exit_code == 1
    assert "missing required field" in answer.output


def test_numbers_that_are_none_are_refused_before_anything_starts() -> None:
    answer = cli.invoke(app, ["growth", "--stored", "ten"])

    assert answer.exit_code == 2
    assert "comma separated numbers" in answer.output
