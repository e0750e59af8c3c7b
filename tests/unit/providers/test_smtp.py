"""SMTP against a relay that follows a script: how far a mail got decides what a break means."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from heliograph.core.model import Mail
from heliograph.core.outcomes import Delivered, Misconfigured, Rejected, Throttled, Unavailable
from heliograph.providers import smtp_session
from heliograph.providers.smtp import Smtp
from heliograph.providers.smtp_session import Relay, parse_relay

SENDER = "Shop <no-reply@shop.example>"
CUT = "<cut>"
HANG = "<hang>"


USUAL = {
    "CONNECT": "220 relay",
    "EHLO": "250 relay",
    "STARTTLS": "220 go",
    "DATA": "354 go on",
    "QUIT": "221 bye",
}


class FakeRelay:
    """Answers commands by their verb: with a line, by cutting the connection, or not at all.

    `script` maps a verb (also `CONNECT` and `DOT`, the final dot) to the replies it gives in turn; after them, and for
    every other verb, it behaves as a relay should.
    """

    def __init__(self, script: dict[str, list[str]], extensions: tuple[str, ...] = ()) -> None:
        self.script = {verb: list(replies) for verb, replies in script.items()}
        self.extensions = extensions
        self.log: list[str] = []
        self.contents: list[bytes] = []
        self.connections = 0
        self.tls: ssl.SSLContext | None = None
        self.hanging = asyncio.Event()
        self.port = 0
        self.tasks: list[asyncio.Task[None]] = []
        self.writers: list[asyncio.StreamWriter] = []

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        self.tasks.append(asyncio.create_task(self.converse(reader, writer)))

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            verb = "CONNECT"
            while await self.reply(verb, writer):
                if verb == "DATA" and self.log[-1].startswith("354"):
                    self.contents.append(await reader.readuntil(b"\r\n.\r\n"))
                    verb = "DOT"
                    continue
                if verb == "STARTTLS":
                    assert self.tls is not None
                    await writer.start_tls(self.tls)
                line = (await reader.readuntil(b"\r\n")).decode().strip()
                self.log.append(line)
                verb = line.split(" ")[0].upper()

    async def reply(self, verb: str, writer: asyncio.StreamWriter) -> bool:
        planned = self.script.get(verb)
        text = planned.pop(0) if planned else USUAL.get(verb, "250 ok")
        if text == CUT:
            writer.transport.abort()
            return False
        if text == HANG:
            self.hanging.set()
            await asyncio.get_running_loop().create_future()
        lines = [text.replace("250 ", "250-", 1), *(f"250-{name}" for name in self.extensions), "250 HELP"]
        writer.write("".join(f"{line}\r\n" for line in (lines if verb == "EHLO" else [text])).encode())
        await writer.drain()
        self.log.append(text)
        return not text.startswith(("421", "221"))

    def verbs(self) -> list[str]:
        return [line.split(" ")[0] for line in self.log if not line[:3].isdigit()]


@contextlib.asynccontextmanager
async def relaying(
    script: dict[str, list[str]] | None = None, extensions: tuple[str, ...] = (), tls: ssl.SSLContext | None = None
) -> AsyncIterator[FakeRelay]:
    relay = FakeRelay(script or {}, extensions)
    relay.tls = tls
    server = await asyncio.start_server(relay.accept, "127.0.0.1", 0)
    relay.port = server.sockets[0].getsockname()[1]
    try:
        yield relay
    finally:
        server.close()
        for writer in relay.writers:
            writer.transport.abort()
        for task in relay.tasks:
            task.cancel()
        await asyncio.gather(*relay.tasks, return_exceptions=True)
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def sending(relay: FakeRelay, query: str = "", login: str = "", **options: float) -> AsyncIterator[Smtp]:
    smtp = Smtp(f"smtp://{login}127.0.0.1:{relay.port}{query}", SENDER, **{"timeout_s": 5, **options})  # type: ignore[arg-type]
    try:
        yield smtp
    finally:
        await smtp.close()


async def test_hands_a_mail_in(mail: Mail) -> None:
    """Envelope, dot-stuffed content, and a message id that stays the same for every attempt of the delivery."""
    async with relaying(extensions=("SIZE 1000000",)) as relay, sending(relay) as smtp:
        outcome = await smtp.send(msgspec.structs.replace(mail, text=".hidden\n.\nend"))
        assert outcome == Delivered("<ntf_1.0@shop.example>")
        assert await smtp.send(mail) == outcome
    size = len(relay.contents[0])
    assert relay.log[3] == f"MAIL FROM:<no-reply@shop.example> SIZE={size}"
    assert "RCPT TO:<zoe@x.example>" in relay.log
    assert b"\r\n..hidden\r\n..\r\nend\r\n" in relay.contents[0]
    assert b"\r\nX-Heliograph-Id: ntf_1\r\n" in relay.contents[0]
    assert relay.connections == 1


async def test_a_mail_without_our_names_has_an_id_of_its_own(mail: Mail) -> None:
    """A message id is never missing."""
    bare = msgspec.structs.replace(mail, args={})
    async with relaying() as relay, sending(relay) as smtp:
        first, second = await smtp.send(bare), await smtp.send(bare)
    assert isinstance(first, Delivered)
    assert first != second


@pytest.mark.parametrize(
    ("verb", "reply", "expected"),
    [
        ("CONNECT", "554 5.7.1 go away", Misconfigured("smtp 554 5.7.1")),
        ("CONNECT", "421 4.3.2 too busy", Throttled("smtp 421 4.3.2")),
        ("CONNECT", "nonsense", Unavailable("smtp: not an SMTP reply")),
        ("CONNECT", CUT, Unavailable("smtp: no connection")),
        ("EHLO", CUT, Unavailable("smtp: no connection")),
        ("MAIL", "553 5.7.1 not your address", Misconfigured("smtp 553 5.7.1")),
        ("MAIL", "552 5.3.4 too big", Rejected("smtp 552 5.3.4")),
        ("MAIL", CUT, Unavailable("smtp: connection lost")),
        ("RCPT", "550 5.1.1 no such user", Rejected("smtp 550 5.1.1", bad_address=True)),
        ("RCPT", "450 4.2.1 busy", Throttled("smtp 450 4.2.1", alone=True)),
        ("RCPT", CUT, Unavailable("smtp: connection lost")),
        ("DATA", "451 4.3.0 later", Throttled("smtp 451 4.3.0")),
        ("DATA", "250 odd", Unavailable("smtp 250")),
        ("DATA", CUT, Unavailable("smtp: connection lost")),
        ("DOT", "554 5.6.0 bad content", Rejected("smtp 554 5.6.0")),
        ("DOT", "421 4.3.2 closing", Throttled("smtp 421 4.3.2")),
        ("DOT", "nonsense", Unavailable("smtp: connection lost", unknown=True)),
        ("DOT", CUT, Unavailable("smtp: connection lost", unknown=True)),
    ],
)
async def test_what_a_trouble_at_each_step_means(mail: Mail, verb: str, reply: str, expected: object) -> None:
    """Only a break after the final dot leaves the mail's fate open."""
    async with relaying({verb: [reply]}) as relay, sending(relay) as smtp:
        assert await smtp.send(mail) == expected


