"""Both clients, call by call: what goes out and what comes back."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from aiohttp import web

from heliograph.client import (
    AsyncHeliograph,
    Conflict,
    Heliograph,
    NotFound,
    Notification,
    PartlySent,
    Preferences,
    Sent,
    SentList,
    SentTopic,
    UserToken,
    ValidationError,
)
from heliograph.client.shapes import Message
from tests.support.eventually import eventually
from tests.unit.client.conftest import Server, problem

KEY = "hg_sk_secret"
SHOWN = {
    "id": "ntf_1", "user": "anna", "type": "alert", "category": None, "title": "T", "body": "", "data": {},
    "action_url": None, "image_url": None, "created_at": "2026-11-22T16:39:47.613Z", "status": "sent",
    "deliveries": [{"channel": "push", "status": "sent", "attempts": 1, "provider": "fcm", "provider_id": "p",
                    "reason": None, "updated_at": "2026-11-22T16:39:48Z", "device_id": "dev_1", "brand_new": 1}],
    "seen_at": None, "read_at": "2026-11-22T16:40:00.000Z", "brand_new": {},
}  # fmt: skip


def json_answer(content: Any, status: int = 200) -> web.Response:
    return web.json_response(content, status=status)


async def test_sending(server: Server) -> None:
    """One recipient or a list, with every field as it was given."""
    async with AsyncHeliograph(server.url, KEY) as heliograph:
        assert await heliograph.send("anna", title="T") == Sent(id="ntf_anna")
        to = {"id": "bert", "email": "b@x.example"}
        assert await heliograph.send(to, type="transactional", title="T", channels=["email"]) == Sent(id="ntf_bert")  # type: ignore[arg-type]
        listed = await heliograph.send(["anna", "bert"], title="T", idempotency_key="k")
        assert await heliograph.send({"topic": "releases"}, title="T") == SentTopic(batch_id="bat_1")
        assert (await heliograph.send(("anna",), title="T")).ids == ("ntf_anna",)
    assert listed == SentList(batch_id="bat_1", accepted=2, ids=("ntf_anna", "ntf_bert"))
    assert [asked.path for asked in server.asked] == ["/v1/send"] * 5
    assert (
        server.asked[1].json.items() >= {"to": to, "type": "transactional", "title": "T", "channels": ["email"]}.items()
    )
    assert server.asked[2].json == {"to": ["anna", "bert"], "title": "T", "idempotency_key": "k"}
    assert "Idempotency-Key" not in server.asked[2].headers
    keys = [server.asked[n].headers["Idempotency-Key"] for n in (0, 1, 3, 4)]
    assert {len(key) for key in keys} == {36}
    assert len(set(keys)) == 4


async def test_a_replayed_answer_is_marked(server: Server) -> None:
    """It was accepted before, under the same key."""
    again = {"Idempotency-Replayed": "true"}
    server.replies = [
        web.json_response({"id": "ntf_1"}, status=202, headers=again),
        web.json_response({"batch_id": "b", "accepted": 1, "ids": ["ntf_1"]}, status=202, headers=again),
    ]
    async with AsyncHeliograph(server.url, KEY) as heliograph:
        assert (await heliograph.send("anna", title="T", idempotency_key="k")).replayed
        assert (await heliograph.send(["anna"], title="T", idempotency_key="k")).replayed


async def test_a_retried_send_is_the_same_send(server: Server) -> None:
    """The same bytes, so the same idempotency key: a lost answer costs nothing."""
    server.replies = [None, problem(503, "overloaded")]
    async with AsyncHeliograph(server.url, KEY) as heliograph:
        assert await heliograph.send("anna", title="T") == Sent(id="ntf_anna")
    assert len(server.asked) == 3
    assert len({(asked.body, asked.headers["Idempotency-Key"]) for asked in server.asked}) == 1


def news(number: int) -> Iterator[Message]:
    for n in range(number):
        yield {"to": f"u{n}", "title": "News", "type": "marketing"}


async def test_sending_many(server: Server) -> None:
    """In few requests, in their order."""
    async with AsyncHeliograph(server.url, KEY) as heliograph:
        codes: list[Message] = [{"to": f"c{n}", "title": f"Code {n}", "type": "transactional"} for n in range(3)]
        sent = await heliograph.send_many([*news(50), *codes])
        assert await heliograph.send_many([]) == []
    assert [one.id for one in sent] == [f"ntf_u{n}" for n in range(50)] + [f"ntf_c{n}" for n in range(3)]
    assert [(asked.path, len(asked.json)) for asked in server.asked] == [("/v1/send/bulk", 3), ("/v1/send/bulk", 50)]


async def test_sending_many_says_which_were_not_sent(server: Server) -> None:
    """An error, because an answer that nobody looks at would hide it; with it, all that was sent."""
    bad: Message = {"to": "bad", "title": "T", "type": "marketing"}
    async with AsyncHeliograph(server.url, KEY) as heliograph:
        with pytest.raises(PartlySent, match="1 of 13 messages were not sent; the first: invalid: to: No") as failure:
            await heliograph.send_many([bad, *news(12)])
    assert [type(one) for one in failure.value.results] == [ValidationError, *[Sent] * 12]


async def test_users(server: Server) -> None:
    """By ids of any shape; what isn't given isn't said."""
    user = {"id": "a|b c%ü", "email": "a@x", "name": None, "locale": None, "timezone": None, "data": {}, "devices": []}
    token = {"token": "eyJ", "expires_at": "2026-11-22T16:39:47.000Z"}
    wanted: Any = {"channels": {"email": False}, "categories": {}}
    server.replies = [json_answer(one) for one in (user, user, token, wanted, wanted)] + [web.Response(status=204)]
    async with AsyncHeliograph(server.url, KEY) as heliograph:
        assert (await heliograph.users.put("a|b c%ü", email="a@x")).email == "a@x"
        assert (await heliograph.users.get("a|b c%ü")).data == {}
        minted = await heliograph.users.token("a|b c%ü", ttl_s=60)
        assert await heliograph.users.set_preferences(
            "anna", channels={"email": False}
        ) == await heliograph.users.preferences("anna")
        await heliograph.users.delete("anna")
    assert (minted.token, minted.expires_at.isoformat()) == ("eyJ", "2026-11-22T16:39:47+00:00")
    calls = [(asked.method, asked.path, asked.body) for asked in server.asked]
    path = "/v1/users/a%7Cb%20c%25%C3%BC"
    assert calls == [
        ("PUT", path, b'{"email":"a@x"}'), ("GET", path, b""), ("POST", f"{path}/token", b'{"ttl_s":60}'),
        ("PUT", "/v1/users/anna/preferences", b'{"channels":{"email":false},"categories":{}}'),
        ("GET", "/v1/users/anna/preferences", b""), ("DELETE", "/v1/users/anna", b""),
    ]  # fmt: skip


async def test_an_erasure_whose_answer_was_lost_is_done(server: Server) -> None:
    """The second try finds nobody, and that is what was wanted; a first one that does is an error."""
    server.replies = [None, problem(404, "not_found")]
    async with AsyncHeliograph(server.url, KEY) as heliograph:
        await heliograph.users.delete("anna")
        server.replies = [problem(404, "not_found")]
        with pytest.raises(NotFound):
            await heliograph.users.delete("anna")


async def test_notifications(server: Server) -> None:
    """What became of it; fields that this version doesn't know are no error."""
    events = {"events": [{"at": "2026-11-22T16:39:47Z", "channel": None, "event": "accepted", "attempt": None,
                          "provider": None, "detail": None}]}  # fmt: skip
    server.replies = [json_answer(one) for one in (SHOWN, events, {"summary": "Routed."}, {"status": "cancelled"})]
    async with AsyncHeliograph(server.url, KEY) as heliograph:
        found = await heliograph.notifications.get("ntf_1")
        assert [one.event for one in await heliograph.notifications.timeline("ntf_1")] == ["accepted"]
        assert await heliograph.notifications.explain("ntf_1") == {"summary": "Routed."}
        await heliograph.notifications.cancel("ntf_1")
        server.replies = [problem(409, "already_left")]
        with pytest.raises(Conflict):
            await heliograph.notifications.cancel("ntf_1")
    assert isinstance(found, Notification)
    assert (found.deliveries[0].device_id, found.created_at.year, found.seen_at) == ("dev_1", 2026, None)
    assert [asked.path.rpartition("ntf_1")[2] for asked in server.asked] == ["", "/timeline", "/explain", "", ""]


