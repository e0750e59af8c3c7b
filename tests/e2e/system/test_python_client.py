"""The Python client on the running system, as a client service uses it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from heliograph.client import AsyncHeliograph, Heliograph, IdempotencyMismatch, NotFound, PartlySent, Unauthorized
from heliograph.client.shapes import Message
from tests.support.eventually import eventually
from tests.support.system import KEY
from tests.support.system import Heliograph as System


async def inbox(system: System, user: str) -> list[str]:
    """The ids in a user's inbox, oldest first, however many pages there are."""
    token, ids, more = await system.token(user), list[str](), ""
    while True:
        page = await system.get(f"/v1/inbox?limit=100{more}", key=token)
        ids += [item["id"] for item in page["items"]]
        if not page["next_cursor"]:
            return ids[::-1]
        more = f"&cursor={page['next_cursor']}"


async def test_a_send_and_what_became_of_it(system: System) -> None:
    """A mail arrives; status, timeline and explanation tell the story; the same key is the same send."""
    async with AsyncHeliograph(system.url, KEY) as heliograph:
        await heliograph.users.put("auth0|ann_smith", email="ann@example.com", name="Ann")
        order: dict[str, Any] = {"type": "transactional", "title": "Your order has shipped", "idempotency_key": "o-1"}
        sent = await heliograph.send("auth0|ann_smith", **order)
        again = await heliograph.send("auth0|ann_smith", **order)
        with pytest.raises(IdempotencyMismatch):
            await heliograph.send("auth0|ann_smith", **{**order, "title": "Another"})

        async def mailed() -> bool:
            found = await heliograph.notifications.get(sent.id)
            return [one.status in ("sent", "delivered") for one in found.deliveries] == [True]

        await eventually(mailed)
        events = [one.event for one in await heliograph.notifications.timeline(sent.id)]
        explained = await heliograph.notifications.explain(sent.id)
        token = await heliograph.users.token("auth0|ann_smith")
        with pytest.raises(NotFound):
            await heliograph.notifications.get("ntf_of_nobody")
    assert (again.id, again.replayed, sent.replayed) == (sent.id, True, False)
    assert events[:4] == ["accepted", "routed", "sending", "sent"]
    assert explained["summary"] == "Routed to email because the user is offline."
    assert (await system.get("/v1/inbox/unread", key=token.token)) == {"unread": 1}
    assert len(await system.received(to="ann@example.com")) == 1


async def test_many_at_once(system: System) -> None:
    """A hundred of one content and some of their own, keyed and not: everyone gets theirs, once, under the id that was
    answered; whoever repeats all of it gets what has keys again, and nothing of it twice."""
    people = [f"p{n}" for n in range(120)]
    news: list[Message] = [{"to": user, "type": "marketing", "title": "News"} for user in people]
    codes: list[Message] = [{"to": f"p{n}", "type": "transactional", "title": f"Code {n}"} for n in range(10)]
    async with AsyncHeliograph(system.url, KEY) as heliograph:
        keyed: list[Message] = [{**code, "idempotency_key": f"code-{n}"} for n, code in enumerate(codes)]
        sent = await heliograph.send_many([*news, *keyed])
        assert [one.id for one in await heliograph.send_many(keyed)] == [one.id for one in sent[120:]]
        alone = await heliograph.send(**keyed[0])
        assert (alone.id, alone.replayed) == (sent[120].id, True)
        with pytest.raises(PartlySent) as failure:
            await heliograph.send_many([{"to": "p1", "title": "fine"}, {"to": "no spaces", "title": "fine"}])
    assert len({one.id for one in sent}) == 130
    assert str(failure.value).endswith("control character")

    async def all_there() -> bool:
        return sorted(await inbox(system, "p0")) == sorted([sent[0].id, sent[120].id])

    await eventually(all_there, every_s=0.2)
    for n in (7, 60, 119):

        async def there(user: str = f"p{n}", id_: str = sent[n].id) -> bool:
            return id_ in await inbox(system, user)

        await eventually(there, every_s=0.2)
        assert (await system.notification(sent[n].id))["user"] == f"p{n}"


async def test_preferences_and_erasing(system: System) -> None:
    """What the settings page of a back end needs."""
    async with AsyncHeliograph(system.url, KEY) as heliograph:
        wanted = await heliograph.users.set_preferences("cy", categories={"marketing": {"email": False}})
        assert await heliograph.users.preferences("cy") == wanted
        await heliograph.users.delete("cy")
        with pytest.raises(NotFound):
            await heliograph.users.get("cy")
    async with AsyncHeliograph(system.url, "hg_sk_wrong") as stranger:
        with pytest.raises(Unauthorized):
            await stranger.send("cy", title="Hello")


async def test_the_synchronous_client(system: System) -> None:
    """From threads without an event loop."""

    def use() -> list[str]:
        with Heliograph(system.url, KEY) as heliograph:
            heliograph.users.put("di", email="di@example.com")
            first = heliograph.send({"id": "di", "name": "Di"}, title="Hello")
            rest = heliograph.send_many([{"to": "di", "title": "Hello again"}, {"to": "di", "title": "And again"}])
            assert heliograph.notifications.get(first.id).user == "di"
            return [first.id, *(one.id for one in rest)]

    sent = await asyncio.to_thread(use)

    async def all_there() -> bool:
        return sorted(await inbox(system, "di")) == sorted(sent)

    await eventually(all_there)


async def test_a_restart_in_the_middle_loses_and_doubles_nothing(install: Callable[..., System]) -> None:
    """kill -9 while hundreds of sends are on their way: each is tried again, and stands in the inbox exactly once."""
    system = await install().start()
    async with AsyncHeliograph(system.url, KEY, retry_for_s=60) as heliograph:
        answered: list[str] = []

        async def stream(user: str) -> None:
            for number in range(60):
                sent = await heliograph.send(user, title=f"{user} {number}")
                answered.append(sent.id)

        streams = [asyncio.create_task(stream(f"u{n}")) for n in range(5)]

        async def under_way() -> bool:
            return len(answered) > 30

        await eventually(under_way)
        await system.kill()
        before = len(answered)
        await system.start()
        await asyncio.gather(*streams)
    assert before < len(answered) == len(set(answered)) == 300

    async def all_kept() -> bool:
        kept = [id_ for n in range(5) for id_ in await inbox(system, f"u{n}")]
        return len(kept) >= 300 and sorted(kept) == sorted(answered)

    await eventually(all_kept, every_s=0.2)
