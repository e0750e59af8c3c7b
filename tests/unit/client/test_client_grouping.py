"""Natural batching of sends: who shares a request, who goes first, and who hears of what."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph import client
from heliograph.client.grouping import MAX_BYTES, Sends
from heliograph.client.shapes import Sent
from heliograph.client.transport import Answer
from tests.unit.client.conftest import Asked, accept


class Post:
    """Answers each request when it is let go, as Heliograph would."""

    def __init__(self, *, free: bool = False) -> None:
        self.asked: list[Asked] = []
        self.error: Exception | None = None
        self.under_way = self.most = 0
        self._go = asyncio.Semaphore(1_000_000 if free else 0)

    async def __call__(self, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        asked = Asked("POST", path, headers, body)
        self.asked.append(asked)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(0)
        await self._go.acquire()
        self.under_way -= 1
        if self.error:
            raise self.error
        answer = accept(asked)
        assert isinstance(answer.body, bytes)
        if answer.status >= 300:
            raise client.errors.error_of(answer.status, {}, answer.body)
        return Answer(answer.status, {}, answer.body)

    def go(self, count: int = 1) -> None:
        for _ in range(count):
            self._go.release()

    @property
    def to(self) -> list[list[Any]]:
        """Whom each request was for."""
        return [[one["to"] for one in sends_of(asked)] for asked in self.asked]


def sends_of(asked: Asked) -> list[dict[str, Any]]:
    assert asked.path == ("/v1/send/bulk" if isinstance(asked.json, list) else "/v1/send")
    return asked.json if isinstance(asked.json, list) else [asked.json]


async def turns(number: int = 5) -> None:
    """Lets everybody run who can."""
    for _ in range(number):
        await asyncio.sleep(0)


def messages(*users: str, **content: Any) -> list[dict[str, Any]]:
    return [{"to": user, "title": f"For {user}", **content} for user in users]


async def test_a_free_line_takes_a_send_at_once_and_the_rest_together() -> None:
    """What comes while one is under way leaves in one request, each with its own content and answered by its own id."""
    post = Post()
    sends = Sends(post, in_flight=1)
    first = sends.submit(messages("a"))
    await turns()
    others = [sends.submit(messages(user)) for user in ("b", "c", "d")]
    await turns()
    assert post.to == [["a"]]
    post.go(2)
    assert [await future for [future] in (first, *others)] == [Sent(id=f"ntf_{user}") for user in "abcd"]
    assert post.asked[1].json == messages("b", "c", "d")


@pytest.mark.parametrize(("in_flight", "to"), [(3, [["a"], ["b"], ["c"]]), (2, [["a", "b", "c"]])])
async def test_sends_of_the_same_moment_share_a_request_if_there_is_no_line_for_each(
    in_flight: int, to: list[list[str]]
) -> None:
    """By itself is quickest; more than there are lines get on board together."""
    post = Post(free=True)
    sends = Sends(post, in_flight)
    await asyncio.gather(*(future for user in "abc" for future in sends.submit(messages(user))))
    assert post.to == to


async def test_the_most_urgent_leaves_first() -> None:
    """Of what waits, whatever came first; types apart, so that the most urgent isn't held up by what shares its
    request. Alert is the default."""
    post = Post(free=True)
    sends = Sends(post, in_flight=1)
    made = [{"to": t, "title": "T", **({"type": t} if t != "default" else {})}
            for t in ("marketing", "default", "transactional", "alert", "nonsense")]  # fmt: skip
    await asyncio.gather(*sends.submit(made))
    assert post.to == [["transactional"], ["default", "alert", "nonsense"], ["marketing"]]


async def test_every_request_has_its_idempotency_key() -> None:
    """A new one in the header, unless the only send in it has its own; in a bulk, one's own stands inside."""
    post = Post(free=True)
    sends = Sends(post, in_flight=1)
    results = await asyncio.gather(*sends.submit([*messages("a", idempotency_key="order-1"), *messages("b", "c")]))
    [alone] = await asyncio.gather(*sends.submit(messages("d", idempotency_key="order-2")))
    await asyncio.gather(*sends.submit(messages("e")))
    bulk, own, made = post.asked
    assert [one.get("idempotency_key") for one in bulk.json] == ["order-1", None, None]
    assert [one.replayed for one in (*results, alone)] == [None, False, False, False]
    assert (own.headers, own.json["idempotency_key"]) == ({}, "order-2")
    assert "idempotency_key" not in made.json
    keys = [asked.headers["Idempotency-Key"] for asked in (bulk, made)]
    assert [len(key) for key in keys] == [36, 36]
    assert keys[0] != keys[1]


