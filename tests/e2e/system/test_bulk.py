"""Bulk and topic sends on the running system, on both stores: everything arrives once, the urgent first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from tests.support.eventually import eventually
from tests.support.system import Heliograph, notification_of


def mail_to(name: str, **fields: Any) -> dict[str, Any]:
    return {"to": {"id": name, "email": f"{name}@example.com"}, "title": f"For {name}", **fields}


async def progress(system: Heliograph, batch_id: str, **wanted: int) -> dict[str, Any]:
    """Waits until `/v1/batches` counts just this."""

    async def look() -> Any:
        found = await system.get(f"/v1/batches/{batch_id}")
        return found if found["by_status"] == wanted else None

    found: dict[str, Any] = await eventually(look, 30)
    return found


async def test_a_bulk_arrives_whole(system: Heliograph) -> None:
    """Each send with its own content, to its own user, once; what was refused never."""
    sends = [mail_to(f"u{n}", body=f"text {n}") for n in range(700)]
    sends[10] = {"to": "u10"}
    status, answer = await system.call("POST", "/v1/send/bulk", sends)
    assert (status, answer["accepted"], [one["index"] for one in answer["rejected"]]) == (202, 699, [10])
    found = await progress(system, answer["batch_id"], delivered=699)
    assert found["accepted"] == 699
    mails = await system.received(provider="sendgrid")
    assert Counter(map(notification_of, mails)) == Counter(one for one in answer["ids"] if one)
    assert {mail["to"]: mail["title"] for mail in mails}["u42@example.com"] == "For u42"


async def test_a_topic_reaches_its_subscribers(system: Heliograph) -> None:
    """In their inboxes, once each; who unsubscribed gets nothing."""
    users = [f"reader-{n:03d}" for n in range(620)]
    assert await system.call("POST", "/v1/topics/news/subscribers", {"users": users}) == (200, {"subscribed": 620})
    assert (await system.call("DELETE", "/v1/topics/news/subscribers/reader-007"))[0] == 204
    answer = await system.send({"topic": "news"}, type="marketing")
    found = await progress(system, answer["batch_id"], sent=619)
    assert found["accepted"] == 619
    inbox = {who: await system.get("/v1/inbox", key=await system.token(who)) for who in ("reader-007", "reader-619")}
    assert {who: len(found["items"]) for who, found in inbox.items()} == {"reader-007": 0, "reader-619": 1}


async def test_the_urgent_of_a_bulk_overtake_the_rest_of_it(install: Callable[..., Heliograph]) -> None:
    """G6 inside one request: whatever its place, a transactional send leaves before the marketing ones."""
    system = await install(email_rate=50).start()
    kinds = ["marketing"] * 300 + ["transactional"] * 5 + ["alert"] * 5
    sends = [mail_to(f"u{n}", type=kind) for n, kind in enumerate(kinds)]
    _, answer = await system.call("POST", "/v1/send/bulk", sends)
    for urgent in answer["ids"][300:]:
        await system.reaches(urgent, "email", "sent", "delivered")
    order = [notification_of(mail) for mail in await system.received(provider="sendgrid")]
    places = [order.index(one) for one in answer["ids"][300:]]
    assert max(places[:5]) < min(places[5:])
    assert max(places) < 150, "the urgent waited behind the bulk"


async def test_a_wipe_in_the_middle_of_an_expansion_loses_nothing(install: Callable[..., Heliograph]) -> None:
    """G1 for bulk: killed with half of it expanded and the queue's data gone, the rest follows from where it was."""
    system = await install(reconcile_every_s=0.2).start()
    sends = [{"to": f"u{n}", "title": f"Number {n}", "type": "marketing"} for n in range(10_000)]
    _, answer = await system.call("POST", "/v1/send/bulk", sends)
    await system.kill()
    for file in (system.folder / "nats").rglob("*"):
        if file.is_file():
            file.unlink()
    await system.start()
    found = await progress(system, answer["batch_id"], sent=10_000)
    assert found["accepted"] == 10_000
