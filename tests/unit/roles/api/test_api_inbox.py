"""The inbox of one person, by user token (CONTRACT section 4)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from heliograph.core.frames import InboxFrames, unpack
from heliograph.core.ports import PresenceLease
from tests.unit.given import T0
from tests.unit.roles.api.service import Answer, Service
from tests.unit.roles.world import ANNA


class Page:
    """Anna's own view, and what her other tabs are told."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.token = service.token()
        self.told: list[dict[str, Any]] = []

    async def listen(self) -> None:
        await self.service.presence.renew([PresenceLease(ANNA, "n1")], T0, 10**9)
        await self.service.bus.subscribe("n1", self)

    async def __call__(self, payload: bytes) -> None:
        message = unpack(payload)
        assert isinstance(message, InboxFrames)
        self.told += [msgspec.json.decode(frame.text) for frame in message.frames]

    async def call(self, method: str, path: str) -> Answer:
        return await self.service.call(method, path, key=self.token)

    async def get(self, query: str = "") -> Any:
        answer = await self.call("GET", f"/v1/inbox{query}")
        assert answer.status == 200, answer.body
        return answer.json

    async def ids(self, query: str = "") -> list[str]:
        return [item["id"] for item in (await self.get(query))["items"]]

    async def mark(self, item_id: str, mark: str) -> None:
        assert (await self.call("POST", f"/v1/inbox/{item_id}/{mark}")).status == 204


@pytest.fixture
async def page(service: Service) -> Page:
    return Page(service)


async def received(page: Page, count: int = 1, **fields: Any) -> list[str]:
    """That many notifications, oldest first."""
    found = []
    for _ in range(count):
        page.service.clock.forward(1)
        found.append(str((await page.service.send(**fields))["id"]))
    return found


async def test_everything_sent_to_me_is_there_newest_first(page: Page) -> None:
    """Routed or not, online or not; each item with every key of the contract."""
    ids = await received(page, 3, category="a.b", body="Hi", action_url="https://x", data={"k": 1})
    await page.service.send(to="bert")
    found = await page.get()
    assert [item["id"] for item in found["items"]] == ids[::-1]
    assert (found["unread"], found["next_cursor"]) == (3, None)
    assert found["items"][2] == {
        "id": ids[0], "type": "alert", "category": "a.b", "title": "Hello", "body": "Hi", "data": {"k": 1},
        "action_url": "https://x", "created_at": "2027-01-15T08:00:01.000Z",
        "seen_at": None, "read_at": None,
        "archived_at": None,
    }  # fmt: skip


async def test_what_was_not_meant_for_the_inbox_is_not_there(page: Page) -> None:
    """A sender who named channels without `in_app`."""
    await received(page, channels=["email"])
    assert await page.ids() == []


async def test_pages_cover_everything_once(page: Page) -> None:
    """A cursor goes on where the page ended, also when something new comes in between."""
    ids = await received(page, 7)
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        found = await page.get("?limit=3" + (f"&cursor={cursor}" if cursor else ""))
        assert len(found["items"]) <= 3
        seen += [item["id"] for item in found["items"]]
        cursor = found["next_cursor"]
        await received(page)
    assert seen == ids[::-1]


async def test_filters(page: Page) -> None:
    """Unread, category, archived; the count is of everything unread whatever is shown."""
    news, orders, old = [(await received(page, category=name))[0] for name in ("news", "orders", "news")]
    await page.mark(news, "read")
    await page.mark(old, "archive")
    assert await page.ids("?unread=true") == [orders]
    assert await page.ids("?unread=false") == [news]
    assert await page.ids("?category=news") == [news]
    assert await page.ids("?category=nothing") == []
    assert await page.ids("?archived=true") == [old]
    assert (await page.get("?category=nothing"))["unread"] == 1


async def test_marks_and_their_opposites(page: Page) -> None:
    """Read implies seen; unread takes only `read` back; archived is out of the way until it is brought back."""
    (one,) = await received(page)
    state = {}
    for mark in ("seen", "read", "unread", "archive", "unarchive"):
        await page.mark(one, mark)
        (item,) = (await page.get("?archived=true" if mark == "archive" else ""))["items"]
        state[mark] = [item[name] is not None for name in ("seen_at", "read_at", "archived_at")]
    assert state == {
        "seen": [True, False, False], "read": [True, True, False], "unread": [True, False, False],
        "archive": [True, False, True], "unarchive": [True, False, False],
    }  # fmt: skip
    assert (await page.call("GET", "/v1/inbox/unread")).json == {"unread": 1}


async def test_repeating_a_mark_changes_nothing(page: Page) -> None:
    """The first time stands."""
    (one,) = await received(page)
    await page.mark(one, "read")
    before = await page.get()
    page.service.clock.forward(100)
    await page.mark(one, "read")
    await page.mark(one, "seen")
    assert await page.get() == before


async def test_read_all_reads_all(page: Page) -> None:
    """What was read stays as it was; the archive isn't touched."""
    first, second, third = await received(page, 3)
    await page.mark(first, "read")
    before = (await page.get())["items"][2]
    await page.mark(third, "archive")
    page.service.clock.forward(100)
    assert (await page.call("POST", "/v1/inbox/read-all")).status == 204
    assert (await page.get())["unread"] == 0
    assert (await page.get())["items"][1] == before
    assert (await page.get())["items"][0]["read_at"] is not None
    assert (await page.get("?archived=true"))["items"][0]["read_at"] is None
    assert second


async def test_other_tabs_hear_of_it(page: Page) -> None:
    """Every mark goes to the nodes where the person is; a read-all that changed nothing doesn't."""
    await page.listen()
    one, _ = await received(page, 2)
    await page.mark(one, "read")
    assert [(frame["t"], frame["id"], frame["read_at"] is not None) for frame in page.told] == [("inbox", one, True)]
    await page.call("POST", "/v1/inbox/read-all")
    assert page.told[1]["id"] == "*"
    await page.call("POST", "/v1/inbox/read-all")
    assert len(page.told) == 2


async def test_a_cache_that_is_away_keeps_nobody_from_reading(page: Page) -> None:
    """The mark is stored; tabs that couldn't be told see it when they come back."""
    (one,) = await received(page)
    page.service.cache.away = True
    await page.mark(one, "read")
    assert (await page.get())["unread"] == 0


async def test_another_persons_item_is_unknown(page: Page) -> None:
    """Of the same tenant, of another one, or of nobody: 404, and nothing changes."""
    theirs = (await page.service.send(to="bert"))["id"]
    for item_id in (theirs, "ntf_unknown"):
        (await page.call("POST", f"/v1/inbox/{item_id}/read")).problem(404, "not_found")
    bert = await page.service.call("GET", "/v1/inbox", key=page.service.token("bert"))
    assert bert.json["unread"] == 1
    stranger = await page.service.call("GET", "/v1/inbox", key=page.service.token("anna", tenant="other"))
    assert stranger.json["items"] == []
