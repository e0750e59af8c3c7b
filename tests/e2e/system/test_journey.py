"""From POST /v1/send to a person, on the running system: every box of the architecture, on both stores."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.support.eventually import eventually
from tests.support.system import Heliograph


async def test_an_online_user_gets_it_on_the_screen_and_no_mail(system: Heliograph) -> None:
    """Online: in-app, acknowledged = delivered; nothing is mailed."""
    await system.call("PUT", "/v1/users/ann", {"email": "ann@example.com"})
    async with system.socket("ann") as tab:
        answer = await system.send("ann", type="transactional", body="b", data={"order_id": "7"})
        frame = await tab.frame()
        await tab.ack()
        delivery = await system.reaches(answer["id"], "in_app", "delivered")
    assert frame["t"] == "notification"
    assert frame["notification"]["id"] == answer["id"]
    assert frame["notification"]["data"] == {"order_id": "7"}
    assert delivery["attempts"] == 1
    assert await system.delivery(answer["id"], "email") is None
    assert await system.received(to="ann@example.com") == []
    explained = await system.get(f"/v1/notifications/{answer['id']}/explain")
    assert explained["decisions"][0]["chosen"] == ["in_app"]
    assert "online" in explained["summary"]


async def test_an_offline_user_gets_a_mail_and_keeps_it_in_the_inbox(system: Heliograph) -> None:
    """Offline: e-mail with text and HTML, in the inbox too, the timeline tells every step."""
    to = {"id": "bob", "email": "bob@example.com", "name": "Bob Ünïcode"}
    answer = await system.send(to, body="Track it <any> time", action_url="https://shop.example/orders/1")
    await system.reaches(answer["id"], "email", "sent", "delivered")
    [mail] = await system.received(to="bob@example.com")
    assert mail["title"] == "Hello"
    assert "Track it <any> time" in mail["body"]
    assert "Track it &lt;any&gt; time" in mail["html"]
    assert "https://shop.example/orders/1" in mail["html"]
    inbox = await system.get("/v1/inbox", key=await system.token("bob"))
    assert [item["id"] for item in inbox["items"]] == [answer["id"]]
    assert inbox["unread"] == 1
    events = [e["event"] for e in (await system.get(f"/v1/notifications/{answer['id']}/timeline"))["events"]]
    assert events[:4] == ["accepted", "routed", "sending", "sent"]


async def test_sendgrid_reports_back_by_webhook(system: Heliograph) -> None:
    """A signed Event Webhook makes the e-mail `delivered`; a hard bounce suppresses the address."""
    delivered = await system.send({"id": "cy", "email": "cy@example.com"})
    await system.reaches(delivered["id"], "email", "delivered")
    await system.lab("PUT", "/lab/faults/sendgrid", {"mode": "ok", "tokens": {"gone@example.com": "bounce"}})
    bounced = await system.send({"id": "di", "email": "gone@example.com"})
    await system.reaches(bounced["id"], "email", "failed")
    again = await system.send("di")

    async def suppressed() -> bool:
        found = await system.notification(again["id"])
        return found["status"] in ("suppressed", "sent")

    await eventually(suppressed)
    explained = await system.get(f"/v1/notifications/{again['id']}/explain")
    assert "suppressed" in explained["decisions"][0]["channels"]["email"]


async def test_a_registered_device_gets_a_push_and_a_dead_one_is_forgotten(system: Heliograph) -> None:
    """FCM: offline users get push and e-mail; an unregistered token is removed."""
    await system.call("PUT", "/v1/users/eve", {"email": "eve@example.com"})
    status, device = await system.call("POST", "/v1/users/eve/devices", {"kind": "fcm_token", "value": "tok-good"})
    assert status == 201
    await system.call("POST", "/v1/users/eve/devices", {"kind": "fcm_token", "value": "tok-dead"})
    await system.fault("fcm", mode="ok", tokens={"tok-dead": "unregistered"})
    answer = await system.send("eve", body="b", data={"n": 1}, collapse_key="c")
    found = await system.settled(answer["id"])
    pushes = {d["device_id"]: d["status"] for d in found["deliveries"] if d["channel"] == "push"}
    assert pushes[device["id"]] == "sent"
    assert sorted(pushes.values()) == ["failed", "sent"]
    [push] = await system.received(provider="fcm")
    assert push["to"] == "tok-good"
    assert push["data"]["n"] == "1"

    async def forgotten() -> bool:
        listed = await system.get("/v1/users/eve/devices")
        return [d["id"] for d in listed["devices"]] == [device["id"]]

    await eventually(forgotten)


async def test_an_online_user_with_a_phone_gets_both(system: Heliograph) -> None:
    """Online: in-app, and push to registered devices without a live connection."""
    await system.call("POST", "/v1/users/flo/devices", {"kind": "fcm_token", "value": "tok-flo"})
    async with system.socket("flo") as tab:
        answer = await system.send("flo")
        await tab.frame()
        await tab.ack()
        await system.reaches(answer["id"], "in_app", "delivered")
        await system.reaches(answer["id"], "push", "sent")


async def test_unacknowledged_is_escalated_to_mail(install: Any, store_settings: dict[str, str]) -> None:
    """G7: shown to an online user and not acknowledged in time → the e-mail after all."""
    system = await install(unseen_after_s=1, **store_settings).start()
    await system.call("PUT", "/v1/users/gil", {"email": "gil@example.com"})
    async with system.socket("gil") as tab:
        answer = await system.send("gil", type="transactional")
        await tab.frame()
        await system.reaches(answer["id"], "email", "sent", "delivered")
        assert (await system.delivery(answer["id"], "in_app"))["status"] == "expired"
        await tab.ack()
        await system.reaches(answer["id"], "in_app", "delivered")
    assert len(await system.received(to="gil@example.com")) == 1


async def test_a_list_send_answers_with_ids_in_order(system: Heliograph) -> None:
    """A list: one batch, ids in the order of `to`, each notification readable at once, progress by status."""
    people: list[Any] = [{"id": f"p{n}", "email": f"p{n}@example.com"} for n in range(40)]
    answer = await system.send([*people, "p0-without-mail"], type="marketing")
    assert answer["accepted"] == len(answer["ids"]) == 41
    assert (await system.notification(answer["ids"][3]))["user"] == "p3"

    async def finished() -> Any:
        by_status = (await system.get(f"/v1/batches/{answer['batch_id']}"))["by_status"]
        return by_status if set(by_status) <= {"sent", "delivered"} else None

    assert sum((await eventually(finished)).values()) == 41
    assert len(await system.received(provider="sendgrid")) == 40


async def test_failures_retry_then_die_and_replay_delivers(install: Any, store_settings: dict[str, str]) -> None:
    """Transient: retried with backoff, dead-lettered after the last attempt with its history; replay delivers."""
    system = await install(retry_max_attempts=3, **store_settings).start()
    await system.fault("sendgrid", mode="error", status=500)
    await system.fault("smtp", mode="error", status=451)
    answer = await system.send({"id": "hal", "email": "hal@example.com"}, type="transactional")
    failed = await system.reaches(answer["id"], "email", "failed")
    assert failed["attempts"] == 3
    [group] = (await system.get("/v1/dlq?channel=email"))["groups"]
    assert group["count"] == 1
    assert group["example"]["notification_id"] == answer["id"]
    assert [e["event"] for e in group["example"]["history"]].count("sending") == 3
    await system.fault("sendgrid", mode="ok")
    await system.fault("smtp", mode="ok")
    status, replayed = await system.call("POST", "/v1/dlq/replay", {"cause": group["cause"], "rate_per_s": 50})
    assert (status, replayed) == (200, {"replayed": 1})
    await system.reaches(answer["id"], "email", "sent", "delivered")
    assert (await system.get("/v1/dlq"))["groups"] == []
    assert len(await system.received(to="hal@example.com")) == 1


async def test_a_permanent_failure_is_a_dead_letter_at_once(system: Heliograph) -> None:
    """Permanent: one attempt, dead letter."""
    await system.fault("sendgrid", mode="error", status=400)
    answer = await system.send({"id": "ida", "email": "ida@example.com"})
    failed = await system.reaches(answer["id"], "email", "failed")
    assert failed["attempts"] == 1
    assert (await system.get("/v1/dlq?channel=email"))["groups"][0]["count"] == 1


async def test_cancel_before_it_left(install: Any, store_settings: dict[str, str]) -> None:
    """DELETE: cancelled while it waits for the rate limit, 409 once it has left, nothing sent of the cancelled."""
    system = await install(email_rate=0.5, **store_settings).start()
    first = await system.send({"id": "j1", "email": "j1@example.com"})
    await system.reaches(first["id"], "email", "sent", "delivered")
    waiting = await system.send({"id": "j2", "email": "j2@example.com"})
    status, answer = await system.call("DELETE", f"/v1/notifications/{waiting['id']}")
    assert (status, answer) == (200, {"status": "cancelled"})
    assert (await system.notification(waiting["id"]))["status"] == "cancelled"
    status, _ = await system.call("DELETE", f"/v1/notifications/{first['id']}")
    assert status == 409
    third = await system.send({"id": "j3", "email": "j3@example.com"})
    await system.reaches(third["id"], "email", "sent", "delivered")
    assert await system.received(to="j2@example.com") == []
    assert (await system.get("/v1/inbox", key=await system.token("j2")))["items"] == []


async def test_marks_reach_every_tab(system: Heliograph) -> None:
    """Read on one tab: the others get the `inbox` frame with the same unread count; HTTP does the same."""
    async with system.socket("kim") as one, system.socket("kim") as two:
        answer = await system.send("kim")
        assert (await one.frame())["notification"]["id"] == (await two.frame())["notification"]["id"] == answer["id"]
        await one.say({"t": "read", "id": answer["id"]})
        for tab in (one, two):
            frame = await tab.frame()
            assert (frame["t"], frame["id"], frame["unread"]) == ("inbox", answer["id"], 0)
            assert frame["read_at"]
        token = await system.token("kim")
        status, _ = await system.call("POST", f"/v1/inbox/{answer['id']}/unread", key=token)
        assert status == 204
        for tab in (one, two):
            assert (await tab.frame())["unread"] == 1
        await system.call("POST", "/v1/inbox/read-all", key=token)
        for tab in (one, two):
            assert (await tab.frame())["unread"] == 0


async def test_closing_one_tab_keeps_the_user_online(system: Heliograph) -> None:
    """Several tabs: the user is offline only when the last one closes."""
    await system.call("PUT", "/v1/users/lea", {"email": "lea@example.com"})
    async with system.socket("lea") as stays:
        async with system.socket("lea"):
            pass
        answer = await system.send("lea")
        await stays.frame()
        await stays.ack()
        await system.reaches(answer["id"], "in_app", "delivered")

    async def mailed() -> bool:
        sent = await system.send("lea")
        found = await system.settled(sent["id"])
        return [d["channel"] for d in found["deliveries"]] == ["email"]

    await eventually(mailed)


async def test_resume_brings_the_gap(system: Heliograph) -> None:
    """A client that comes back with its last offset gets what it missed, in order, and `recovered: true`."""
    async with system.socket("max") as tab:
        seen = await system.send("max", title="one")
        assert (await tab.frame())["notification"]["id"] == seen["id"]
        await tab.ack()
        position = tab.position
    missed = [(await system.send("max", title=f"missed {n}"))["id"] for n in range(5)]
    for one in missed:
        await system.settled(one)

    async def resumed() -> Any:
        async with system.socket("max", since=position) as tab:
            return tab if len(tab.gap) == len(missed) else None

    tab = await eventually(resumed)
    assert tab.connected["recovered"] is True
    assert [frame["notification"]["id"] for frame in tab.gap] == missed
    assert [frame["offset"] for frame in tab.gap] == list(range(position["offset"] + 1, position["offset"] + 6))
    async with system.socket("max", since={"epoch": "unknown", "offset": 1}) as stranger:
        assert stranger.connected["recovered"] is False
        assert stranger.gap == []


async def test_idempotency(system: Heliograph) -> None:
    """Same key and body = the same answer again; another body = 422; racing callers get one id."""
    body = {"to": {"id": "nel", "email": "nel@example.com"}, "title": "once"}
    headers = {"Idempotency-Key": "order-1"}
    answers = await asyncio.gather(*(system.call("POST", "/v1/send", body, headers=headers) for _ in range(30)))
    assert {status for status, _ in answers} == {202}
    [only] = {answer["id"] for _, answer in answers}
    status, problem = await system.call("POST", "/v1/send", {**body, "title": "twice"}, headers=headers)
    assert (status, problem["code"]) == (422, "idempotency_mismatch")
    await system.reaches(only, "email", "sent", "delivered")
    assert len(await system.received(to="nel@example.com")) == 1


async def test_erasing_a_user(system: Heliograph) -> None:
    """DELETE of a user erases notifications, inbox and devices."""
    answer = await system.send({"id": "oto", "email": "oto@example.com"})
    await system.settled(answer["id"])
    assert (await system.call("DELETE", "/v1/users/oto"))[0] == 204
    assert (await system.call("GET", "/v1/users/oto"))[0] == 404
    assert (await system.call("GET", f"/v1/notifications/{answer['id']}"))[0] == 404
    assert (await system.get("/v1/inbox", key=await system.token("oto")))["items"] == []


async def test_expired_is_not_sent(install: Any, store_settings: dict[str, str]) -> None:
    """ttl_s: what waits longer than its time to live ends as `expired`."""
    system = await install(email_rate=1, **store_settings).start()
    ids = [
        (await system.send({"id": f"q{n}", "email": f"q{n}@example.com"}, ttl_s=2, type="marketing"))["id"]
        for n in range(8)
    ]
    ends = [(await system.settled(one))["status"] for one in ids]
    assert "expired" in ends
    assert ends.count("expired") + len(await system.received(provider="sendgrid")) == 8


async def test_operations(system: Heliograph) -> None:
    """Health, readiness, metrics and lanes answer; /send is the same as /v1/send."""
    status, answer = await system.call("POST", "/send", {"to": "rex", "title": "t"})
    assert (status, answer["status"]) == (202, "accepted")
    assert (await system.get("/healthz", key=None))["status"] == "ok"
    assert (await system.get("/readyz", key=None))["store"] == "up"
    lanes = await system.get("/v1/lanes")
    assert set(lanes) >= {"ingest", "inapp", "push", "email", "outbox"}
    assert set(lanes["email"]["p0"]) == {"depth", "oldest_age_s", "in_flight"}
    async with system.session.get(system.url + "/metrics") as response:
        assert "heliograph_accepted_total" in await response.text()
