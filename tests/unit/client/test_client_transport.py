"""One call: tried again where that helps, never longer than asked for, and always the same request."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph import client
from heliograph.client.errors import HeliographError
from heliograph.client.transport import Answer, Transport, wait_before_next
from tests.unit.client.conftest import Server, problem

KEY = "hg_sk_secret"


class Patient(Transport):
    """Its waits take no time and are written down; it always draws the longest."""

    def __init__(self, url: str, retry_for_s: float = 10.0, timeout_s: float = 5.0) -> None:
        self.waits: list[float] = []
        self.now = 0.0

        async def sleep(seconds: float) -> None:
            self.waits.append(seconds)
            self.now += seconds

        super().__init__(
            url, KEY, timeout_s=timeout_s, retry_for_s=retry_for_s, connections=2, draw=lambda: 1.0,
            clock=lambda: self.now, sleep=sleep,
        )  # fmt: skip

    async def fails(self, kind: type[HeliographError]) -> HeliographError:
        with pytest.raises(kind) as failure:
            await self.call("POST", "/v1/send", b'{"to":"anna"}')
        await self.close()
        return failure.value


async def test_a_call_is_made_once_if_it_is_answered(server: Server) -> None:
    """With the key and the type of its body, to the very path."""
    transport = Patient(server.url + "/")
    answer = await transport.call("POST", "/v1/send?a=%2F", b'{"to":"anna"}')
    await transport.close()
    assert (answer.status, answer.read(dict[str, str])["id"]) == (202, "ntf_anna")
    (asked,) = server.asked
    assert (asked.method, asked.path, asked.body) == ("POST", "/v1/send?a=%2F", b'{"to":"anna"}')
    assert asked.headers["Authorization"] == f"Bearer {KEY}"
    assert asked.headers["Content-Type"] == "application/json"
    assert transport.waits == []


async def test_overload_quota_and_silence_are_tried_again(server: Server) -> None:
    """With growing waits, never shorter than the server asked for; each time with the same bytes."""
    server.replies = [
        problem(503, "overloaded", Retry_After="1"), problem(429, "rate_limited", Retry_After="2"), None,
        web.Response(status=502, text="Bad Gateway"), problem(409, "already_left", Retry_After="1"),
    ]  # fmt: skip
    transport = Patient(server.url, retry_for_s=60)
    assert (await transport.call("POST", "/v1/send", b'{"to":"anna"}')).status == 202
    await transport.close()
    assert transport.waits == [1 + 0.2, 2 + 0.4, 0.8, 1.6, 1 + 3.2]
    assert {asked.body for asked in server.asked} == {b'{"to":"anna"}'}
    assert len(server.asked) == 6


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (problem(422, "invalid", "title"), client.ValidationError), (problem(401, "unauthorized"), client.Unauthorized),
        (problem(404, "not_found"), client.NotFound), (problem(409, "already_left"), client.Conflict),
        (problem(500, "internal"), client.ServerError), (problem(413, "too_large"), client.ValidationError),
    ],
)  # fmt: skip
async def test_what_would_be_refused_again_is_not_tried_again(
    server: Server, answer: web.Response, kind: type[HeliographError]
) -> None:
    """One request, and the caller hears at once."""
    server.replies = [answer]
    error = await Patient(server.url).fails(kind)
    assert (len(server.asked), error.tries) == (1, 1)


async def test_trying_again_has_an_end(server: Server) -> None:
    """Before a wait that would take too long, the caller gets the last answer, with what the server asked for."""
    server.replies = [problem(503, "overloaded") for _ in range(50)]
    transport = Patient(server.url, retry_for_s=10)
    error = await transport.fails(client.Overloaded)
    assert sum(transport.waits) <= 10
    assert error.tries == len(server.asked) == len(transport.waits) + 1 > 4
    server.replies = [problem(503, "overloaded", Retry_After="3600")]
    impatient = Patient(server.url, retry_for_s=10)
    assert (await impatient.fails(client.Overloaded)).retry_after_s == 3600
    assert impatient.waits == []


async def test_trying_once_is_possible(server: Server) -> None:
    """`retry_for_s=0`."""
    server.replies = [None]
    await Patient(server.url, retry_for_s=0).fails(client.ConnectionFailed)
    assert len(server.asked) == 1


async def test_nobody_listens(server: Server) -> None:
    """It is tried again, and then said with the address and without the key."""
    await server.stop()
    transport = Patient(server.url, retry_for_s=1)
    error = await transport.fails(client.ConnectionFailed)
    await server.start()
    assert (error.code, error.status, error.tries > 2) == ("connection_failed", 0, True)
    assert transport._url in str(error)
    assert KEY not in str(error)


async def test_an_answer_that_does_not_come(server: Server) -> None:
    """Within the time for one request: given up, as if there were no connection."""
    never = asyncio.Event()

    async def hang(_: Any) -> web.Response:
        await never.wait()
        return web.Response()

    server.replies = [hang]
    error = await Patient(server.url, retry_for_s=0, timeout_s=0.05).fails(client.ConnectionFailed)
    assert "TimeoutError" in error.detail
    never.set()


async def test_a_redirect_is_not_followed(server: Server) -> None:
    """The key must not go elsewhere, and a POST must not become a GET."""
    server.replies = [web.Response(status=303, headers={"Location": f"{server.url}/elsewhere"})]
    error = await Patient(server.url).fails(client.ServerError)
    assert (error.code, len(server.asked)) == ("http_303", 1)


async def test_more_calls_than_connections_wait_their_turn(server: Server) -> None:
    """However long the turn takes, it is no time-out of theirs."""
    under_way, most = 0, 0

    async def slow(_: Any) -> web.Response:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.02)
        under_way -= 1
        return web.json_response({})

    server.replies = [slow for _ in range(30)]
    transport = Patient(server.url, timeout_s=0.2)
    answers = await asyncio.gather(*(transport.call("GET", "/v1/x") for _ in range(30)))
    await transport.close()
    assert ({answer.status for answer in answers}, most) == ({200}, 2)


@pytest.mark.parametrize("url", ["", "localhost:8080", "ftp://x", "http://", "/v1"])
async def test_what_is_no_url(url: str) -> None:
    """Said when the client is made."""
    with pytest.raises(ValueError, match="URL"):
        Transport(url, KEY, timeout_s=1, retry_for_s=1, connections=1)


@pytest.mark.parametrize("key", ["", "hg_sk_\n", "hg sk é"])
async def test_what_is_no_key(key: str) -> None:
    """Said when the client is made, and never shown."""
    with pytest.raises(ValueError, match=r"not a server key$"):
        Transport("http://x", key, timeout_s=1, retry_for_s=1, connections=1)


def test_an_unreadable_success_is_an_error() -> None:
    """Something that isn't Heliograph answers 200 to everything."""
    for body in (b"<html>", b"", b"[]", b"\xff"):
        with pytest.raises(client.ServerError, match="unreadable"):
            Answer(200, {}, body).read(client.Sent)


@settings(max_examples=200, deadline=None, database=None)
@given(st.integers(1, 10_000), st.none() | st.floats(0, 1e6), st.floats(0, 1, exclude_max=True))
def test_a_wait_is_jitter_on_top_of_what_was_asked_for(tries: int, asked_s: float | None, drawn: float) -> None:
    """Full jitter below a ceiling that doubles up to five seconds."""
    error = client.Overloaded("", status=503, retry_after_s=asked_s)
    wait_s = wait_before_next(error, tries, lambda: drawn)
    assert wait_s is not None
    assert (asked_s or 0) <= wait_s <= (asked_s or 0) + min(5.0, 0.1 * 2.0 ** min(tries, 40))
