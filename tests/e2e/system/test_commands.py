"""The command line as a user has it: starting, stopping, keys, dead letters, settings."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from heliograph.providers.vapid import Vapid
from tests.support.eventually import eventually
from tests.support.system import Heliograph, free_port


async def heliograph(*arguments: str, **environment: str) -> tuple[int, str]:
    """(exit code, everything printed) of one command."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "heliograph", *arguments, env={**os.environ, "COLUMNS": "200", **environment},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    printed, _ = await process.communicate()
    return process.returncode or 0, printed.decode()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_ctrl_c_drains_and_leaves_nothing_behind(install: Callable[..., Heliograph]) -> None:
    """SIGINT with open sockets: exit code 0, no child left."""
    system = await install().start()
    children = [system.child("nats-server"), system.child("valkey-server")]
    async with system.socket("ann") as tab:
        assert system.process
        system.process.send_signal(signal.SIGINT)
        assert (await tab.frame())["t"] == "reconnect"
        assert await system.stop() == 0
    assert [pid for pid in children if alive(pid)] == []


async def test_kill_takes_the_children_along_and_a_restart_goes_on(install: Callable[..., Heliograph]) -> None:
    """kill -9: no child survives; the next start has users, inbox and key as they were."""
    system = await install().start()
    answer = await system.send({"id": "bo", "email": "bo@example.com"})
    children = [system.child("nats-server"), system.child("valkey-server")]
    await system.kill()

    async def gone() -> bool:
        return not any(alive(pid) for pid in children)

    await eventually(gone)
    await system.start()
    inbox = await system.get("/v1/inbox", key=await system.token("bo"))
    assert [item["id"] for item in inbox["items"]] == [answer["id"]]


async def test_the_data_folder_holds_the_three(install: Callable[..., Heliograph]) -> None:
    """DIR holds heliograph.db, nats/ and valkey/."""
    system = await install().start()
    assert {"heliograph.db", "nats", "valkey"} <= {path.name for path in system.folder.iterdir()}


async def test_the_printed_key_and_curl_work(install: Callable[..., Heliograph]) -> None:
    """Without a configured key `up` makes one, prints it with a curl, and keeps it over restarts."""
    system = await install(bootstrap_key="").start()

    async def curls() -> list[str]:
        return [line.strip() for line in system.output if line.strip().startswith("curl")]

    [curl] = await eventually(curls)
    key = next(line.split()[1] for line in system.output if line.strip().startswith("Key"))
    shell = await asyncio.create_subprocess_shell(
        f"{curl} --silent --output /dev/null --write-out '%{{http_code}}'", stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await shell.communicate()
    assert printed.decode() == "202"
    await system.stop()
    system.output.clear()
    await system.start()
    assert (await eventually(curls)) == [curl]
    assert key in curl


async def test_keys_and_dead_letters_from_the_shell(install: Callable[..., Heliograph]) -> None:
    """`keys create` makes a tenant of its own; `dlq list` and `dlq replay` work beside the running system."""
    system = await install().start()
    data = ["--data", str(system.folder)]
    code, printed = await heliograph("keys", "create", "--tenant", "acme", *data)
    key = printed.strip()
    assert (code, key[:6]) == (0, "hg_sk_")
    await system.fault("sendgrid", mode="error", status=400)
    status, answer = await system.call(
        "POST", "/v1/send", {"to": {"id": "cy", "email": "cy@example.com"}, "title": "t"}, key=key
    )
    assert status == 202
    assert (await system.call("GET", f"/v1/notifications/{answer['id']}"))[0] == 404

    async def buried() -> bool:
        return bool((await system.get("/v1/dlq", key=key))["groups"])

    await eventually(buried)
    assert (await system.get("/v1/dlq"))["groups"] == []
    code, printed = await heliograph("dlq", "list", "--tenant", "acme", *data)
    assert code == 0
    assert answer["id"] in printed
    await system.fault("sendgrid", mode="ok")
    code, printed = await heliograph("dlq", "replay", "--id", answer["id"], "--tenant", "acme", *data)
    assert (code, printed.strip()) == (0, "1 to be delivered again.")
    await eventually(lambda: system.received(to="cy@example.com"))


async def test_a_key_pair_for_web_push() -> None:
    """`keys vapid` prints the very line for the environment; every time another pair."""
    pairs = [await heliograph("keys", "vapid") for _ in range(2)]
    assert [code for code, _ in pairs] == [0, 0]
    name, _, private = pairs[0][1].splitlines()[0].partition("=")
    public = pairs[0][1].split()[-1]
    assert (name, Vapid(private, "mailto:a@b.example").public_key) == ("HELIOGRAPH_VAPID_PRIVATE_KEY", public)
    assert pairs[0][1] != pairs[1][1]


async def test_a_taken_port_is_said_in_one_line(install: Callable[..., Heliograph], tmp_path: Path) -> None:
    """The port is taken: exit code 1 and a sentence, no traceback."""
    system = await install().start()
    code, printed = await heliograph("up", "--port", str(system.port), "--data", str(tmp_path / "other"))
    assert code == 1
    assert "Traceback" not in printed
    assert str(system.port) in printed


async def test_check_shows_settings_and_masks_secrets() -> None:
    """`check` prints the effective settings; a wrong one is named."""
    code, printed = await heliograph("check", HELIOGRAPH_SENDGRID_API_KEY="SG.very-secret", HELIOGRAPH_EMAIL_RATE="7")
    assert code == 0
    assert "very-secret" not in printed
    assert "7.0" in printed
    code, printed = await heliograph("check", HELIOGRAPH_EMAIL_RATE="fast")
    assert code == 1
    assert "email_rate" in printed


async def test_every_process_has_a_port_for_its_own_metrics(install: Callable[..., Heliograph]) -> None:
    """One setting for all processes of a machine: each takes the next free port, and tells its own roles there."""
    port = free_port(20)
    system = await install(arguments=["--api", "1"], lab=False, metrics_port=port, metrics_token="operator").start()
    told = {}
    for one in (port, port + 1):
        async with system.session.get(f"http://127.0.0.1:{one}/metrics") as refused:
            assert refused.status == 401
        headers = {"Authorization": "Bearer operator"}
        async with system.session.get(f"http://127.0.0.1:{one}/metrics", headers=headers) as answer:
            text = await answer.text()
        told[one] = re.findall(r'^heliograph_build_info\{roles="([^"]+)"', text, re.MULTILINE)
        assert re.search(r'^heliograph_backend_up\{backend="store"\} 1.0', text, re.MULTILINE)
        async with system.session.get(f"http://127.0.0.1:{one}/readyz") as ready:
            assert await ready.json() == {"status": "ready"}
    rest = "router inapp-worker push-worker email-worker email-sender realtime reconciler"
    assert sorted(told.values()) == [["api webhooks"], [rest]]
