"""`@heliograph/client/server` in a Node process against the running system, as an ES module and as CommonJS."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import CLIENT
from tests.support.system import KEY, Heliograph

SCRIPT = Path(__file__).parent / "back_end.mjs"


async def run(system: Heliograph, module: str) -> Any:
    node = await asyncio.create_subprocess_exec(
        "node", str(SCRIPT), str(CLIENT / module), system.url, KEY, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await asyncio.wait_for(node.communicate(), 30)
    assert node.returncode == 0
    return json.loads(output)


@pytest.mark.parametrize("module", ["server.js", "server.cjs"])
async def test_a_back_end_in_node(system: Heliograph, module: str) -> None:
    """One, one twice under a key, a list, three hundred with a bad one among them; refusals name the field."""
    said = await run(system, module)
    assert (await system.notification(said["one"]))["action_url"] == "https://shop.example"
    assert said["twice"][0] == said["twice"][1]
    assert [(await system.notification(one))["user"] for one in said["list"]] == ["ann", "bob"]
    assert (said["accepted"], said["rejected"]) == (299, [[7, "invalid"]])
    assert said["refusal"] == [True, "invalid", 422, "action_url"]
    assert said["strange"] == ["unauthorized", 401]
    token = said["token"]
    assert (await system.get("/v1/inbox/unread", key=token))["unread"] == 3
