"""Everything that people on call do, from the shell, on a running embedded system and on its store."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest
from typer.testing import CliRunner

from heliograph.cli import app
from tests.e2e.system.test_commands import heliograph
from tests.support.eventually import eventually
from tests.support.system import Heliograph, notification_of

Install = Callable[..., Heliograph]
BURST = 40
CROWD = 3 * BURST
QUIET = {"reconcile_every_s": 0.2}


async def did(*arguments: str, code: int = 0) -> str:
    """What a command prints. In this process, in a thread: to start the interpreter anew takes longer than it does."""
    result = await asyncio.to_thread(CliRunner().invoke, app, arguments, env={"COLUMNS": "200"})
    assert result.exit_code == code, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.output


def person(name: str) -> dict[str, str]:
    return {"id": name, "email": f"{name}@example.com"}


def made_a_minute_ago(copy: Path) -> None:
    """Like every backup that is needed. What was handed to a lane within the last 15 s may still be in somebody's
    hands, and would have to wait for that long."""
    connection = apsw.Connection(str(copy))
    connection.execute("UPDATE events SET content = json_set(content, '$.at', json_extract(content, '$.at') - 60000)")
    connection.close()


async def subjects(system: Heliograph, name: str) -> list[str]:
    return [mail["payload"]["subject"] for mail in await system.received(to=f"{name}@example.com")]


@pytest.mark.timeout(60)
async def test_a_night_on_call(install: Install) -> None:
    """A provider is paused and messages wait, over a restart too, P0 first; a dead letter is looked at, corrected and
    delivered; another is given up; status and trace tell of all of it."""
    system = await install(email_providers="sendgrid", email_rate=BURST, **QUIET).start()
    data = ["--data", str(system.folder)]

    # pause: known everywhere within 5 s, kept over a restart, nothing leaves, nothing is lost
    assert "is paused" in await did("pause", "sendgrid", "--reason", "their outage", *data)

    async def told() -> bool:
        ready = await system.get("/readyz", key=None)
        return bool(ready["paused"].get("sendgrid") == ready["providers"]["sendgrid"] == "paused by hand: their outage")

    await eventually(told, 5)
    later = await system.send([person(f"p2-{n}") for n in range(CROWD)], type="marketing")

    async def waits() -> bool:
        return bool((await system.get("/v1/lanes"))["outbox"]["p2"]["depth"] == CROWD)

    await eventually(waits)
    await system.stop()
    assert not (system.folder / "running.json").exists()
    await system.start()
    await eventually(told, 5)
    await eventually(waits)
    urgent = await system.send(person("vip"), type="transactional")

    async def urgent_waits() -> bool:
        return bool((await system.get("/v1/lanes"))["outbox"]["p0"]["depth"] == 1)

    await eventually(urgent_waits)
    assert await system.received(provider="sendgrid", all="true") == []
    status = json.loads(await did("status", "--json", *data))
    assert [one["name"] for one in status["paused"]] == ["sendgrid"]
    assert "paused by hand: their outage" in await did("status", "--once", *data)
    assert "sendgrid goes on" in await did("resume", "sendgrid", *data)

    async def all_there() -> list[Any] | None:
        found = await system.received(provider="sendgrid")
        return found if len(found) == CROWD + 1 else None

    order = [notification_of(mail) for mail in await eventually(all_there) or []]
    assert set(order) == {urgent["id"], *later["ids"]}
    assert order.index(urgent["id"]) < BURST, "P0 first; calls that begin together arrive in any order"
    assert (await system.delivery(urgent["id"], "email"))["attempts"] == 1, "waiting is no attempt"

    # dead letters: list, show, edit, dry run, discard
    await system.fault("sendgrid", mode="error", status=400)
    wrong = (await system.send(person("cy"), title="Wrong"))["id"]
    hopeless = (await system.send(person("di")))["id"]
    for one in (wrong, hopeless):
        await system.reaches(one, "email", "failed")
    await system.fault("sendgrid", mode="ok")
    assert "sendgrid 400" in await did("dlq", "list", *data)
    shown = json.loads(await did("dlq", "show", f"{wrong}:email", *data))
    assert (shown["editable"]["title"], shown["editable"]["email"]) == ("Wrong", "cy@example.com")
    assert "2 would be delivered again" in await did("dlq", "replay", "--cause", shown["cause"], "--dry-run", *data)
    edit = ["dlq", "edit", f"{wrong}:email"]
    assert "email:" in await did(*edit, "--set", "email=nobody", *data, code=1)
    await did(*edit, "--set", "user=x", *data, code=2)
    await did(*edit, "--set", "title=Right", "--set", "email=cy2@example.com", *data)
    assert await eventually(lambda: subjects(system, "cy2")) == ["Right"]
    await did("dlq", "discard", "--id", hopeless, *data, code=2)
    assert "1 discarded" in await did("dlq", "discard", "--id", hopeless, "--reason", "told by phone", *data)
    assert "No dead letters" in await did("dlq", "list", *data)
    traced = await did("trace", hopeless, *data)
    assert all(word in traced for word in ("discarded", "told by phone", "failed", "the user is offline"))
    assert "edited" in await did("trace", wrong, *data)
    assert "404" in await did("trace", "ntf_none", *data, code=1)


@pytest.mark.timeout(60)
async def test_a_copy_brings_back_what_was_owed(install: Install, tmp_path: Path) -> None:
    """A backup is made while mails wait; then the folder is lost. After the restore the waiting ones are delivered, and
    what had ended before the backup is not sent again. A running system's store isn't touched."""
    outside = await install("outside").start()
    system = install("inside", email_providers="sendgrid", lab=False, **QUIET)
    system.use_lab_of(outside)
    await system.start()
    data = ["--data", str(system.folder)]
    ended = (await system.send(person("early")))["id"]
    await system.reaches(ended, "email", "sent", "delivered")
    await did("pause", "outbox", *data)

    async def paused() -> bool:
        return "outbox" in (await system.get("/readyz", key=None))["paused"]

    await eventually(paused, 5)
    owed = (await system.send([person(f"late-{n}") for n in range(5)]))["ids"]

    async def waits() -> bool:
        return bool((await system.get("/v1/lanes"))["outbox"]["p1"]["depth"] == 5)

    await eventually(waits)
    copy = tmp_path / "copy.db"
    assert "checked" in await did("backup", str(copy), *data)
    assert "there already" in await did("backup", str(copy), *data, code=1)
    assert "in use" in await did("restore", str(copy), "--yes", *data, code=1)
    assert (await system.notification(ended))["id"] == ended
    await system.stop()
    shutil.rmtree(system.folder)
    made_a_minute_ago(copy)
    await did("restore", str(copy), "--yes", *data)
    await did("resume", "outbox", *data)
    await system.start()
    for one in owed:
        await system.reaches(one, "email", "sent", "delivered", within_s=30)
    mails = [notification_of(mail) for mail in await outside.received(provider="sendgrid")]
    assert sorted(mails) == sorted([ended, *owed]), "each once"


async def test_migrations_are_seen_before_they_are_done(tmp_path: Path) -> None:
    """`--check` tells by its exit code, `--dry-run` works on a copy, and a newer store is left alone."""
    data, file = ["--data", str(tmp_path)], tmp_path / "heliograph.db"
    connection = apsw.Connection(str(file))
    connection.execute((Path(__file__).parents[2] / "contract/store/version1.sql").read_text())
    connection.close()
    assert "to do: " in await did("migrate", "--check", *data, code=3)
    assert "nothing was changed" in await did("migrate", "--dry-run", *data)
    await did("migrate", "--check", *data, code=3)
    await did("migrate", *data)
    assert "to do" not in await did("migrate", "--check", *data)
    connection = apsw.Connection(str(file))
    connection.pragma("user_version", 999)
    connection.close()
    assert "newer Heliograph" in await did("migrate", *data, code=1)


async def test_help_has_every_command_in_one_line() -> None:
    """Grouped by what one wants to do."""
    code, printed = await heliograph("--help")
    assert code == 0
    groups = [line.split()[1] for line in printed.splitlines() if line.startswith("╭─")]
    assert groups == ["Options", "Run", "Set", "Look", "Act", "Keep"]
    commands = [line.split()[1] for line in printed.splitlines() if line.startswith("│ ") and "--help" not in line]
    assert len(commands) == len(set(commands)), "a line each"
    assert set(commands) == {
        "up", "run", "autoscale", "restart", "lab", "check", "version", "keys", "plan", "bench",
        "status", "trace", "pause", "resume", "dlq", "migrate", "backup", "restore",
    }  # fmt: skip
