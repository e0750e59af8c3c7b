"""A plain `smtplib` client against the lab's SMTP relay."""

from __future__ import annotations

import asyncio
import contextlib
import smtplib
import socket
from collections.abc import Callable
from email.message import EmailMessage
from functools import partial
from typing import Any, TypeVar

import httpx
import pytest

from heliograph.lab.inbox import Received
from heliograph.lab.server import Lab

T = TypeVar("T")
SENDER = "shop@example.com"


def letter(to: str = "bob@example.com") -> EmailMessage:
    message = EmailMessage()
    message["From"] = f"Shöp <{SENDER}>"
    message["To"] = to
    message["Subject"] = "Ünïcode ✓ " + "long " * 30
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message.set_content("Hi **Bob** 🎉\n.dots\n..stay\n")
    message.add_alternative("<p>Hi <b>Bob</b> 🎉</p>\n", subtype="html")
    return message


async def session(lab: Lab, work: Callable[[smtplib.SMTP], T]) -> T:
    """Run `work` with a connected client, in a thread."""

    def run() -> T:
        with smtplib.SMTP("127.0.0.1", lab.smtp_port, timeout=30) as client:
            return work(client)

    return await asyncio.to_thread(run)


async def rest(reader: asyncio.StreamReader) -> bytes:
    """What still comes until the connection ends, however it ends."""
    received = bytearray()
    with contextlib.suppress(ConnectionResetError):
        while piece := await reader.read(100):
            received += piece
    return bytes(received)


async def send(lab: Lab, *to: str) -> dict[str, tuple[int, bytes]]:
    return await session(lab, lambda client: client.send_message(letter(), SENDER, to or ("bob@example.com",)))


async def messages(api: httpx.AsyncClient, **query: str) -> list[dict[str, Any]]:
    return list((await api.get("/lab/messages", params={"provider": "smtp", **query})).json()["messages"])


async def test_a_mail_arrives_as_it_was_written(lab: Lab, api: httpx.AsyncClient) -> None:
    """Subject, both texts and headers decoded, the raw text kept; dots unstuffed."""
    assert await send(lab) == {}
    (message,) = await messages(api)
    assert (message["to"], message["title"]) == ("bob@example.com", ("Ünïcode ✓ " + "long " * 30))
    assert (message["body"], message["html"]) == ("Hi **Bob** 🎉\n.dots\n..stay\n", "<p>Hi <b>Bob</b> 🎉</p>\n")
    assert message["headers"]["From"] == f"Shöp <{SENDER}>"
    assert message["headers"]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert "Content-Type: multipart/alternative" in message["payload"]
    assert (message["accepted"], message["status"]) == (True, 250)


async def test_each_recipient_is_a_record_and_a_connection_carries_many_mails(lab: Lab, api: httpx.AsyncClient) -> None:
    """One queue id per mail, one record per recipient."""

    def work(client: smtplib.SMTP) -> None:
        client.send_message(letter(), SENDER, ["a@example.com", "b@example.com"])
        client.send_message(letter(), SENDER, ["c@example.com"])

    await session(lab, work)
    found = await messages(api)
    assert [message["to"] for message in found] == ["a@example.com", "b@example.com", "c@example.com"]
    assert found[0]["provider_id"] == found[1]["provider_id"] != found[2]["provider_id"]


async def test_extensions_are_announced(lab: Lab) -> None:
    """What a sender may rely on: AUTH, SIZE, PIPELINING, 8BITMIME, SMTPUTF8, enhanced status codes."""

    def work(client: smtplib.SMTP) -> dict[str, str]:
        client.ehlo()
        return dict(client.esmtp_features)

    announced = await session(lab, work)
    assert {"auth", "size", "pipelining", "8bitmime", "smtputf8", "enhancedstatuscodes"} <= set(announced)


async def test_any_login_and_none_is_fine_by_default(lab: Lab, api: httpx.AsyncClient) -> None:
    """AUTH is offered and takes everything."""
    await session(lab, lambda client: client.login("anyone", "anything"))
    assert await send(lab) == {}


async def test_a_configured_login_is_required() -> None:
    """530 without, 535 with a wrong one, then the right one works."""
    lab = Lab(smtp_login=("user", "secret"))
    await lab.start()
    with pytest.raises(smtplib.SMTPSenderRefused) as missing:
        await send(lab)
    assert missing.value.smtp_code == 530
    with pytest.raises(smtplib.SMTPAuthenticationError) as wrong:
        await session(lab, lambda client: client.login("user", "guess"))
    assert wrong.value.smtp_code == 535

    def work(client: smtplib.SMTP) -> Any:
        client.login("user", "secret")
        return client.send_message(letter(), SENDER, ["bob@example.com"])

    assert await session(lab, work) == {}
    await lab.stop()