@pytest.mark.parametrize(
    ("verb", "unknown"),
    [("CONNECT", False), ("EHLO", False), ("MAIL", False), ("RCPT", False), ("DATA", False), ("DOT", True)],
)
async def test_what_silence_at_each_step_means(mail: Mail, verb: str, unknown: bool) -> None:
    """The deadline covers the whole delivery; silence after the final dot leaves the mail's fate open."""
    async with relaying({verb: [HANG]}) as relay, sending(relay, timeout_s=0.2) as smtp:
        assert await smtp.send(mail) == Unavailable("smtp: no answer in time", unknown=unknown)
        assert relay.hanging.is_set()


async def test_nobody_listens(mail: Mail) -> None:
    """Refused: certainly not sent."""
    async with relaying() as relay:
        pass
    async with sending(relay) as smtp:
        assert await smtp.send(mail) == Unavailable("smtp: no connection")


@pytest.mark.parametrize("reply", ["550 5.1.1 no", "554 5.7.1 no"])
async def test_a_refused_mail_leaves_the_connection_usable(mail: Mail, reply: str) -> None:
    """RSET, then the next mail on the same connection."""
    async with relaying({"RCPT": [reply]}) as relay, sending(relay) as smtp:
        assert isinstance(await smtp.send(mail), Rejected)
        assert isinstance(await smtp.send(mail), Delivered)
    assert relay.connections == 1
    assert relay.verbs() == ["EHLO", "MAIL", "RCPT", "RSET", "MAIL", "RCPT", "DATA", "QUIT"]


