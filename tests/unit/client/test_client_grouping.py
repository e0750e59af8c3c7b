"""Natural batching of sends: who shares a request, who goes first, and who hears of what."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph import client
from heliograph.client.errors import ValidationError
from heliograph.client.grouping import MAX_BYTES, Sends
from heliograph.client.shapes import Sent
from heliograph.client.transport import Answer


class Post:
    """Answers each request when it is let go; refuses bodies that name somebody who must not be written to."""

    def __init__(self, *, free: bool = False) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.sizes: list[int] = []
        self.error: Exception | None = None
        self.under_way = self.most = 0
        self._go = asyncio.Semaphore(1_000_000 if free else 0)

    async def __call__(self, body: bytes) -> Answer:
        self.sizes.append(len(body))
        self.bodies.append(json.loads(body))
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(0)
        await self._go.acquire()
        self.under_way -= 1
        to = json.loads(body)["to"]
        if self.error:
            raise self.error
        if "bad" in to:
            raise ValidationError("No.", code="invalid", status=422)
        ids = {"batch_id": "b", "accepted": len(to), "ids": [f"ntf_{one}" for one in to]}
        return Answer(202, {}, json.dumps(ids if isinstance(to, list) else {"id": f"ntf_{to}"}).encode())

    def go(self, count: int = 1) -> None:
        for _ in range(count):
            self._go.release()

    @property
    def to(self) -> list[Any]:
        return [body["to"] for body in self.bodies]


async def turns(number: int = 5) -> None:
    """Lets everybody run who can."""
    for _ in range(number):
        await asyncio.sleep(0)


def messages(*users: str, **content: Any) -> list[dict[str, Any]]:
    return [{"to": user, "title": "T", **content} for user in users]


async def test_a_free_line_takes_a_send_at_once_and_the_rest_together() -> None:
    """What comes while one is under way leaves in one request; everyone gets the id of their own."""
    post = Post()
    sends = Sends(post, in_flight=1)
    first = sends.submit(messages("a"))
    await turns()
    others = [sends.submit(messages(user)) for user in ("b", "c", "d")]
    await turns()
    assert post.to == ["a"]
    post.go(2)
    assert [await future for [future] in (first, *others)] == [Sent(id=f"ntf_{user}") for user in "abcd"]
    assert post.to == ["a", ["b", "c", "d"]]


async def test_sends_of_the_same_moment_share_the_first_request() -> None:
    """Whoever is ready gets on board, however many lines are free."""
    post = Post(free=True)
    sends = Sends(post, in_flight=4)
    await asyncio.gather(*(future for user in "abc" for future in sends.submit(messages(user))))
    assert post.to == [["a", "b", "c"]]


async def test_only_equal_contents_share() -> None:
    """The order of the fields makes no difference; a field more does."""
    post = Post(free=True)
    sends = Sends(post, in_flight=1)
    made = [
        {"to": "a", "title": "T", "data": {"x": 1, "y": 2}}, {"to": "b", "title": "T"},
        {"data": {"y": 2, "x": 1}, "title": "T", "to": "c"}, {"to": "d", "title": "T", "badge": 1},
    ]  # fmt: skip
    await asyncio.gather(*sends.submit(made))
    assert post.to == [["a", "c"], "b", "d"]
    contents = [{k: v for k, v in body.items() if k not in ("to", "idempotency_key")} for body in post.bodies]
    assert contents == [{"title": "T", "data": {"x": 1, "y": 2}}, {"title": "T"}, {"title": "T", "badge": 1}]


async def test_the_most_urgent_leaves_first() -> None:
    """Of what waits, whatever came first; alert is the default."""
    post = Post(free=True)
    sends = Sends(post, in_flight=1)
    made = [{"to": t, "title": "T", **({"type": t} if t != "default" else {})}
            for t in ("marketing", "default", "transactional", "alert", "nonsense")]  # fmt: skip
    await asyncio.gather(*sends.submit(made))
    assert post.to == ["transactional", "default", "alert", "nonsense", "marketing"]


async def test_every_request_has_its_idempotency_key() -> None:
    """A new one, or the caller's; one's own key is never shared."""
    post = Post(free=True)
    sends = Sends(post, in_flight=1)
    own = messages("a", "b", idempotency_key="order-1")
    await asyncio.gather(*sends.submit([*own, *messages("c", "d"), *messages("e", title="other")]))
    assert post.to == ["a", "b", ["c", "d"], "e"]
    keys = [body["idempotency_key"] for body in post.bodies]
    assert keys[:2] == ["order-1", "order-1"]
    assert len(set(keys)) == 3
    assert all(len(key) == 36 for key in keys[2:])


async def test_one_bad_recipient_does_not_stop_the_others() -> None:
    """What a group is refused for is asked again one by one: each hears of their own."""
    post = Post(free=True)
    sends = Sends(post, in_flight=2)
    results = await asyncio.gather(*sends.submit(messages("a", "bad", "c")), return_exceptions=True)
    assert [type(one) for one in results] == [Sent, ValidationError, Sent]
    assert post.to == [["a", "bad", "c"], "a", "bad", "c"]
    assert len({body["idempotency_key"] for body in post.bodies}) == 4


async def test_another_failure_is_everyones() -> None:
    """The request got no answer: nobody knows more than that."""
    post = Post(free=True)
    post.error = client.ConnectionFailed("gone", code="connection_failed")
    results = await asyncio.gather(*Sends(post, in_flight=1).submit(messages("a", "b")), return_exceptions=True)
    assert results == [post.error] * 2
    assert len(post.bodies) == 1


async def test_an_answer_that_does_not_fit_is_an_error() -> None:
    """Never the id of somebody else."""

    async def post(_: bytes) -> Answer:
        return Answer(202, {}, b'{"batch_id":"b","accepted":1,"ids":["ntf_1"]}')

    results = await asyncio.gather(*Sends(post, in_flight=1).submit(messages("a", "b")), return_exceptions=True)
    assert [type(one) for one in results] == [client.ServerError] * 2


async def test_who_gives_up_before_it_leaves_is_not_written_to() -> None:
    """And whoever gives up later disturbs nobody."""
    post = Post()
    sends = Sends(post, in_flight=1)
    [first] = sends.submit(messages("a"))
    await turns()
    second, third = sends.submit(messages("b", "c"))
    second.cancel()
    first.cancel()
    post.go(2)
    assert await third == Sent(id="ntf_c")
    assert post.to == ["a", "c"]
    assert sends.submit([]) == []
    await sends.settled()


async def test_what_cannot_be_json_stops_the_whole_call() -> None:
    """Before anything of it was sent."""
    post = Post(free=True)
    sends = Sends(post, in_flight=1)
    with pytest.raises(TypeError):
        sends.submit([*messages("a"), {"to": "b", "data": {"x": object()}}])
    with pytest.raises(KeyError):
        sends.submit([*messages("a"), {"title": "for nobody"}])
    await sends.settled()
    assert post.bodies == []


async def test_large_groups_are_cut() -> None:
    """A thousand recipients and two hundred KiB at most; what is larger by itself goes alone."""
    post = Post(free=True)
    sends = Sends(post, in_flight=3)
    await asyncio.gather(*sends.submit(messages(*(f"u{n}" for n in range(2_500)))))
    assert [len(to) for to in post.to] == [1_000, 1_000, 500]
    assert post.most == 3
    post.bodies.clear()
    post.sizes.clear()
    heavy = [{"to": f"u{n}" + "x" * 50_000, "body": "b" * 20_000} for n in range(10)] + [{"to": "y" * 300_000}]
    await asyncio.gather(*sends.submit(heavy))
    assert sum(len(to) if isinstance(to, list) else 1 for to in post.to) == 11
    assert all(size <= MAX_BYTES + 100 for size, to in zip(post.sizes, post.to, strict=True) if isinstance(to, list))


USERS = st.sampled_from(["a", "b", "c", "bad"])
PLANS = st.lists(
    st.tuples(USERS, st.sampled_from(["T", "U"]), st.sampled_from(["alert", "marketing"]), st.booleans()), max_size=30
)


@settings(max_examples=150, deadline=None, database=None)
@given(PLANS, st.integers(1, 4))
def test_each_is_sent_once_and_answered_with_its_own(plan: list[tuple[str, str, str, bool]], in_flight: int) -> None:
    """Whatever shares a request with whom: nobody twice, nobody left out, nobody with another's id."""

    async def play() -> None:
        post = Post(free=True)
        made = [
            {"to": to, "title": title, "type": kind, **({"idempotency_key": f"k{n}"} if own else {})}
            for n, (to, title, kind, own) in enumerate(plan)
        ]
        results = await asyncio.gather(*Sends(post, in_flight).submit(made), return_exceptions=True)
        for (to, *_), result in zip(plan, results, strict=True):
            assert (isinstance(result, ValidationError)) if to == "bad" else (result == Sent(id=f"ntf_{to}"))
        accepted = [body for body in post.bodies if "bad" not in body["to"]]
        taken = sorted((to, body["title"]) for body in accepted for to in listed(body["to"]))
        assert taken == sorted((to, title) for to, title, _, _ in plan if to != "bad")
        assert post.most <= in_flight

    asyncio.run(play())


def listed(to: str | list[str]) -> list[str]:
    return [to] if isinstance(to, str) else to