@pytest.mark.parametrize(
    ("word", "code", "enhanced"),
    [
        ("bounce", 550, b"5.1.1"),
        ("blocked", 554, b"5.7.1"),
        ("full", 452, b"4.2.2"),
        ("busy", 450, b"4.2.1"),
        ("greylist", 451, b"4.7.1"),
        ("too_large", 552, b"5.3.4"),
        ("moved", 551, b"5.1.6"),
    ],
)
async def test_one_address_can_be_refused_while_others_get_the_mail(
    lab: Lab, api: httpx.AsyncClient, word: str, code: int, enhanced: bytes
) -> None:
    """The reply to RCPT TO carries the code; the refusal is on record."""
    await api.put("/lab/faults/smtp", json={"tokens": {"bad@example.com": word}})
    refused = await send(lab, "Bad@example.com", "good@example.com")
    assert refused["Bad@example.com"][0] == code
    assert refused["Bad@example.com"][1].startswith(enhanced)
    assert [message["to"] for message in await messages(api)] == ["good@example.com"]
    assert [message["status"] for message in await messages(api, all="true")] == [code, 250]


async def test_greylisting_takes_the_second_attempt(lab: Lab, api: httpx.AsyncClient) -> None:
    """451 once, then 250."""
    await api.put("/lab/faults/smtp", json={"tokens": {"bob@example.com": "greylist"}})
    with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        await send(lab)
    assert refused.value.recipients["bob@example.com"][0] == 451
    assert await send(lab) == {}


async def test_421_ends_the_connection(lab: Lab, api: httpx.AsyncClient) -> None:
    """Reply, then close: the sender needs a new connection."""
    await api.put("/lab/faults/smtp", json={"tokens": {"bob@example.com": "once:closing"}})

    def work(client: smtplib.SMTP) -> tuple[int, bytes]:
        client.ehlo()
        client.mail(SENDER)
        code = client.rcpt("bob@example.com")[0]
        with pytest.raises(smtplib.SMTPServerDisconnected):
            client.noop()
        return code, b""

    assert (await session(lab, work))[0] == 421
    assert await send(lab) == {}


async def test_a_lost_answer_is_an_accepted_mail(lab: Lab, api: httpx.AsyncClient) -> None:
    """The connection ends between the final dot and the reply; the mail was taken."""
    await api.put("/lab/faults/smtp", json={"tokens": {"bob@example.com": "lost_answer"}})
    with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionResetError)):
        await send(lab)
    (message,) = await messages(api)
    assert (message["accepted"], message["status"]) == (True, 0)


@pytest.mark.parametrize(("status", "code"), [(None, 451), (452, 452), (550, 550), (554, 554), (599, 599)])
async def test_mode_error_answers_the_final_dot(
    lab: Lab, api: httpx.AsyncClient, status: int | None, code: int
) -> None:
    """The mail is on record with its content, not accepted."""
    await api.put("/lab/faults/smtp", json={"mode": "error", "status": status})
    with pytest.raises(smtplib.SMTPDataError) as refused:
        await send(lab)
    assert refused.value.smtp_code == code
    (message,) = await messages(api, all="true")
    assert (message["accepted"], message["status"]) == (False, code)
    assert message["title"].startswith("Ünïcode")


async def test_mode_error_535_answers_the_login(lab: Lab, api: httpx.AsyncClient) -> None:
    """Codes about credentials come where credentials are presented."""
    await api.put("/lab/faults/smtp", json={"mode": "error", "status": 535})
    with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
        await session(lab, lambda client: client.login("user", "secret"))
    assert refused.value.smtp_code == 535


async def test_throttle_is_a_451_with_4_7_1(lab: Lab, api: httpx.AsyncClient) -> None:
    """The first mail passes, the next one is told to slow down."""
    await api.put("/lab/faults/smtp", json={"mode": "throttle", "rate_per_s": 0.001})
    assert await send(lab) == {}
    with pytest.raises(smtplib.SMTPDataError) as refused:
        await send(lab)
    assert refused.value.smtp_code == 451
    assert str(refused.value.smtp_error).startswith("b'4.7.1")