@pytest.mark.parametrize("reply", ["421 4.4.2 idle too long", CUT])
async def test_a_kept_connection_that_was_closed_costs_no_mail(mail: Mail, reply: str) -> None:
    """A relay that closes a kept connection before any content is out gets the mail on a new one, at once."""
    async with relaying({"MAIL": ["250 ok", reply]}) as relay, sending(relay) as smtp:
        for _ in range(2):
            assert isinstance(await smtp.send(mail), Delivered)
    assert (relay.connections, len(relay.contents)) == (2, 2)


async def test_a_mail_whose_content_was_out_is_not_sent_again(mail: Mail) -> None:
    """A kept connection that breaks after the final dot is no reason to send twice."""
    async with relaying({"DOT": ["250 ok", CUT]}) as relay, sending(relay) as smtp:
        await smtp.send(mail)
        assert await smtp.send(mail) == Unavailable("smtp: connection lost", unknown=True)
    assert len(relay.contents) == 2


async def test_an_idle_connection_is_asked_before_use(mail: Mail) -> None:
    """NOOP first; if that doesn't work, a new connection."""
    async with relaying({"NOOP": ["250 ok", CUT]}) as relay, sending(relay, idle_check_s=-1) as smtp:
        for _ in range(3):
            assert isinstance(await smtp.send(mail), Delivered)
    assert relay.connections == 2
    assert relay.verbs().count("NOOP") == 2


async def test_as_many_connections_as_allowed(mail: Mail) -> None:
    """Mails at the same time share the pool, each connection carries one at a time, and all are kept."""
    async with relaying() as relay, sending(relay, connections=3) as smtp:
        for _ in range(2):
            outcomes = await asyncio.gather(*(smtp.send(mail) for _ in range(12)))
            assert all(isinstance(outcome, Delivered) for outcome in outcomes)
    assert relay.connections <= 3
    assert len(relay.contents) == 24


async def test_a_turn_that_doesnt_come_in_time(mail: Mail) -> None:
    """All connections busy for too long: not sent."""
    async with relaying() as relay, sending(relay, connections=0, timeout_s=0.1) as smtp:
        assert await smtp.send(mail) == Unavailable("smtp: no free connection in time")


@pytest.mark.parametrize("verb", ["CONNECT", "MAIL", "DOT"])
async def test_a_cancelled_send_leaves_nothing_behind(mail: Mail, verb: str) -> None:
    """A half-used connection isn't kept, and its turn is given back."""
    async with relaying({verb: [HANG]}) as relay, sending(relay, connections=1) as smtp:
        first = asyncio.create_task(smtp.send(mail))
        await relay.hanging.wait()
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert isinstance(await smtp.send(mail), Delivered)
    assert relay.connections == 2


@pytest.mark.parametrize(("verb", "unknown"), [("CONNECT", False), ("MAIL", False), ("DOT", True)])
async def test_closing_ends_what_is_under_way(mail: Mail, verb: str, unknown: bool) -> None:
    """Close waits for nobody; what was out to its final dot is unknown; afterwards nothing is sent."""
    async with relaying({verb: [HANG]}) as relay, sending(relay) as smtp:
        under_way = asyncio.create_task(smtp.send(mail))
        await relay.hanging.wait()
        await smtp.close()
        outcome = await under_way
        assert isinstance(outcome, Unavailable)
        assert outcome.unknown is unknown
        assert await smtp.send(mail) == Unavailable("smtp: closed")
        await smtp.close()


async def test_goodbye_waits_only_briefly(mail: Mail) -> None:
    """A relay that doesn't answer QUIT doesn't hold the shutdown."""
    async with relaying({"QUIT": [HANG]}) as relay, sending(relay) as smtp:
        await smtp.send(mail)
        await smtp.close()
        assert relay.verbs()[-1] == "QUIT"


@pytest.mark.parametrize(
    ("changes", "bad_address"), [({"to": "zoe"}, True), ({"subject": "a\r\nb"}, False), ({"to_name": "a\nb"}, False)]
)
async def test_flawed_mail_is_not_sent(mail: Mail, changes: dict[str, str], bad_address: bool) -> None:
    """The last guard before the outside world."""
    async with relaying() as relay, sending(relay) as smtp:
        outcome = await smtp.send(msgspec.structs.replace(mail, **changes))
        assert isinstance(outcome, Rejected)
        assert outcome.bad_address is bad_address
    assert relay.connections == 0