async def test_any_other_call(server: Server) -> None:
    """With the same key, retries and errors."""
    server.replies = [json_answer({"groups": []}), web.Response(status=204), None, json_answer({"replayed": 1})]
    async with AsyncHeliograph(server.url, KEY) as heliograph:
        assert await heliograph.request("GET", "/v1/dlq?channel=email") == {"groups": []}
        assert await heliograph.request("DELETE", "/v1/users/anna/devices/dev_1") is None
        assert await heliograph.request("POST", "/v1/dlq/replay", {"cause": "503"}) == {"replayed": 1}
    assert server.asked[-1].json == {"cause": "503"}


# --- the synchronous client -------------------------------------------------------------------------------------------


async def apart(call: Any) -> Any:
    """On a thread that has no event loop, as in a synchronous program."""
    return await asyncio.to_thread(call)


async def test_the_synchronous_client_does_the_same(server: Server) -> None:
    """Every method of it, with the same arguments and answers."""
    token = {"token": "eyJ", "expires_at": "2026-11-22T16:39:47.000Z"}

    def calls() -> None:
        with Heliograph(server.url, KEY) as heliograph:
            assert heliograph.send("anna", title="T") == Sent(id="ntf_anna")
            assert heliograph.send(["anna"], title="T").ids == ("ntf_anna",)
            assert [one.id for one in heliograph.send_many(news(2))] == ["ntf_u0", "ntf_u1"]
            answers = ({"id": "anna"}, {"id": "anna"}, token, {}, {}, {"x": 1}, SHOWN, {"events": []}, {"a": 1}, {}, {})
            server.replies = [json_answer(one) for one in answers]
            assert heliograph.users.put("anna", name="A").id == heliograph.users.get("anna").id == "anna"
            assert isinstance(heliograph.users.token("anna"), UserToken)
            assert heliograph.users.preferences("anna") == Preferences()
            assert heliograph.users.set_preferences("anna") == Preferences()
            assert heliograph.request("GET", "/v1/lanes") == {"x": 1}
            assert heliograph.notifications.get("ntf_1").id == "ntf_1"
            assert heliograph.notifications.timeline("ntf_1") == []
            assert heliograph.notifications.explain("ntf_1") == {"a": 1}
            heliograph.notifications.cancel("ntf_1")
            heliograph.users.delete("anna")
            server.replies = [problem(404, "not_found")]
            with pytest.raises(NotFound):
                heliograph.users.get("nobody")
        heliograph.close()
        with pytest.raises(RuntimeError, match="closed"):
            heliograph.send("anna", title="T")

    await apart(calls)
    assert [thread for thread in threading.enumerate() if thread.name == "heliograph-client"] == []


