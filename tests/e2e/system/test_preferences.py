"""What a person doesn't want to hear doesn't reach them, on the running system and on both stores."""

from __future__ import annotations

from typing import Any

from tests.support.eventually import eventually
from tests.support.system import Heliograph

NO_MAIL = {"categories": {"marketing": {"email": False}}}


async def prefer(system: Heliograph, user: str, wanted: dict[str, Any]) -> None:
    """As the person does it, in their own page."""
    status, answer = await system.call("PUT", "/v1/preferences", wanted, key=await system.token(user))
    assert (status, answer) == (200, {"channels": {}, "categories": {}} | wanted)


async def test_a_muted_category_is_not_mailed_and_transactional_is(system: Heliograph) -> None:
    """`marketing` covers `marketing.news`; what isn't muted, and what is transactional, is mailed as ever."""
    await system.call("PUT", "/v1/users/ann", {"email": "ann@example.com"})
    await prefer(system, "ann", NO_MAIL)
    muted = await system.send("ann", type="marketing", category="marketing.news", title="news")
    for kind, category in (("alert", "bill"), ("transactional", "marketing.news")):
        sent = await system.send("ann", type=kind, category=category, title=kind)
        await system.reaches(sent["id"], "email", "sent", "delivered")
    found = await system.settled(muted["id"])
    assert [(one["channel"], one["status"]) for one in found["deliveries"]] == [("in_app", "sent")]
    assert sorted(mail["title"] for mail in await system.received(to="ann@example.com")) == ["alert", "transactional"]
    explained = await system.get(f"/v1/notifications/{muted['id']}/explain")
    assert explained["decisions"][0]["channels"]["email"] == "not chosen: the user muted e-mail for marketing"
    inbox = await system.get("/v1/inbox", key=await system.token("ann"))
    assert inbox["unread"] == 3


async def test_muted_on_every_channel_ends_as_suppressed(system: Heliograph) -> None:
    """Not even the inbox keeps it; a push, a frame and a mail were all possible."""
    await system.call("PUT", "/v1/users/bob", {"email": "bob@example.com"})
    await system.call("POST", "/v1/users/bob/devices", {"kind": "fcm_token", "value": "tok-bob"})
    everything = {"channels": {"in_app": False, "push": False, "email": False}}
    status, _ = await system.call("PUT", "/v1/users/bob/preferences", everything)
    assert status == 200
    async with system.socket("bob") as tab:
        muted = await system.send("bob", type="alert")
        found = await system.settled(muted["id"])
        shown = await system.send("bob", type="transactional")
        assert (await tab.frame())["notification"]["id"] == shown["id"]
        await tab.ack()
    assert found["status"] == "suppressed"
    assert {(one["channel"], one["status"], one["reason"]) for one in found["deliveries"]} == {
        (channel, "suppressed", "preference") for channel in ("in_app", "push", "email")
    }
    inbox = await system.get("/v1/inbox", key=await system.token("bob"))
    assert [item["id"] for item in inbox["items"]] == [shown["id"]]
    assert inbox["unread"] == 1
    assert (await system.get("/v1/dlq"))["groups"] == []


async def test_changed_while_it_waits_in_the_outbox(install: Any, store_settings: dict[str, str]) -> None:
    """The mail was rendered and waited for its token when the person muted it: it is not sent."""
    system = await install(email_rate=0.2, **store_settings).start()
    first = await system.send({"id": "c1", "email": "c1@example.com"})
    await system.reaches(first["id"], "email", "sent", "delivered")
    to = {"id": "cy", "email": "cy@example.com"}
    waiting = await system.send(to, type="marketing", category="marketing.news", title="news")

    async def in_the_outbox() -> bool:
        return bool((await system.get("/v1/lanes"))["outbox"]["p2"]["depth"])

    await eventually(in_the_outbox)
    await prefer(system, "cy", NO_MAIL)
    code = await system.send("cy", type="transactional", category="marketing.news", title="code")
    ended = await system.reaches(waiting["id"], "email", "suppressed")
    assert (ended["reason"], ended["provider"]) == ("preference", None)
    await system.reaches(code["id"], "email", "sent", "delivered")
    assert [mail["title"] for mail in await system.received(to="cy@example.com")] == ["code"]


async def test_changed_while_it_was_a_dead_letter(install: Any, store_settings: dict[str, str]) -> None:
    """Replayed, it ends as suppressed: whoever replays a thousand letters needn't know who left meanwhile."""
    system = await install(retry_max_attempts=1, **store_settings).start()
    await system.fault("sendgrid", mode="error", status=400)
    to = {"id": "di", "email": "di@example.com"}
    dead = await system.send(to, type="marketing", category="marketing.news")
    await system.reaches(dead["id"], "email", "failed")
    await prefer(system, "di", NO_MAIL)
    await system.fault("sendgrid", mode="ok")
    assert (await system.call("POST", "/v1/dlq/replay", {"ids": [dead["id"]]}))[1] == {"replayed": 1}
    assert (await system.reaches(dead["id"], "email", "suppressed"))["reason"] == "preference"
    assert await system.received(to="di@example.com") == []


async def test_muted_on_the_screen_the_mail_comes_instead(system: Heliograph) -> None:
    """In-app muted: no frame, nothing in the inbox, and the mail although the page is open."""
    await system.call("PUT", "/v1/users/eve", {"email": "eve@example.com"})
    await prefer(system, "eve", {"categories": {"news": {"in_app": False}}})
    async with system.socket("eve") as tab:
        muted = await system.send("eve", type="alert", category="news")
        await system.reaches(muted["id"], "email", "sent", "delivered")
        shown = await system.send("eve", type="alert", category="other")
        assert (await tab.frame())["notification"]["id"] == shown["id"]
    inbox = await system.get("/v1/inbox", key=await system.token("eve"))
    assert [item["id"] for item in inbox["items"]] == [shown["id"]]
