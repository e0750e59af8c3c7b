"""What became of a notification, and cancelling one that hasn't left."""

from __future__ import annotations

from typing import Any

import pytest

from heliograph.core.lifecycle import IN_APP
from heliograph.core.model import Key
from heliograph.core.ports import InboxQuery, Reached
from tests.unit.given import TENANT, event
from tests.unit.roles.api.service import Service
from tests.unit.roles.world import ANNA


async def sent(service: Service, *kinds: str, plan: tuple[str, ...] = ("email",), **fields: Any) -> str:
    """The id of a notification that was routed and met these events."""
    name = str((await service.send(**fields))["id"])
    at = service.clock()
    await service.store.record([
        event("routed", plan=plan, notification_id=name, at=at, detail="the user is offline", why={"email": "chosen"}),
        *(event(kind, plan[0], notification_id=name, attempt=1, at=at + n, provider="smtp")
          for n, kind in enumerate(kinds, 1)),
    ])  # fmt: skip
    return name


async def test_a_fresh_notification_is_accepted(service: Service) -> None:
    """Before anyone looked at it: no deliveries, one moment, and an explanation that says so."""
    name = (await service.send(category="a.b"))["id"]
    shown = await service.call("GET", f"/v1/notifications/{name}")
    assert shown.status == 200
    assert shown.json["status"] == "accepted"
    assert (shown.json["id"], shown.json["user"], shown.json["category"]) == (name, "anna", "a.b")
    assert shown.json["deliveries"] == []
    timeline = await service.call("GET", f"/v1/notifications/{name}/timeline")
    assert [one["event"] for one in timeline.json["events"]] == ["accepted"]
    explained = await service.call("GET", f"/v1/notifications/{name}/explain")
    assert "not looked at it yet" in explained.json["summary"]


async def test_status_timeline_and_explanation_tell_the_same_story(service: Service) -> None:
    """Deliveries with their attempts, every event in order, the decision with its reasons."""
    name = await sent(service, "sending", "sent")
    shown = (await service.call("GET", f"/v1/notifications/{name}")).json
    assert shown["status"] == "sent"
    (delivery,) = shown["deliveries"]
    assert (delivery["channel"], delivery["status"], delivery["attempts"], delivery["provider"]) == (
        "email", "sent", 1, "smtp",
    )  # fmt: skip
    events = (await service.call("GET", f"/v1/notifications/{name}/timeline")).json["events"]
    assert [one["event"] for one in events] == ["accepted", "routed", "sending", "sent"]
    explained = (await service.call("GET", f"/v1/notifications/{name}/explain")).json
    assert explained["summary"] == "Routed to email because the user is offline."
    assert explained["decisions"][0]["channels"] == {"email": "chosen"}


async def test_a_member_of_a_batch_is_known_before_it_has_a_row(service: Service) -> None:
    """Its id was in the answer, so it can be asked for at once; one that isn't in the batch can't."""
    answer = await service.send(to=["anna", "bert"])
    shown = await service.call("GET", f"/v1/notifications/{answer['ids'][1]}")
    assert (shown.status, shown.json["user"], shown.json["status"]) == (200, "bert", "accepted")
    beyond = answer["ids"][1][:-1] + "2"
    (await service.call("GET", f"/v1/notifications/{beyond}")).problem(404, "not_found")


async def test_a_batch_counts_its_members(service: Service) -> None:
    """By status; those without a row yet are accepted."""
    answer = await service.send(to=["anna", "bert", "carl"])
    batch = await service.store.batch(Key(TENANT, answer["batch_id"]))
    assert batch
    shown = await service.call("GET", f"/v1/batches/{batch.id}")
    assert shown.json == {"id": batch.id, "accepted": 3, "by_status": {"accepted": 3}}
    await service.store.expand([batch.member(0), batch.member(1)], 0, Reached(batch.key, batch.level, "2", 0))
    for n, kind in enumerate(("sent", "failed")):
        name = batch.member(n).id
        await service.store.record([
            event("routed", plan=("email",), notification_id=name), event(kind, notification_id=name, attempt=1),
        ])  # fmt: skip
    shown = await service.call("GET", f"/v1/batches/{batch.id}")
    assert shown.json["by_status"] == {"accepted": 1, "sent": 1, "failed": 1}


async def test_what_has_not_left_can_be_cancelled(service: Service) -> None:
    """200, again and again; out of the inbox; its deliveries are cancelled with it."""
    name = await sent(service)
    for _ in range(2):
        answer = await service.call("DELETE", f"/v1/notifications/{name}")
        assert (answer.status, answer.json) == (200, {"status": "cancelled"})
    shown = (await service.call("GET", f"/v1/notifications/{name}")).json
    assert shown["status"] == "cancelled"
    assert [one["status"] for one in shown["deliveries"]] == ["cancelled"]
    assert await service.store.inbox(InboxQuery(user=ANNA)) == []
    assert (await service.history(name)).open == 0


@pytest.mark.parametrize(
    ("kinds", "plan"), [(["sending"], ("email",)), (["sending", "retrying"], ("email",)), (["sent"], (IN_APP,))]
)
async def test_what_has_left_cannot(service: Service, kinds: list[str], plan: tuple[str, ...]) -> None:
    """An attempt was begun: 409, and nothing changes."""
    name = await sent(service, *kinds, plan=plan)
    (await service.call("DELETE", f"/v1/notifications/{name}")).problem(409, "already_left")
    assert (await service.call("GET", f"/v1/notifications/{name}")).json["status"] != "cancelled"


async def test_a_member_that_is_being_expanded_is_cancelled_in_a_moment(service: Service) -> None:
    """Known, but without a row: not "unknown", and told when to come back."""
    answer = await service.send(to=["anna"])
    refused = await service.call("DELETE", f"/v1/notifications/{answer['ids'][0]}")
    refused.problem(409, "already_left")
    assert refused.headers["retry-after"]
