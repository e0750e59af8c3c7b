"""The control API: journal, faults, bad input; and the faults that are the same for every HTTP provider."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import httpx
import pytest

from heliograph.lab.faults import Fault
from heliograph.lab.inbox import Received
from heliograph.lab.server import Lab
from tests.support.eventually import eventually

KEY = {"Authorization": "Bearer SG.test"}


def mail(to: str = "bob@example.com") -> dict[str, Any]:
    return {
        "personalizations": [{"to": [{"email": to}]}],
        "from": {"email": "shop@example.com"},
        "subject": "Hello",
        "content": [{"type": "text/plain", "value": "Hi"}],
    }


async def send(api: httpx.AsyncClient, to: str = "bob@example.com") -> httpx.Response:
    return await api.post("/sendgrid/v3/mail/send", json=mail(to), headers=KEY)


async def messages(api: httpx.AsyncClient, **query: str) -> list[dict[str, Any]]:
    answer = await api.get("/lab/messages", params=query)
    assert answer.status_code == 200
    return list(answer.json()["messages"])


def next_record(lab: Lab) -> asyncio.Future[Received]:
    """Resolves with the next thing the journal records."""
    arrived: asyncio.Future[Received] = asyncio.get_running_loop().create_future()

    def note(record: Received) -> None:
        if not arrived.done():
            arrived.set_result(record)

    lab.inbox.on_received.append(note)
    return arrived


async def test_messages_are_listed_filtered_and_cleared(lab: Lab, api: httpx.AsyncClient) -> None:
    """provider=, to=, after=, limit= and total; DELETE forgets."""
    for to in ("a@example.com", "b@example.com", "A@example.com"):
        assert (await send(api, to)).status_code == 202
    assert [message["to"] for message in await messages(api)] == ["a@example.com", "b@example.com", "A@example.com"]
    mine = await messages(api, provider="sendgrid", to="a@example.com")
    assert [message["to"] for message in mine] == ["a@example.com", "A@example.com"]
    assert mine[0]["at"] <= mine[1]["at"]
    assert await messages(api, provider="smtp") == []
    assert await messages(api, provider="", to="") == await messages(api)
    assert [message["id"] for message in await messages(api, after=mine[0]["id"], to="a@example.com")] == [
        mine[1]["id"]
    ]
    first = (await api.get("/lab/messages?limit=1")).json()
    assert (len(first["messages"]), first["total"]) == (1, 3)
    assert (await api.delete("/lab/messages")).status_code == 204
    assert await messages(api, all="true") == []


async def test_a_long_list_is_complete_and_in_order(lab: Lab, api: httpx.AsyncClient) -> None:
    """Long lists are made in a thread; they must read the same."""
    document = mail()
    document["personalizations"] = [{"to": [{"email": f"u{n}@example.com"}]} for n in range(100)]
    assert (await api.post("/sendgrid/v3/mail/send", json=document, headers=KEY)).status_code == 202
    assert [message["to"] for message in await messages(api)] == [f"u{n}@example.com" for n in range(100)]
    (one,) = await messages(api, to="u7@example.com")
    assert one["payload"]["personalizations"] == [{"to": [{"email": "u7@example.com"}]}]


@pytest.mark.parametrize("query", ["colour=red", "provider=pigeon", "all=yes", "after=x", "limit=-1"])
async def test_an_unknown_query_is_refused(lab: Lab, api: httpx.AsyncClient, query: str) -> None:
    """422 problem+json naming the parameter, not an empty list that looks like an answer."""
    answer = await api.get(f"/lab/messages?{query}")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"][0]["path"] == query.partition("=")[0]


async def test_faults_are_set_shown_and_replaced_as_a_whole(lab: Lab, api: httpx.AsyncClient) -> None:
    """PUT answers the effective fault, GET shows it, the next PUT leaves nothing of it."""
    put = await api.put("/lab/faults/fcm", json={"mode": "error", "tokens": {"t": "unregistered"}})
    assert put.status_code == 200
    assert (put.json()["mode"], put.json()["status"], put.json()["tokens"]) == ("error", 500, {"t": "unregistered"})
    assert (await api.get("/lab/faults/fcm")).json() == put.json()
    await api.put("/lab/faults/fcm", json={"mode": "ok"})
    shown = (await api.get("/lab/faults")).json()
    assert shown["fcm"] == shown["smtp"]


@pytest.mark.parametrize(
    ("body", "status", "path"),
    [
        ('{"mode": "explode"}', 422, "mode"),
        ('{"mode": "ok", "color": "red"}', 422, ""),
        ('{"mode": "throttle"}', 422, "rate_per_s"),
        ('{"tokens": {"t": "nonsense"}}', 422, "tokens.t"),
        ("{", 400, None),
        ("", 400, None),
    ],
)
async def test_a_bad_fault_is_refused_and_changes_nothing(
    lab: Lab, api: httpx.AsyncClient, body: str, status: int, path: str | None
) -> None:
    """problem+json with the path of the error; the fault in force stays."""
    before = (await api.put("/lab/faults/fcm", json={"mode": "error", "status": 503})).json()
    answer = await api.put("/lab/faults/fcm", content=body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert [error["path"] for error in answer.json()["errors"]] == ([] if path is None else [path])
    assert (await api.get("/lab/faults/fcm")).json() == before


async def test_unknown_providers_and_paths_are_404(lab: Lab, api: httpx.AsyncClient) -> None:
    """As problem+json, naming the providers there are."""
    for answer in (await api.put("/lab/faults/pigeon", json={}), await api.get("/lab/nothing")):
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"


async def test_down_closes_the_connection_without_an_answer(lab: Lab, api: httpx.AsyncClient) -> None:
    """No bytes come back; the attempt is on record, not accepted, status 0; other providers still answer."""
    await api.put("/lab/faults/sendgrid", json={"mode": "down"})
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        await send(api)
    assert await messages(api) == []
    (attempt,) = await messages(api, all="true")
    assert (attempt["accepted"], attempt["status"], attempt["to"]) == (False, 0, "bob@example.com")
    assert (await api.post("/oauth2/token", data={})).status_code == 400
    await api.put("/lab/faults/sendgrid", json={"mode": "ok"})
    assert (await send(api)).status_code == 202


async def test_hang_never_answers_until_the_fault_is_cleared(lab: Lab, api: httpx.AsyncClient) -> None:
    """The call is on record and open; clearing the fault closes it, still without an answer."""
    await api.put("/lab/faults/sendgrid", json={"mode": "hang"})
    arrived = next_record(lab)
    call = asyncio.create_task(send(api))
    assert (await arrived).status == 0
    assert (await api.get("/lab/faults/sendgrid")).json()["mode"] == "hang"
    assert not call.done()
    await api.put("/lab/faults/sendgrid", json={"mode": "ok"})
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        await call
    assert (await send(api)).status_code == 202


async def test_a_client_that_gives_up_on_a_hanging_call_frees_it(lab: Lab, api: httpx.AsyncClient) -> None:
    """The client's time-out ends the wait on both sides; the lab answers the next call when it is well again."""
    await api.put("/lab/faults/sendgrid", json={"mode": "hang"})
    async with httpx.AsyncClient(base_url=lab.base_url, timeout=0.2) as impatient:
        with pytest.raises(httpx.ReadTimeout):
            await send(impatient)

    async def freed() -> bool:
        """No call of the lab's HTTP server is open any more, although the fault still hangs."""
        return not lab._http.server_state.tasks if lab._http else False

    assert await eventually(freed)
    await api.put("/lab/faults/sendgrid", json={"mode": "ok"})
    assert (await send(api)).status_code == 202
    assert [message["status"] for message in await messages(api, all="true")] == [0, 202]


