"""What `heliograph status` and `trace` draw: everything that matters on one screen, and nothing of it is markup."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from heliograph.cli import calling, status, trace
from heliograph.cli.ending import words_of
from heliograph.core.errors import Flaw, Problem

STATUS: dict[str, Any] = {
    "at": "2027-01-15T08:00:00.000Z", "store": "up", "queue": "up", "cache": "down", "sockets": 12, "dead_letters": 3,
    "reconciler": {"last_round_age_s": 41.0}, "rates": {"accepted": 20.5, "router": 20.0, "smtp:delivered": 7.0},
    "lanes": {
        "outbox": {
            "p0": {"depth": 1, "oldest_age_s": 9.0, "in_flight": 0, "paused": True},
            "p1": {"depth": 0, "oldest_age_s": 0.0, "in_flight": 0, "paused": True},
            "p2": {"depth": 120_000, "oldest_age_s": 4_000.0, "in_flight": 25, "paused": True},
        },
    },
    "providers": {"smtp": "open: [550] no [/] such", "fcm": "up"},
    "paused": [{"name": "outbox", "at": "2027-01-15T07:00:00.000Z", "reason": "[bold]why[/bold]"}],
    "processes": [{"process": "host:1", "version": "1", "up_s": 90_061, "sockets": 12, "roles": ["api", "router"]}],
}  # fmt: skip
TRACE: dict[str, Any] = {
    "notification": {
        "id": "ntf_1", "status": "failed", "type": "alert", "user": "anna", "created_at": "2027", "title": "[red]Hi[/]",
        "deliveries": [{"channel": "push", "device_id": "dev_1", "status": "failed", "attempts": 2, "provider": None,
                        "reason": "[x] refused"}],
    },
    "explain": {"summary": "Routed to push because so.", "decisions": [{"channels": {"push": "chosen: [a]"}}]},
    "events": [{"at": "2027", "channel": "push", "event": "failed", "attempt": 2, "provider": None,
                "detail": "[x] no"}],
}  # fmt: skip


def drawn(what: object) -> str:
    console = Console(file=io.StringIO(), width=160)
    console.print(what)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_status_has_it_all() -> None:
    """Lanes with depth, age and rate; providers in their words; pauses with their reason; processes; what is down."""
    text = drawn(status.screen(STATUS, "http://here"))
    for words in (
        "http://here", "cache down", "sockets 12", "dead letters 3", "reconciler 41.0 s ago", "accepted 20.5/s",
        "outbox (paused)", "120000", "1:06:40", "open: [550] no [/] such", "delivered 7", "[bold]why[/bold]", "host:1",
        "1 day, 1:01:01", "api router",
    ):  # fmt: skip
        assert words in text, words


def test_a_reconciler_nobody_heard_of() -> None:
    """Is said; so is a queue that is down and has no lanes to show."""
    text = drawn(
        status.screen(STATUS | {"reconciler": {"last_round_age_s": None}, "queue": "down", "lanes": {}}, "http://x")
    )
    assert "reconciler not heard of" in text
    assert "queue down" in text


def test_a_trace_tells_what_and_why() -> None:
    """Status, the decision in words, deliveries, timeline; what people wrote is shown as they wrote it."""
    text = drawn(trace.screen(TRACE))
    for words in (
        "ntf_1  failed", "alert to anna", "[red]Hi[/]", "Routed to push because so.", "push: chosen: [a]", "push:dev_1",
        "[x] refused", "[x] no",
    ):  # fmt: skip
        assert words in text, words


async def test_a_system_is_found_by_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Options, then the environment, then what `up` left: only its owner may read it, and it goes with its process."""
    for name in (calling.URL, calling.KEY):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ValueError, match="no server key"):
        async with calling.calling(None, None, tmp_path):
            pass
    calling.leave(tmp_path, "http://127.0.0.1:1/", "hg_sk_x")
    file = tmp_path / "running.json"
    assert file.stat().st_mode & 0o777 == 0o600
    async with calling.calling(None, None, tmp_path) as caller:
        assert (caller.url, caller._headers["Authorization"]) == ("http://127.0.0.1:1", "Bearer hg_sk_x")
        with pytest.raises(ValueError, match="no answer from"):
            await caller.get("/v1/status")
    monkeypatch.setenv(calling.URL, "http://env")
    async with calling.calling(None, "other", tmp_path) as caller:
        assert (caller.url, caller._headers["Authorization"]) == ("http://env", "Bearer other")
    left = json.loads(file.read_text())
    file.write_text(json.dumps(left | {"pid": left["pid"] + 1}))
    calling.clean(tmp_path)
    assert file.exists(), "another process's"
    file.write_text(json.dumps(left))
    calling.clean(tmp_path)
    assert not file.exists()


def test_an_error_is_a_sentence() -> None:
    """With every flaw by its field."""
    flaws = (Flaw("email", "is no address"), Flaw("", "nothing to change"))
    assert words_of(Problem("invalid", flaws=flaws)) == "email: is no address; nothing to change"
    assert words_of(Problem("not_found", "there is none")) == "there is none"