async def test_one_bad_recipient_does_not_stop_the_others() -> None:
    """Each hears of their own; one whose key belongs to another body is told apart."""
    post = Post(free=True)
    results = await asyncio.gather(*Sends(post, in_flight=2).submit(messages("a", "bad", "c")), return_exceptions=True)
    assert [type(one) for one in results] == [Sent, client.ValidationError, Sent]
    assert str(results[1]) == "invalid: to: No."
    assert len(post.asked) == 1
    refused = client.errors.refusal_of("idempotency_mismatch", "x")
    assert (type(refused), refused.status) == (client.IdempotencyMismatch, 422)


async def test_another_failure_is_everyones() -> None:
    """The request got no answer: nobody knows more than that."""
    post = Post(free=True)
    post.error = client.ConnectionFailed("gone", code="connection_failed")
    results = await asyncio.gather(*Sends(post, in_flight=1).submit(messages("a", "b")), return_exceptions=True)
    assert results == [post.error] * 2
    assert len(post.asked) == 1


@pytest.mark.parametrize(
    "answer",
    [
        {"ids": ["ntf_1"], "rejected": []},
        {"ids": ["ntf_1", None], "rejected": []},
        {"ids": ["ntf_1", "ntf_2"], "rejected": [{"index": 1, "code": "invalid", "detail": "x"}]},
        {"ids": ["ntf_1", "ntf_2"]},
    ],
)
async def test_an_answer_that_does_not_fit_is_an_error(answer: dict[str, Any]) -> None:
    """Never the id of somebody else."""

    async def post(path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        return Answer(202, {}, json.dumps(answer).encode())

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
    assert post.to == [["a"], ["c"]]
    assert sends.submit([]) == []
    await sends.settled()


async def test_what_cannot_be_json_stops_the_whole_call() -> None:
    """Before anything of it was sent."""
    post = Post(free=True)
    sends = Sends(post, in_flight=1)
    with pytest.raises(TypeError):
        sends.submit([*messages("a"), {"to": "b", "data": {"x": object()}}])
    await sends.settled()
    assert post.asked == []


async def test_large_groups_are_cut() -> None:
    """A thousand sends and 900 KiB at most; what is larger by itself goes alone."""
    post = Post(free=True)
    sends = Sends(post, in_flight=3)
    await asyncio.gather(*sends.submit(messages(*(f"u{n}" for n in range(2_500)))))
    assert [len(to) for to in post.to] == [1_000, 1_000, 500]
    assert post.most == 3
    post.asked.clear()
    heavy = [*messages(*(f"u{n}" for n in range(10)), body="b" * 200_000), *messages("large", body="b" * 1_000_000)]
    await asyncio.gather(*sends.submit(heavy))
    assert sorted(len(to) for to in post.to) == [1, 2, 4, 4]
    assert all(len(asked.body) <= MAX_BYTES + 2 for asked in post.asked if isinstance(asked.json, list))


USERS = st.sampled_from(["a", "b", "c", "bad"])
PLANS = st.lists(st.tuples(USERS, st.sampled_from(["alert", "marketing", "transactional"]), st.booleans()), max_size=30)


@settings(max_examples=150, deadline=None, database=None)
@given(PLANS, st.integers(1, 4))
def test_each_is_sent_once_and_answered_with_its_own(plan: list[tuple[str, str, bool]], in_flight: int) -> None:
    """Whatever shares a request with whom: nobody twice, nobody left out, nobody with another's id."""

    async def play() -> None:
        post = Post(free=True)
        made = [
            {"to": to, "title": f"{n}", "type": kind, **({"idempotency_key": f"k{n}"} if own else {})}
            for n, (to, kind, own) in enumerate(plan)
        ]
        results = await asyncio.gather(*Sends(post, in_flight).submit(made), return_exceptions=True)
        for (to, *_), result in zip(plan, results, strict=True):
            if to == "bad":
                assert isinstance(result, client.ValidationError)
            else:
                assert isinstance(result, Sent)
                assert result.id == f"ntf_{to}"
        taken = [one for asked in post.asked for one in sends_of(asked)]
        assert sorted(taken, key=lambda one: int(one["title"])) == made
        assert post.most <= in_flight

    asyncio.run(play())