async def test_flaky_fails_some_mails(lab: Lab, api: httpx.AsyncClient) -> None:
    """About half get the status, the rest are taken."""
    await api.put("/lab/faults/smtp", json={"mode": "flaky", "fraction": 0.5, "status": 451})
    outcomes = set()
    for _ in range(16):
        try:
            await send(lab)
            outcomes.add(250)
        except smtplib.SMTPDataError as error:
            outcomes.add(error.smtp_code)
    assert outcomes == {250, 451}


async def test_down_gives_no_banner_and_cuts_open_connections(lab: Lab, api: httpx.AsyncClient) -> None:
    """New connections are closed at once, old ones too; afterwards everything works again."""
    reader, writer = await asyncio.open_connection("127.0.0.1", lab.smtp_port)
    assert (await reader.readline()).startswith(b"220 ")
    await api.put("/lab/faults/smtp", json={"mode": "down"})
    with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionResetError)):
        await send(lab)
    assert await rest(reader) == b""
    writer.close()
    await api.put("/lab/faults/smtp", json={"mode": "ok"})
    assert await send(lab) == {}


async def test_hang_accepts_the_connection_and_says_nothing(lab: Lab, api: httpx.AsyncClient) -> None:
    """No banner until the fault is cleared; then the connection ends without one."""
    await api.put("/lab/faults/smtp", json={"mode": "hang"})
    with pytest.raises(TimeoutError), socket.create_connection(("127.0.0.1", lab.smtp_port), timeout=0.2) as patient:
        patient.recv(1)
    reader, writer = await asyncio.open_connection("127.0.0.1", lab.smtp_port)
    banner = asyncio.create_task(rest(reader))
    assert (await api.get("/lab/faults/smtp")).json()["mode"] == "hang"
    assert not banner.done()
    await api.put("/lab/faults/smtp", json={"mode": "ok"})
    assert await banner == b""
    writer.close()


async def test_a_relay_that_begins_to_hang_keeps_the_reply_to_the_mail_back(lab: Lab, api: httpx.AsyncClient) -> None:
    """The mail in flight is on record as not accepted, status 0."""
    arrived: asyncio.Queue[Received] = asyncio.Queue()
    lab.inbox.on_received.append(arrived.put_nowait)
    reader, writer = await asyncio.open_connection("127.0.0.1", lab.smtp_port)
    for command in (b"EHLO x", b"MAIL FROM:<a@x.io>", b"RCPT TO:<b@x.io>", b"DATA"):
        writer.write(command + b"\r\n")
    while not (await reader.readline()).startswith(b"354"):
        pass
    await api.put("/lab/faults/smtp", json={"mode": "hang"})
    writer.write(b"Subject: x\r\n\r\nhi\r\n.\r\n")
    record = await arrived.get()
    assert (record.accepted, record.status) == (False, 0)
    writer.close()


async def test_latency_delays_the_reply_not_the_mail(lab: Lab, api: httpx.AsyncClient) -> None:
    """A sender that times out after the final dot has still sent its mail."""
    await api.put("/lab/faults/smtp", json={"mode": "ok", "latency_ms": 600_000})

    def impatient() -> None:
        with smtplib.SMTP("127.0.0.1", lab.smtp_port, timeout=30) as client:
            client.ehlo()
            client.mail(SENDER)
            client.rcpt("bob@example.com")
            assert client.docmd("DATA")[0] == 354
            assert client.sock is not None
            client.sock.settimeout(0.2)
            client.send(b"Subject: x\r\n\r\nhi\r\n.\r\n")
            with pytest.raises(TimeoutError):
                client.sock.recv(1)
            client.close()

    await asyncio.to_thread(impatient)
    (message,) = await messages(api)
    assert (message["accepted"], message["title"]) == (True, "x")


async def test_odd_mail_is_taken_and_shown(lab: Lab, api: httpx.AsyncClient) -> None:
    """No subject, no content type, bad bytes, an unknown charset: nothing may break the journal."""
    raws = [
        b"",
        b"\r\nno headers",
        b"Subject: \xff\xfe\r\n\r\n\xff",
        b"Content-Type: text/plain; charset=nope\r\n\r\nx",
    ]
    for raw in raws:
        work = partial(smtplib.SMTP.sendmail, from_addr=SENDER, to_addrs=["bob@example.com"], msg=raw)
        assert await session(lab, work) == {}
    assert len(await messages(api)) == len(raws)