async def test_stopping_the_lab_frees_what_hangs_or_waits() -> None:
    """stop() returns although one call hangs and another one waits out a latency of minutes."""
    lab = Lab()
    await lab.start()
    lab.set_fault("sendgrid", Fault(mode="hang"))
    lab.set_fault("oauth2", Fault(latency_ms=600_000))
    async with httpx.AsyncClient(base_url=lab.base_url, timeout=60) as client:
        arrived = next_record(lab)
        hanging = asyncio.create_task(send(client))
        await arrived
        arrived = next_record(lab)
        waiting = asyncio.create_task(client.post("/oauth2/token", data={}))
        await arrived
        await lab.stop()
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            await hanging
        assert (await waiting).status_code == 400


async def test_latency_delays_the_answer_not_the_work(lab: Lab, api: httpx.AsyncClient) -> None:
    """A client that times out on a slow provider has still sent its mail: the ambiguous case."""
    await api.put("/lab/faults/sendgrid", json={"mode": "ok", "latency_ms": 600_000})
    async with httpx.AsyncClient(base_url=lab.base_url, timeout=0.2) as impatient:
        with pytest.raises(httpx.ReadTimeout):
            await send(impatient)
    (message,) = await messages(api)
    assert (message["accepted"], message["status"]) == (True, 202)


async def test_flaky_fails_some_calls_with_the_status(lab: Lab, api: httpx.AsyncClient) -> None:
    """fraction 1 fails all, 0 none, one half some."""
    for fraction, expected in ((1, {502}), (0, {202}), (0.5, {202, 502})):
        await api.put("/lab/faults/sendgrid", json={"mode": "flaky", "fraction": fraction, "status": 502})
        assert {(await send(api)).status_code for _ in range(16)} == expected


async def test_a_lost_answer_is_an_accepted_message(lab: Lab, api: httpx.AsyncClient) -> None:
    """The connection ends without an answer, but the mail was taken: a retry would be a duplicate."""
    await api.put("/lab/faults/sendgrid", json={"tokens": {"bob@example.com": "once:lost_answer"}})
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        await send(api)
    assert (await send(api)).status_code == 202
    assert [(message["accepted"], message["status"]) for message in await messages(api)] == [(True, 0), (True, 202)]


def free_pair() -> int:
    """A port that is free together with the next one."""
    while True:
        with socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", 0))
            port = int(one.getsockname()[1])
            try:
                other.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


async def test_a_given_port_is_http_and_the_next_one_smtp() -> None:
    """`--port P`: HTTP on P, SMTP on P + 1; run() ends, and frees both, when it is told to stop."""
    port, lab, stop = free_pair(), Lab(), asyncio.Event()
    running = asyncio.create_task(lab.run(stop, port))
    await lab.listening.wait()
    assert (lab.base_url, lab.smtp_url) == (f"http://127.0.0.1:{port}", f"smtp://127.0.0.1:{port + 1}")
    stop.set()
    await running
    for closed in (port, port + 1):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", closed))


async def test_a_taken_port_is_an_error_and_leaves_nothing_open(lab: Lab) -> None:
    """Whether HTTP's or SMTP's: OSError, and the other port is free again."""
    other = Lab()
    with pytest.raises(OSError, match="in use"):
        await other.start(lab.port)
    with pytest.raises(OSError, match="in use"):
        await other.start(0, lab.smtp_port)
