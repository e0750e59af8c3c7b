"""Many processes on one machine: what dies is replaced, what is replaced is not missed, and there are enough."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.system.test_commands import alive, heliograph
from tests.support.eventually import eventually
from tests.support.steady import Steady
from tests.support.system import Heliograph

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(120)]


def running(system: Heliograph, *roles: str) -> set[int]:
    """The processes of a supervisor that run exactly these roles."""
    assert system.process
    found = set()
    for entry in Path("/proc").iterdir():
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            words = (entry / "cmdline").read_text().split("\0")
        except (OSError, ValueError):
            continue
        if parent == system.process.pid and "run" in words and alive(int(entry.name)):
            named = [word for word in words[words.index("run") + 1 :] if word]
            if tuple(named[: len(roles)]) == roles and named[len(roles)].startswith("--"):
                found.add(int(entry.name))
    return found


async def test_api_processes_die_under_load(install: Callable[..., Heliograph]) -> None:
    """kill -9 of an API process: clients that repeat once (after `Retry-After`) lose no request; with a key they
    needn't even repeat, for the load balancer does. Nothing is lost or doubled, and the process is there again."""
    system = await install(arguments=["--api", "3"]).start()
    async with Steady(system, 80, retries=1) as repeating:
        await repeating.more(60)
        os.kill(min(running(system, "api", "webhooks")), signal.SIGKILL)
        await repeating.more(120)
    async with Steady(system, 80, keyed=True) as keyed:
        await keyed.more(60)
        os.kill(max(running(system, "api", "webhooks")), signal.SIGKILL)
        await keyed.more(120)
    assert (repeating.failures, keyed.failures) == ([], [])
    mailed = await keyed.all_mailed(system) + await repeating.all_mailed(system)
    assert len(set(keyed.accepted)) == len(keyed.accepted)
    assert {mailed[one] for one in keyed.accepted} == {2}, "counted twice, so sent once"

    async def again() -> bool:
        """Three API processes live."""
        return len(running(system, "api", "webhooks")) == 3

    await eventually(again)
    assert await system.stop() == 0


async def test_a_rolling_restart_is_not_noticed(install: Callable[..., Heliograph]) -> None:
    """Every process is replaced under load: no request fails, none is lost or doubled; a page is told to reconnect and
    goes on where it was."""
    system = await install(arguments=["--api", "2", "--realtime", "1", "--workers", "1"]).start()
    kinds = [("api", "webhooks"), ("realtime",), ("router", "inapp-worker", "push-worker", "email-worker",
             "email-sender", "reconciler")]  # fmt: skip
    before = [running(system, *kind) for kind in kinds]
    assert [len(pids) for pids in before] == [2, 1, 1]
    async with Steady(system, 60) as steady, system.socket("wim") as tab:
        first = await system.send("wim")
        assert (await tab.frame())["notification"]["id"] == first["id"]
        position = tab.position
        await steady.more(30)
        told = asyncio.create_task(tab.frame(60))
        code, printed = await heliograph("restart", "--data", str(system.folder))
        assert (code, "Every process was replaced." in printed) == (0, True), printed
        assert (await told)["t"] == "reconnect"
        await tab.connection.wait_closed()
        assert tab.connection.close_code == 1012
        missed = await system.send("wim", title="missed")
        await system.settled(missed["id"])
        async with system.socket("wim", since=position) as later:
            assert later.connected["recovered"] is True
            caught_up = later.gap or [await later.frame()]  # it waits in the inbox before it is in the stream
            assert [frame["notification"]["id"] for frame in caught_up] == [missed["id"]]
        await steady.more(30)
    assert steady.failures == []
    mailed = await steady.all_mailed(system)
    assert {mailed[one] for one in steady.accepted} == {1}
    after = [running(system, *kind) for kind in kinds]
    assert [len(pids) for pids in after] == [2, 1, 1]
    assert all(not was & now for was, now in zip(before, after, strict=True))
    assert await system.stop() == 0


async def test_restart_without_a_supervisor(tmp_path: Path) -> None:
    """Nothing is signalled: not even the process whose number an old file names."""
    (tmp_path / "supervisor.json").write_text(f'{{"pid": {os.getpid()}, "restarts": 0, "failure": ""}}')
    code, printed = await heliograph("restart", "--data", str(tmp_path))
    assert code == 1
    assert "no `heliograph up` with --api" in printed


async def test_a_spike_is_absorbed_and_the_pool_shrinks_again(install: Callable[..., Heliograph]) -> None:
    """Twenty times the usual at once: more processes come, everything is handled, and the pool is back at its floor."""
    system = await install(
        arguments=["--autoscale"], batch_max=1, autoscale_processes="1-1,router=1-2", autoscale_target_s=0.1,
        autoscale_calm_s=3,
    ).start()  # fmt: skip
    assert len(running(system, "router", "reconciler")) == 1
    # Sends of their own: members of a bulk are routed where it is expanded and make no backlog here.
    sent: list[str] = []
    for start in range(0, 3000, 100):
        bodies = [{"to": f"u{number}", "title": "t", "channels": ["in_app"]} for number in range(start, start + 100)]
        answers = await asyncio.gather(*(system.call("POST", "/v1/send", body) for body in bodies))
        assert {status for status, _ in answers} == {202}
        sent += [answer["id"] for _, answer in answers]

    async def grown() -> bool:
        """A second process was started, and what is asked over HTTP agrees."""
        wanted = await system.get("/autoscale/router", key=None)
        return wanted["desired"] == wanted["running"] == len(running(system, "router", "reconciler")) == 2

    await eventually(grown)

    async def calm() -> bool:
        """The lane is empty and the pool at its floor."""
        wanted = await system.get("/autoscale/router", key=None)
        return (wanted["desired"], wanted["waiting"], len(running(system, "router", "reconciler"))) == (1, 0, 1)

    await eventually(calm, 60)
    ends = [(await system.get(f"/v1/notifications/{one}"))["status"] for one in sent]
    assert ends == ["sent"] * 3000
    assert await system.stop() == 0


async def test_scaled_and_fixed_workers_dont_go_together(install: Callable[..., Heliograph]) -> None:
    """Said at once, with what to do."""
    with pytest.raises(AssertionError, match="leave --workers out"):
        await install(arguments=["--autoscale", "--workers", "2"]).start()
