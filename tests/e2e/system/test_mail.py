"""Mail on the running system: the way out, the tenant's sender, and what the provider tells long afterwards."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from standardwebhooks import Webhook

from tests.support.eventually import eventually
from tests.support.system import Heliograph


async def arrived(system: Heliograph, to: str, count: int = 1) -> list[dict[str, Any]]:
    """The mails to an address, once there are so many."""

    async def look() -> list[dict[str, Any]] | None:
        found = (await system.lab("GET", f"/lab/messages?to={to}"))["messages"]
        return list(found) if len(found) >= count else None

    return list(await eventually(look))


async def reasons(system: Heliograph, address: str) -> list[str]:
    found = (await system.get("/v1/suppressions?limit=1000"))["suppressions"]
    return [one["reason"] for one in found if one["address"] == address]


async def test_one_click_ends_marketing_and_nothing_else(system: Heliograph) -> None:
    """From the header of the mail that arrived, as a mailbox does it: no key, no cookie, one POST (RFC 8058)."""
    who = {"id": "una", "email": "una@example.com"}
    first = await system.send(who, type="marketing", channels=["email"])
    (mail,) = await arrived(system, "una@example.com")
    assert mail["headers"]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    link = mail["headers"]["List-Unsubscribe"].strip("<>")
    assert link in mail["html"]
    async with system.session.get(link) as page:
        assert (page.status, page.content_type) == (200, "text/html")
    assert await reasons(system, "una@example.com") == []
    for _ in range(2):
        async with system.session.post(link, data={"List-Unsubscribe": "One-Click"}) as done:
            assert (done.status, "set-cookie" in done.headers) == (200, False)
    assert await reasons(system, "una@example.com") == ["unsubscribe"]
    async with system.session.post(link[:-2], data={"List-Unsubscribe": "One-Click"}) as forged:
        assert forged.status == 404
    events = (await system.get(f"/v1/notifications/{first['id']}/timeline"))["events"]
    assert [one["event"] for one in events].count("unsubscribed") == 1

    for kind, status in (("marketing", "suppressed"), ("alert", "suppressed"), ("transactional", "sent")):
        answer = await system.send("una", type=kind, channels=["email"])
        found = await system.settled(answer["id"])
        assert found["status"] in (status, "delivered" if status == "sent" else status), kind


async def test_an_asynchronous_bounce_finds_its_mail(system: Heliograph) -> None:
    """Without custom arguments, by the Message-ID; the address is not written to again until it is taken off."""
    answer = await system.send({"id": "abe", "email": "abe@example.com"}, type="transactional", channels=["email"])
    await arrived(system, "abe@example.com")
    order = {"to": "abe@example.com", "sequence": ["async_bounce"], "duplicate": True, "posts": 2}
    (late, _) = (await system.lab("POST", "/lab/events/sendgrid", order))["events"]
    assert "hg_id" not in late
    assert await reasons(system, "abe@example.com") == ["hard_bounce"]
    events = (await system.get(f"/v1/notifications/{answer['id']}/timeline"))["events"]
    assert [one["event"] for one in events].count("failed") == 1
    again = await system.send("abe", type="transactional", channels=["email"])
    assert (await system.settled(again["id"]))["status"] == "suppressed"
    status, _ = await system.call("DELETE", "/v1/suppressions/abe@example.com")
    assert status == 204
    third = await system.send("abe", type="transactional", channels=["email"])
    assert (await system.settled(third["id"]))["status"] in ("sent", "delivered")


async def test_a_tenants_own_sender(system: Heliograph) -> None:
    """Set by the API, it stands in the next mails within five seconds, and goes away again."""
    wanted = {"from": "Acme <news@acme.example>", "reply_to": "help@acme.example"}
    assert await system.call("PUT", "/v1/settings/email", wanted) == (200, wanted)

    async def from_acme() -> bool:
        await system.send({"id": "sue", "email": "sue@example.com"}, type="transactional", channels=["email"])
        newest = (await arrived(system, "sue@example.com"))[-1]["headers"]
        return newest["From"] == "Acme <news@acme.example>" and newest["Reply-To"] == "help@acme.example"

    await eventually(from_acme)
    assert (await system.call("PUT", "/v1/settings/email", {}))[0] == 200


async def test_another_providers_word(install: Callable[..., Heliograph]) -> None:
    """Any provider with a secret tells what became of a push; nobody else does."""
    secret = "whsec_" + base64.b64encode(b"a secret of a push gateway").decode()
    system = await install(webhook_secrets=f"gateway={secret}").start()
    await system.call("POST", "/v1/users/pia/devices", {"kind": "fcm_token", "value": "tok-pia"})
    sent = await system.send("pia", type="transactional", channels=["push"])
    await system.reaches(sent["id"], "push", "sent")
    body = json.dumps({
        "type": "delivery.delivered", "timestamp": datetime.now(UTC).isoformat(),
        "data": {"notification_id": sent["id"], "channel": "push"},
    }).encode()  # fmt: skip
    now = datetime.now(UTC)
    signed = {
        "webhook-id": "msg_1", "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign("msg_1", now, body.decode()),
    }  # fmt: skip
    path = "/v1/webhooks/gateway"
    assert (await system.call("POST", path, raw=body, key=None))[0] == 401
    assert await system.call("POST", path, raw=body, key=None, headers=signed) == (200, {"status": "recorded"})
    assert await system.call("POST", path, raw=body, key=None, headers=signed) == (200, {"status": "ignored"})
    found = await system.delivery(sent["id"], "push")
    assert (found["status"], found["provider"]) == ("delivered", "gateway")
