"""For people on call: lanes, dead letters and their replay (CONTRACT section 7)."""

from __future__ import annotations

from typing import Any

import pytest

from heliograph import telemetry
from heliograph.access import create_key
from heliograph.core.lanes import EMAIL, LANES, EmailItem
from heliograph.core.model import Level
from heliograph.reporting import Reporter
from heliograph.roles.api.operations import OPERATOR
from tests.unit.given import T0, TENANT, event, notification
from tests.unit.roles.api.service import Service

BURIED_AT = "2027-01-15T08:00:00.000Z"


async def dead(service: Service, cause: str = "503", target: str = "email", **fields: Any) -> str:
    """The id of a notification whose delivery died."""
    name = str((await service.send(**fields))["id"])
    one = (await service.history(name)).notification
    await service.store.record([
        event("routed", plan=(target,), notification_id=name), event("failed", target, notification_id=name, attempt=3),
    ])  # fmt: skip
    await service.bury(one, cause, target)
    return name


async def test_lanes_are_shown_in_notifications(service: Service) -> None:
    """Depth, age of the oldest and what is in hand, per lane and level; every lane, also an empty one."""
    one = notification(type="marketing")
    await service.queue.publish(EMAIL, [EmailItem(one, address="a@b.example")] * 3)
    await service.queue.pull(EMAIL, 1)
    service.clock.forward(2.5)
    shown = (await service.call("GET", "/v1/lanes")).json
    assert set(shown) == {lane.name for lane in LANES}
    assert shown["email"]["p2"] == {"depth": 3, "oldest_age_s": 2.5, "in_flight": 1}
    assert shown["email"]["p0"] == {"depth": 0, "oldest_age_s": 0.0, "in_flight": 0}
    assert all(set(levels) == {"p0", "p1", "p2"} for levels in shown.values())


async def test_a_queue_that_is_away_is_a_503(service: Service) -> None:
    """Told as what it is."""
    service.queue.broker.away = True
    answer = await service.call("GET", "/v1/lanes")
    answer.problem(503, "queue_unavailable")
    assert answer.headers["retry-after"]


async def test_dead_letters_are_grouped_by_cause(service: Service) -> None:
    """The largest group first, each with an example and what was tried with it."""
    first = await dead(service, "550 no such user")
    for _ in range(2):
        await dead(service, "503")
    groups = (await service.call("GET", "/v1/dlq")).json["groups"]
    assert [(group["cause"], group["count"]) for group in groups] == [("503", 2), ("550 no such user", 1)]
    assert groups[1]["oldest_at"] == BURIED_AT
    example = groups[1]["example"]
    history = example.pop("history")
    assert example == {
        "id": f"{first}:email", "notification_id": first, "channel": "email", "level": "p1",
        "cause": "550 no such user",
        "detail": "", "attempts": 3, "at": BURIED_AT,
    }  # fmt: skip
    assert [one["event"] for one in history] == ["accepted", "routed", "failed"]


async def test_dead_letters_of_one_channel(service: Service) -> None:
    """A push is named by its channel, whatever its device; routing itself is one."""
    for target in ("email", "push:dev_1", "in_app", "routing"):
        await dead(service, target, target=target)
    for channel, cause in [("email", "email"), ("push", "push:dev_1"), ("in_app", "in_app"), ("routing", "routing")]:
        groups = (await service.call("GET", f"/v1/dlq?channel={channel}")).json["groups"]
        assert [group["cause"] for group in groups] == [cause]


async def test_a_replay_reopens_and_forgets_the_letters(service: Service) -> None:
    """By cause: each delivery is owed again in a new generation, and the reconciler looks at it at once."""
    names = [await dead(service, "503") for _ in range(2)]
    other = await dead(service, "550")
    answer = await service.call("POST", "/v1/dlq/replay", {"cause": "503"})
    assert (answer.status, answer.json) == (200, {"replayed": 2})
    for name in names:
        delivery = await service.delivery("email", name)
        assert (delivery.status, delivery.gen, delivery.base, (await service.history(name)).open) == ("queued", 1, 3, 1)
    due = await service.store.due(Level.P1, T0, 10)
    assert {history.notification.id for history in due} == set(names)
    groups = (await service.call("GET", "/v1/dlq")).json["groups"]
    assert [group["example"]["notification_id"] for group in groups] == [other]
    assert (await service.call("POST", "/v1/dlq/replay", {"cause": "503"})).json == {"replayed": 0}


async def test_a_replay_by_ids_takes_letters_and_notifications(service: Service) -> None:
    """Either id; one that is unknown is not counted."""
    first, second, third = [await dead(service) for _ in range(3)]
    answer = await service.call("POST", "/v1/dlq/replay", {"ids": [f"{first}:email", second, "nothing"]})
    assert answer.json == {"replayed": 2}
    assert [letter.notification_id for letter in await service.store.dead_letters(TENANT)] == [third]


