"""Hundreds of real GitHub events reach online and offline people, content unharmed."""

from __future__ import annotations

import asyncio
import subprocess
from typing import Any

import pytest

from tests.real_input import github_events
from tests.support.eventually import eventually
from tests.support.system import Heliograph, notification_of


@pytest.fixture(scope="session")
def events() -> list[dict[str, Any]]:
    """The sends; installs the package from its lock when it isn't there."""
    folder = github_events.FOLDER.parents[2]
    if not github_events.FOLDER.exists():
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--silent"], cwd=folder, check=True)
    return list(github_events.sends())


async def test_every_event_arrives_unharmed(system: Heliograph, events: list[dict[str, Any]]) -> None:
    """All are accepted; the online user's page and the offline user's mailbox and inbox show the very same texts."""
    assert len(events) >= 200
    await system.call("PUT", "/v1/users/off", {"email": "off@example.com", "name": "Offline"})
    async with system.socket("on") as tab:
        shown: dict[str, Any] = {}

        async def read_page() -> None:
            while len(shown) < len(events):
                frame = await tab.frame(within_s=30)
                if frame["t"] == "notification":
                    shown[frame["notification"]["id"]] = frame["notification"]
                    await tab.ack()

        reading = asyncio.create_task(read_page())
        online: dict[str, dict[str, Any]] = {}
        offline: dict[str, dict[str, Any]] = {}
        for event in events:
            for user, ids in (("on", online), ("off", offline)):
                status, answer = await system.call("POST", "/v1/send", {"to": user, **event})
                assert status == 202, (answer, event["title"])
                ids[answer["id"]] = event
        await asyncio.wait_for(reading, 60)
    for notification_id, event in online.items():
        assert_same(shown[notification_id], event)

    async def mailed() -> Any:
        """All mails arrived in the lab."""
        found = await system.received(to="off@example.com")
        return found if len(found) >= len(events) else None

    mails = {notification_of(mail): mail for mail in await eventually(mailed, 60)}
    assert mails.keys() == offline.keys()
    for notification_id, event in offline.items():
        assert mails[notification_id]["title"] == event["title"]
        for line in filter(None, map(str.strip, event["body"].splitlines())):
            assert line in mails[notification_id]["body"]
    assert await inbox_of(system, "off") == list(reversed(offline))


def assert_same(item: dict[str, Any], event: dict[str, Any]) -> None:
    for name in ("type", "category", "title", "body", "data", "action_url"):
        assert item[name] == event[name], name


async def inbox_of(system: Heliograph, user: str) -> list[str]:
    """Ids of the whole inbox, newest first, page by page."""
    token = await system.token(user)
    ids: list[str] = []
    cursor = ""
    while True:
        page = await system.get(f"/v1/inbox?limit=100{cursor}", key=token)
        ids += [item["id"] for item in page["items"]]
        if not page["next_cursor"]:
            return ids
        cursor = f"&cursor={page['next_cursor']}"
