"""`heliograph plan`: tables for people, JSON for programs, and a plain word for what makes no sense."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from heliograph.cli import app

RUN = CliRunner()


def test_tables() -> None:
    found = RUN.invoke(app, ["plan", "--rate", "20", "--pace", "50", "--sockets", "5000"])
    assert found.exit_code == 0, found.output
    for word in ("email-sender", "MongoDB", "vCPU hours", "P0 transactional", "outage"):
        assert word in found.output


def test_json_and_p0_first_in_every_phase() -> None:
    found = RUN.invoke(app, ["plan", "--rate", "20", "--pace", "40", "--peak", "4", "--json"])
    answer = json.loads(found.output)
    waits = {(one["phase"], one["level"][:2]): one["p99_s"] for one in answer["latencies"]}
    assert len(waits) == 9
    assert waits["spike", "P0"] < 1 < waits["spike", "P2"]
    assert answer["sizes"]["roles"][0]["name"] == "api"


@pytest.mark.parametrize(
    "wrong", [["--mix", "1,2"], ["--mix", "a,b,c"], ["--mix", "0,0,0"], ["--bench", "/nowhere.json"], ["--online", "2"]]
)
def test_what_makes_no_sense(wrong: list[str]) -> None:
    found = RUN.invoke(app, ["plan", "--rate", "20", *wrong])
    assert found.exit_code == 2
    assert wrong[0] in found.output


def test_results_of_ones_own(tmp_path: Path) -> None:
    cpu = {"side": "heliograph", "setting": "inbox", "cpu_us": {"heliograph": 99.0}}
    result = tmp_path / "r.json"
    result.write_text(json.dumps({"at": "", "scenarios": [{"name": "drain", "figures": [], "measurements": [cpu]}]}))
    found = RUN.invoke(app, ["plan", "--rate", "20", "--json", "--bench", str(result)])
    assert json.loads(found.output)["costs"]["route_us"] == 99.0
