"""What we build on, and whether anybody knows of a hole in it: `make audit`.

Reads the locked requirements and the clients' lock; writes CycloneDX documents to `build/sbom/`. Asks the advisory
databases of PyPI and npm. A known vulnerability fails; a database out of reach is said loudly and does not: a build
machine without the Internet must go on.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
BIN: Final = Path(sys.executable).parent
SBOM: Final = ROOT / "build" / "sbom"
REQUIREMENTS: Final = ROOT / "requirements" / "runtime.txt"
SDK: Final = ROOT / "sdk"
_PATIENCE_S: Final = 60


def python_findings(report: str) -> list[str] | None:
    """The vulnerabilities in a report of `pip-audit --format json`; None = it could not look anything up."""
    try:
        packages = json.loads(report)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return None
    if not any("vulns" in package for package in packages):
        return None
    return [
        f"{package['name']} {package['version']}: {one['id']}"
        for package in packages
        for one in package.get("vulns", ())
    ]


def npm_findings(report: str) -> list[str] | None:
    """The same of `npm audit --json`."""
    try:
        found = json.loads(report)["vulnerabilities"]
    except (ValueError, KeyError, TypeError):
        return None
    return [f"{name}: {one['severity']}" for name, one in found.items()]


def components(document: Path) -> int:
    """How many parts a CycloneDX document lists. Raises `ValueError` for anything else."""
    content: dict[str, Any] = json.loads(document.read_text("utf-8"))
    if content.get("bomFormat") != "CycloneDX":
        raise ValueError(f"{document} is no CycloneDX document")
    return len(content["components"])


def _run(command: Sequence[str], where: Path = ROOT) -> str:
    """Standard output, whatever the exit code; empty when it took too long."""
    try:
        done = subprocess.run(
            command,
            cwd=where,
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout


def write_sboms() -> list[Path]:
    """One for the server, one for the clients if npm is here."""
    SBOM.mkdir(parents=True, exist_ok=True)
    server, clients = SBOM / "heliograph.cdx.json", SBOM / "clients.cdx.json"
    _run([str(BIN / "cyclonedx-py"), "requirements", str(REQUIREMENTS), "--of", "JSON", "-o", str(server)])
    if not shutil.which("npm"):
        return [server]
    clients.write_text(_run(["npm", "sbom", "--sbom-format", "cyclonedx", "--package-lock-only"], SDK), "utf-8")
    return [server, clients]


def audit() -> dict[str, list[str] | None]:
    """By registry: what is known, or None."""
    pip_audit = [str(BIN / "pip-audit"), "-r", str(REQUIREMENTS), "--require-hashes", "--disable-pip"]
    found = {"PyPI": python_findings(_run([*pip_audit, "--format", "json", "--progress-spinner", "off"]))}
    if shutil.which("npm"):
        found["npm"] = npm_findings(_run(["npm", "audit", "--json", "--package-lock-only", "--omit=dev"], SDK))
    return found


def say(*lines: str) -> None:
    sys.stdout.write("\n  ".join(lines) + "\n")


def main() -> int:
    for document in write_sboms():
        say(f"SBOM: {document.relative_to(ROOT)}, {components(document)} components")
    holes = 0
    for registry, found in audit().items():
        if found is None:
            say(f"NOT CHECKED: the advisory database of {registry} is out of reach; nothing is known either way")
            continue
        say(f"{registry}: {len(found)} known vulnerabilities", *found)
        holes += len(found)
    return 1 if holes else 0


if __name__ == "__main__":
    sys.exit(main())