async def test_a_replay_at_a_rate_is_spread(service: Service) -> None:
    """Four a second: a quarter of a second apart, the most urgent first."""
    later = await dead(service, type="marketing")
    first = await dead(service, type="transactional")
    await service.call("POST", "/v1/dlq/replay", {"cause": "503", "rate_per_s": 4})
    assert [(await service.delivery("email", name)).due_at for name in (first, later)] == [T0, T0 + 250]


async def test_the_slowest_rate_is_still_a_time(service: Service) -> None:
    """The bounds of the rate keep every time within what a store can hold."""
    for _ in range(3):
        await dead(service)
    assert (await service.call("POST", "/v1/dlq/replay", {"cause": "503", "rate_per_s": 0.01})).json == {"replayed": 3}


async def test_a_second_death_can_be_replayed_again(service: Service) -> None:
    """Generation after generation."""
    name = await dead(service)
    for gen in (1, 2):
        await service.call("POST", "/v1/dlq/replay", {"ids": [name]})
        assert (await service.delivery("email", name)).gen == gen
        await service.store.record([event("failed", notification_id=name, gen=gen, attempt=3 + gen)])
        assert (await service.history(name)).open == 0
        await service.bury((await service.history(name)).notification)


# --- pauses and the whole at a glance ---------------------------------------------------------------------------------


@pytest.fixture
async def operator(service: Service) -> str:
    """A key of the tenant whose keys may pause."""
    return await create_key(service.store, OPERATOR, T0)


async def test_a_pause_over_http(service: Service, operator: str) -> None:
    """Shown at once in /v1/pauses, /v1/lanes and /v1/status; resuming takes it away; twice is a 404."""
    answer = await service.call("PUT", "/v1/pauses/outbox", {"reason": "their outage"}, key=operator)
    shown = {"name": "outbox", "at": BURIED_AT, "reason": "their outage"}
    assert (answer.status, answer.json) == (200, shown)
    assert (await service.call("GET", "/v1/pauses")).json == {"paused": [shown]}
    lanes = (await service.call("GET", "/v1/lanes")).json
    assert {lane: level["p0"].get("paused", False) for lane, level in lanes.items() if "paused" in level["p0"]} == {
        "outbox": True
    }
    assert (await service.call("GET", "/v1/status")).json["paused"] == [shown]
    assert (await service.call("DELETE", "/v1/pauses/outbox", key=operator)).status == 204
    (await service.call("DELETE", "/v1/pauses/outbox", key=operator)).problem(404, "not_found")
    assert (await service.call("GET", "/v1/pauses")).json == {"paused": []}


async def test_a_pause_stops_everybody_so_not_everybody_may(service: Service, operator: str) -> None:
    """403 for other tenants; unknown names and reasons of several lines are refused."""
    for method, body in (("PUT", {}), ("DELETE", None)):
        (await service.call(method, "/v1/pauses/outbox", body)).problem(403, "forbidden")
    (await service.call("PUT", "/v1/pauses/moon", {}, key=operator)).problem(404, "not_found")
    (await service.call("PUT", "/v1/pauses/fcm", {"reason": "a\nb"}, key=operator)).problem(422, "invalid")
    (await service.call("PUT", "/v1/pauses/fcm", {"until": 5}, key=operator)).problem(422, "invalid")
    assert (await service.call("GET", "/v1/pauses")).json == {"paused": []}


async def test_status_adds_everything_up(service: Service) -> None:
    """Lanes, providers, dead letters; processes with their sockets and rates; the reconciler's last round."""
    await dead(service)
    one = Reporter(service.cells, service.clock, ("api", "realtime"), sockets=lambda: 3)
    two = Reporter(service.cells, service.clock, ("reconciler",), reconciled_at=lambda: T0 + 1_000)
    telemetry.accepted_total.labels("p1").inc(8)
    service.clock.forward(2)
    for reporter in (one, two):
        await reporter.report()
    found = (await service.call("GET", "/v1/status")).json
    assert (found["store"], found["queue"], found["cache"], found["dead_letters"]) == ("up", "up", "up", 1)
    assert set(found["lanes"]) == {lane.name for lane in LANES}
    assert found["providers"] == {"sendgrid": "up"}
    assert [process["roles"] for process in found["processes"]] == [["api", "realtime"], ["reconciler"]]
    assert (found["sockets"], found["reconciler"]) == (3, {"last_round_age_s": 1.0})
    assert found["rates"]["accepted"] == 8.0, "of both, which here count the same"


async def test_status_tells_what_is_down(service: Service) -> None:
    """Queue and cache away are a part of the answer, not an error."""
    service.queue.broker.away = service.cells.away = True
    found = (await service.call("GET", "/v1/status")).json
    assert (found["queue"], found["cache"], found["lanes"], found["processes"]) == ("down", "down", {}, [])
    assert found["reconciler"] == {"last_round_age_s": None}