# --- login and TLS ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("235 2.7.0 welcome", Delivered("<ntf_1.0@shop.example>")),
        ("535 5.7.8 wrong", Misconfigured("smtp 535 5.7.8")),
        ("454 4.7.0 later", Unavailable("smtp 454 4.7.0")),
        (CUT, Unavailable("smtp: no connection")),
    ],
)
async def test_logs_in(mail: Mail, reply: str, expected: object) -> None:
    """User and password of the URL, percent-decoded; a refusal is ours to mend."""
    async with relaying({"AUTH": [reply]}, ("AUTH PLAIN",)) as relay, sending(relay, login="us%40shop:p%2Fw@") as smtp:
        assert await smtp.send(mail) == expected
    assert "AUTH PLAIN AHVzQHNob3AAcC93" in relay.log  # \0us@shop\0p/w


async def test_a_relay_that_knows_no_login(mail: Mail) -> None:
    """Credentials are configured, the relay has no use for them."""
    async with relaying() as relay, sending(relay, login="us:pw@") as smtp:
        assert await smtp.send(mail) == Misconfigured("smtp: no login method in common")


async def test_a_password_is_not_sent_in_the_clear(mail: Mail, monkeypatch: pytest.MonkeyPatch) -> None:
    """Off the loopback a login needs TLS, so that stripping STARTTLS from the answer earns nothing."""
    monkeypatch.setattr(smtp_session, "_is_loopback", lambda host: False)
    async with relaying(extensions=("AUTH PLAIN",)) as relay, sending(relay, login="us:pw@") as smtp:
        assert await smtp.send(mail) == Misconfigured("smtp: no TLS for the login")
    assert not any(line.startswith("AUTH") for line in relay.log)


@pytest.fixture(scope="module")
def self_signed(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """A server's context with a certificate that nobody has reason to trust."""
    key = generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    start = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=36500))
        .sign(key, hashes.SHA256())
    )
    path: Path = tmp_path_factory.mktemp("tls") / "server.pem"
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(pem + certificate.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


async def test_tls_is_used_when_offered(mail: Mail, self_signed: ssl.SSLContext) -> None:
    """STARTTLS, then EHLO again, then the mail; on the loopback any certificate will do."""
    async with relaying(extensions=("STARTTLS",), tls=self_signed) as relay, sending(relay) as smtp:
        assert isinstance(await smtp.send(mail), Delivered)
        assert isinstance(await smtp.send(mail), Delivered)
    assert relay.verbs()[:4] == ["EHLO", "STARTTLS", "EHLO", "MAIL"]
    assert relay.connections == 1


@pytest.mark.parametrize(("query", "delivered"), [("", False), ("?verify=no", True)])
async def test_a_certificate_must_be_good(
    mail: Mail, self_signed: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch, query: str, delivered: bool
) -> None:
    """Off the loopback an untrusted certificate stops the mail, unless the URL says otherwise."""
    monkeypatch.setattr(smtp_session, "_is_loopback", lambda host: False)
    async with relaying(extensions=("STARTTLS",), tls=self_signed) as relay, sending(relay, query) as smtp:
        outcome = await smtp.send(mail)
    assert outcome == (
        Delivered("<ntf_1.0@shop.example>") if delivered else Misconfigured("smtp: certificate not trusted")
    )
    assert len(relay.contents) == int(delivered)


@pytest.mark.parametrize(
    ("url", "relay"),
    [
        ("smtp://mail.example", Relay("mail.example", 25)),
        ("smtp://mail.example:2525/", Relay("mail.example", 2525)),
        ("smtp://u:p@mail.example", Relay("mail.example", 587, user="u", password="p")),
        ("smtps://u%40x:p%3A%2F@mail.example", Relay("mail.example", 465, True, "u@x", "p:/")),
        ("smtp://mail.example?verify=no", Relay("mail.example", 25, verify=False)),
        ("smtp://127.0.0.1:1025", Relay("127.0.0.1", 1025, verify=False)),
        ("smtp://localhost:1025", Relay("localhost", 1025, verify=False)),
        ("smtp://[::1]:1025", Relay("::1", 1025, verify=False)),
    ],
)
def test_reads_a_url(url: str, relay: Relay) -> None:
    """Host, port, TLS, login; usual ports where none is given."""
    assert parse_relay(url) == relay


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mail.example:25",
        "http://mail.example",
        "smtp://",
        "smtp://a:x",
        "smtp://a/b",
        "smtp://a?tls=no",
        "smtp://a?x",
    ],
)
def test_refuses_what_is_no_such_url(url: str) -> None:
    """A wrong setting stops the start."""
    with pytest.raises(ValueError):  # noqa: PT011 - the sentence differs
        parse_relay(url)