async def test_both_clients_have_the_same_methods() -> None:
    """Whoever changes from one to the other finds everything."""
    ours, theirs = Heliograph("http://x", KEY), AsyncHeliograph("http://x", KEY)
    for one, other in ((ours, theirs), (ours.users, theirs.users), (ours.notifications, theirs.notifications)):
        assert public(one) == public(other)


def public(one: object) -> set[str]:
    return {name for name in dir(one) if not name.startswith("_")}


async def test_threads_share_requests(server: Server) -> None:
    """What many threads send at the same time leaves together, and each gets its own answer."""
    go = asyncio.Event()

    async def slow(_: Any) -> web.Response:
        await go.wait()
        return web.json_response({"id": "ntf_first"}, status=202)

    server.replies = [slow]
    heliograph = Heliograph(server.url, KEY, connections=1)
    threads = ThreadPoolExecutor(21)
    sent = [threads.submit(heliograph.send, "first", title="T")]

    async def on_its_way() -> bool:
        return len(server.asked) == 1

    async def waiting() -> bool:
        return sum(map(len, heliograph._line._client._sends._lines)) == 20

    await eventually(on_its_way)
    sent += [threads.submit(heliograph.send, f"u{n}", title="T") for n in range(20)]
    await eventually(waiting)
    go.set()
    answers = [await asyncio.wrap_future(one) for one in sent]
    assert [one.id for one in answers] == ["ntf_first", *(f"ntf_u{n}" for n in range(20))]
    await apart(heliograph.close)
    threads.shutdown()
    assert len(server.asked) == 2


async def test_a_client_nobody_holds_any_more_ends_its_thread(server: Server) -> None:
    """Also one that was never closed."""

    def use() -> None:
        Heliograph(server.url, KEY).send("anna", title="T")
        gc.collect()

    await apart(use)
    assert [thread for thread in threading.enumerate() if thread.name == "heliograph-client"] == []


AFTER_FORK = """
import os, sys
from heliograph.client import Heliograph
heliograph = Heliograph(sys.argv[1], "hg_sk_secret")
print(heliograph.send("parent", title="T").id, flush=True)
idle = os.fork()  # a worker that never sends, and ends like any program
if idle:
    assert os.waitpid(idle, 0)[1] == 0
    child = os.fork()
    print(heliograph.send("child" if child == 0 else "again", title="T").id, flush=True)
    if child:
        assert os.waitpid(child, 0)[1] == 0
        print(heliograph.send("last", title="T").id, flush=True)
"""


async def test_a_fork_and_the_end_of_the_process(server: Server) -> None:
    """Workers that were forked from a process which had used the client disturb neither its connections nor each other;
    all end by themselves, and quietly."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", AFTER_FORK, server.url, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    printed, complaints = await process.communicate()
    assert (process.returncode, complaints.decode()) == (0, "")
    assert sorted(printed.decode().split()) == ["ntf_again", "ntf_child", "ntf_last", "ntf_parent"]
    assert len(server.asked) == 4  # nothing had to be tried again
