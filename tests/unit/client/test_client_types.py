"""The client's types as a caller's type checker sees them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mypy import api

ROOT = Path(__file__).parents[3]
CALLS = """
from heliograph.client import AsyncHeliograph, Heliograph

async def calls(h: Heliograph, a: AsyncHeliograph, users: list[str]) -> None:
    reveal_type(h.send("a", title="T"))  # Sent
    reveal_type(h.send({"id": "a", "email": "a@x"}, title="T"))  # Sent
    reveal_type(h.send(users, title="T"))  # SentList
    reveal_type(h.send({"topic": "releases"}, title="T"))  # SentTopic
    reveal_type(h.send(["a", {"id": "b", "name": "B"}], title="T"))  # SentList
    reveal_type(h.send_many([{"to": "a", "title": "T"}, {"to": {"id": "b"}, "channels": ["email"]}]))  # list[Sent]
    reveal_type(await a.send("a", title="T"))  # Sent
    reveal_type(await a.send(users, title="T"))  # SentList
    h.send("a", titel="T")  # error
    h.send("a", type="urgent")  # error
    h.send({"email": "a@x"}, title="T")  # error
    h.send_many([{"title": "T"}])  # error
    h.users.set_preferences("a", channels={"sms": False})  # error
"""


def checked(path: Path) -> list[str]:
    """What mypy says, strictly, `line: message` each."""
    printed, _, _ = api.run(["--strict", "--config-file=", "--hide-error-context", "--no-error-summary", str(path)])
    found = re.findall(r"^[^\n]*?:(\d+): (error|note): (.*)$", printed, re.MULTILINE)
    return [f"{line} {kind}: {text}" for line, kind, text in found if "ossible overload" not in text]


def test_calls_are_told_apart(tmp_path: Path) -> None:
    """One recipient or many, right or wrong: each line as its comment says."""
    file = tmp_path / "calls.py"
    file.write_text(CALLS)
    said = checked(file)
    for number, line in enumerate(CALLS.splitlines(), 1):
        _, _, expected = line.partition("  # ")
        here = [one for one in said if one.startswith(f"{number} ")]
        if expected == "error":
            assert any(f"{number} error" in one for one in here), line
        elif expected:
            assert [one.replace("heliograph.client.shapes.", "") for one in here] == [
                f'{number} note: Revealed type is "{expected}"'
            ]
        else:
            assert not here, line


@pytest.mark.parametrize("page", ["README.md", "docs/python-client.md"])
def test_the_examples_are_right(page: str, tmp_path: Path) -> None:
    """What the pages show passes a strict type checker."""
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text("utf-8"), re.MULTILINE | re.DOTALL)
    ours = [block for block in blocks if "heliograph.client" in block]
    assert ours
    for number, block in enumerate(ours):
        file = tmp_path / f"example_{number}.py"
        file.write_text(block)
        assert checked(file) == [], block
