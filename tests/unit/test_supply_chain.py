"""How the reports of pip-audit and npm are read: a hole fails, silence is no clean bill of health."""

from __future__ import annotations

import json

import pytest

from tests.support import supply_chain
from tests.support.supply_chain import main, npm_findings, python_findings

SKIPPED = {"name": "a", "skip_reason": "Dependency not found on PyPI and could not be audited: a (1)"}


def test_a_python_report() -> None:
    """What pip-audit 2.10 prints."""
    clean = {"name": "b", "version": "1", "vulns": []}
    holed = {"name": "c", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3"], "description": "x"}]}
    assert python_findings(json.dumps({"dependencies": [clean, SKIPPED], "fixes": []})) == []
    assert python_findings(json.dumps({"dependencies": [clean, holed]})) == ["c 2: PYSEC-1"]


@pytest.mark.parametrize("report", ["", "not json", "[]", "{}", json.dumps({"dependencies": [SKIPPED]})])
def test_a_database_out_of_reach_is_no_clean_report(report: str) -> None:
    """Nothing was looked up, so nothing is known."""
    assert python_findings(report) is None
    assert npm_findings(report) is None


def test_an_npm_report() -> None:
    """What npm 10 prints."""
    assert npm_findings(json.dumps({"auditReportVersion": 2, "vulnerabilities": {}})) == []
    found = {"vulnerabilities": {"left-pad": {"name": "left-pad", "severity": "high"}}}
    assert npm_findings(json.dumps(found)) == ["left-pad: high"]


@pytest.mark.parametrize(
    ("found", "code", "said"),
    [
        ({"PyPI": []}, 0, "PyPI: 0 known"), ({"PyPI": ["c 2: PYSEC-1"]}, 1, "c 2: PYSEC-1"),
        ({"PyPI": None, "npm": []}, 0, "NOT CHECKED: the advisory database of PyPI"),
    ],
)  # fmt: skip
def test_what_fails_the_check(
    found: dict[str, list[str] | None], code: int, said: str,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Only a known vulnerability; what could not be checked is said."""
    monkeypatch.setattr(supply_chain, "write_sboms", list)
    monkeypatch.setattr(supply_chain, "audit", lambda: found)
    assert main() == code
    assert said in capsys.readouterr().out
