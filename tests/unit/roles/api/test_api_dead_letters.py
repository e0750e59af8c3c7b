"""Dead letters over HTTP: show, edit, dry run, discard. Grouping and replaying are in test_api_operations.py."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from heliograph.core.lanes import EmailItem
from heliograph.core.model import Key, Level
from heliograph.core.ports import DeadLetter
from tests.unit.given import T0, TENANT
from tests.unit.roles.api.service import Service
from tests.unit.roles.api.test_api_operations import dead
from tests.unit.roles.world import ANNA


async def letters(service: Service) -> list[DeadLetter]:
    return list(await service.store.dead_letters(TENANT))


async def test_one_is_shown_whole(service: Service) -> None:
    """The item as it died, what was tried, and what may be edited as it stands now."""
    await service.anna()
    name = await dead(service, title="Hi", data={"n": 1})
    one = (await service.history(name)).notification
    item = msgspec.msgpack.encode(EmailItem(one, address="anna@acme.example"))
    await service.store.bury([msgspec.structs.replace((await letters(service))[0], item=item)])
    shown = (await service.call("GET", f"/v1/dlq/{name}:email")).json
    assert shown["item"]["address"] == "anna@acme.example"
    assert [event["event"] for event in shown["history"]] == ["accepted", "routed", "failed"]
    assert shown["editable"] == {
        "title": "Hi", "body": "", "data": {"n": 1}, "action_url": None, "image_url": None,
        "email": "anna@acme.example",
    }  # fmt: skip
    push = await dead(service, target="push:dev_1")
    assert "email" not in (await service.call("GET", f"/v1/dlq/{push}:push:dev_1")).json["editable"]
    (await service.call("GET", f"/v1/dlq/{name}")).problem(404, "not_found")
    (await service.call("GET", f"/v1/dlq/{name}:email", key=service.other_key)).problem(404, "not_found")


async def test_a_correction_is_delivered(service: Service) -> None:
    """Content and address; the fields stand in the timeline, what stood in them doesn't."""
    await service.anna(email="wrong@acme.example")
    name = await dead(service)
    body = {"id": f"{name}:email", "set": {"title": "Right", "email": "right@acme.example"}}
    answer = await service.call("POST", "/v1/dlq/edit", body)
    assert (answer.status, answer.json) == (200, {"edited": ["title", "email"], "replayed": 1})
    user = await service.store.user(ANNA)
    assert user
    assert (user.email, user.name) == ("right@acme.example", "Anna")
    history = await service.history(name)
    assert (history.notification.title, history.open) == ("Right", 1)
    assert [(one.kind, one.detail) for one in history.events[2:]] == [
        ("edited", "title, email"), ("replayed", "dead letter: 503"),
    ]  # fmt: skip
    assert await letters(service) == []
    assert (await service.delivery("email", name)).status == "queued"


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"title": "a\nb"}, "title"), ({"user": "bert"}, "set.user"), ({}, ""), ({"email": "x"}, "email"),
        ({"type": "alert"}, "set.type"),
    ],
)  # fmt: skip
async def test_a_wrong_correction_changes_nothing(service: Service, change: dict[str, Any], path: str) -> None:
    """422 with the path; the letter waits on."""
    name = await dead(service)
    before = await service.history(name)
    answer = await service.call("POST", "/v1/dlq/edit", {"id": f"{name}:email", "set": change})
    assert set(answer.problem(422, "invalid")) == {path}
    assert await service.history(name) == before
    assert len(await letters(service)) == 1


async def test_dry_runs_say_and_do_not(service: Service) -> None:
    """How many, of which level and channel, how long it would take, the most urgent first; and of an edit, which
    fields."""
    await dead(service, type="marketing")
    first = await dead(service, type="transactional")
    erased = await dead(service, to="zoe")
    assert await service.store.erase_user(Key(TENANT, "zoe"))
    await service.bury((await service.history(first)).notification, target="push:d")
    before = await letters(service)
    body = {"cause": "503", "rate_per_s": 2, "dry_run": True}
    answer = (await service.call("POST", "/v1/dlq/replay", body)).json
    assert answer["replayed"] == 0
    plan = answer["plan"]
    assert plan | {"first": plan["first"][:1]} == {
        "count": 3, "erased": 0, "by_level": {"p0": 2, "p2": 1}, "by_channel": {"email": 2, "push": 1}, "takes_s": 1.5,
        "first": [f"{first}:email"],
    }  # fmt: skip
    assert erased not in str(plan)
    discard = {"cause": "503", "reason": "old", "dry_run": True}
    assert (await service.call("POST", "/v1/dlq/discard", discard)).json["plan"]["count"] == 3
    edit = {"id": f"{first}:email", "set": {"title": "x"}, "dry_run": True}
    assert (await service.call("POST", "/v1/dlq/edit", edit)).json == {"edited": ["title"], "replayed": 0}
    assert await letters(service) == before


async def test_a_discard_is_an_end_and_is_never_silent(service: Service) -> None:
    """Failed it stays, nothing is owed, the reason stands in the timeline, and it is no letter any more."""
    name = await dead(service)
    other = await dead(service, "550")
    answer = await service.call("POST", "/v1/dlq/discard", {"cause": "503", "reason": "sent by hand"})
    assert (answer.status, answer.json) == (200, {"discarded": 1})
    history = await service.history(name)
    assert (history.open, history.events[-1].kind, history.events[-1].detail) == (0, "discarded", "sent by hand")
    assert (await service.call("GET", f"/v1/notifications/{name}")).json["status"] == "failed"
    assert [letter.notification_id for letter in await letters(service)] == [other]


async def test_a_discard_ends_what_was_not_settled(service: Service) -> None:
    """Its worker died between the letter and the event: discarding settles it."""
    name = str((await service.send())["id"])
    await service.bury((await service.history(name)).notification, target="routing")
    assert (await service.history(name)).open == 1
    await service.call("POST", "/v1/dlq/discard", {"ids": [name], "reason": "no"})
    assert (await service.history(name)).open == 0
    assert (await service.call("GET", f"/v1/notifications/{name}")).json["status"] == "failed"
    assert list(await service.store.due(Level.P1, T0 + 10**9, 10)) == []


@pytest.mark.parametrize("reason", [None, "", "  ", "two\nlines", "x" * 201])
async def test_a_discard_needs_a_reason(service: Service, reason: str | None) -> None:
    """One line of text."""
    await dead(service)
    body = {"cause": "503"} | ({} if reason is None else {"reason": reason})
    (await service.call("POST", "/v1/dlq/discard", body)).problem(422, "invalid")
    assert len(await letters(service)) == 1


async def test_foreign_letters_are_out_of_reach(service: Service) -> None:
    """By id, for every verb."""
    name = await dead(service)
    edit = {"id": f"{name}:email", "set": {"title": "x"}}
    (await service.call("POST", "/v1/dlq/edit", edit, key=service.other_key)).problem(404, "not_found")
    discard = {"ids": [name], "reason": "x"}
    answer = await service.call("POST", "/v1/dlq/discard", discard, key=service.other_key)
    assert answer.json == {"discarded": 0}
    assert len(await letters(service)) == 1
