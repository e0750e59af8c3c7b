"""SMTP: one conversation with a relay, over aiosmtplib: connect, then one mail after the other.

Reads a relay's address and whole messages, answers with replies and breaks as values that tell how far a mail got.
It knows nothing of mails' meaning, waits as long as its caller lets it and never sends a message twice.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from ipaddress import ip_address
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

import aiosmtplib
import msgspec
from aiosmtplib import SMTPException, SMTPHeloError, SMTPResponseException, SMTPServerDisconnected

from heliograph.providers.smtp_codes import Phase

_DOT: Final = re.compile(rb"^\.", re.MULTILINE)
CLOSING: Final = 421
GONE: Final = "connection lost"
NO_RELAY: Final = "no connection"


class Relay(msgspec.Struct, frozen=True):
    """Where mail is handed in. `verify` = insist on a certificate that is good, and on TLS before a login."""

    host: str
    port: int
    tls: bool = False
    user: str | None = None
    password: str = ""
    verify: bool = True


class Reply(msgspec.Struct, frozen=True):
    """What the relay said to the command of a phase."""

    phase: Phase
    code: int
    text: str

    @property
    def accepted(self) -> bool:
        return self.phase == "content" and self.code // 100 == 2


class Broken(msgspec.Struct, frozen=True):
    """The conversation ended. `sent` = the final dot was out, so the mail may have been taken."""

    cause: str
    sent: bool = False


class Distrusted(msgspec.Struct, frozen=True):
    """The relay isn't one that our settings allow us to talk to."""

    cause: str


def parse_relay(url: str) -> Relay:
    """`smtp://user:pass@host:port` (STARTTLS when offered) or `smtps://…`, user and password percent-encoded.

    `?verify=no` accepts any certificate and sends the password even where no TLS is offered. On the loopback neither
    is insisted on.

    Raises:
        ValueError: it is no such URL.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise ValueError("the SMTP URL is not smtp://[user:password@]host[:port] or smtps://…")
    options = parse_qs(parts.query, strict_parsing=bool(parts.query))
    if parts.path not in ("", "/") or not options.keys() <= {"verify"}:
        raise ValueError("the SMTP URL has a path or an option that isn't known (known: verify=no)")
    tls = parts.scheme == "smtps"
    return Relay(
        host=parts.hostname,
        port=parts.port or (465 if tls else 587 if parts.username else 25),
        tls=tls,
        user=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password or ""),
        verify=options.get("verify") != ["no"] and not _is_loopback(parts.hostname),
    )


class Parcel(msgspec.Struct):
    """One mail on its way. `sent` = it is out to its final dot: from then on its fate is the relay's to tell."""

    sender: str
    recipient: str
    message: bytes
    sent: bool = False


Trouble = Reply | Broken | Distrusted


class Session:
    """One connection. It is opened once and carries one mail at a time.

    Args:
        local_hostname: for EHLO; None = this machine's full name, looked up while opening.
    """

    def __init__(self, relay: Relay, local_hostname: str | None) -> None:
        self._relay = relay
        self._client = aiosmtplib.SMTP(
            hostname=relay.host,
            port=relay.port,
            use_tls=relay.tls,
            start_tls=False if relay.tls else None,
            validate_certs=relay.verify,
            local_hostname=local_hostname,
            timeout=None,  # the caller's deadline is for the whole delivery
        )
        self.used_at = time.monotonic()
        self.carried = 0
        """Mails handed in, taken or not."""

    @property
    def alive(self) -> bool:
        return self._client.is_connected

    @property
    def local_hostname(self) -> str | None:
        return self._client.local_hostname

    async def open(self) -> Trouble | None:
        """Connects, encrypts where it can, logs in. None = ready."""
        try:
            trouble = await self._open()
        except SMTPResponseException as error:
            trouble = Reply("connect", error.code, str(error.message))
        except (SMTPException, OSError) as error:
            trouble = Distrusted("certificate not trusted") if _is_distrust(error) else Broken(NO_RELAY)
        except BaseException:
            self.abort()
            raise
        if trouble is not None:
            self.abort()
        return trouble

    async def send(self, parcel: Parcel) -> Reply | Broken:
        """Hands one mail in. Ends with a session that can be used again, or one that is no longer `alive`."""
        self.carried += 1
        try:
            reply = await self._transaction(parcel)
        except (SMTPException, OSError):
            self.abort()
            return Broken(GONE, sent=parcel.sent)
        except BaseException:
            self.abort()
            raise
        if reply.code == CLOSING:
            self.abort()
        elif not reply.accepted:
            await self._ask(b"RSET")
        self.used_at = time.monotonic()
        return reply

    async def check(self) -> bool:
        """Whether the relay still answers."""
        await self._ask(b"NOOP")
        return self.alive

    async def quit(self) -> None:
        """Says goodbye and closes."""
        try:
            await self._ask(b"QUIT")
        finally:
            self.abort()

    def abort(self) -> None:
        """Closes at once, without waiting for what TLS would like to say."""
        transport = self._client.transport
        self._client.close()
        if isinstance(transport, asyncio.WriteTransport):
            transport.abort()

    async def _ask(self, command: bytes) -> None:
        """A command whose answer doesn't matter as long as there is one."""
        try:
            await self._client.execute_command(command)
        except (SMTPException, OSError):
            self.abort()
        except BaseException:
            self.abort()
            raise

    async def _open(self) -> Trouble | None:
        client, relay = self._client, self._relay
        await client.connect()
        if client.is_ehlo_or_helo_needed:  # again after STARTTLS
            await self._introduce()
        if relay.user is None:
            return None
        if relay.verify and client.get_transport_info("sslcontext") is None:
            return Distrusted("no TLS for the login")
        return await self._log_in(relay.user, relay.password)

    async def _introduce(self) -> None:
        """EHLO; HELO for a relay that doesn't know it."""
        try:
            await self._client.ehlo()
        except SMTPHeloError:
            if not self.alive:
                raise
            await self._client.helo()

    async def _log_in(self, user: str, password: str) -> Trouble | None:
        try:
            await self._client.login(user, password)
        except SMTPResponseException as error:
            return Reply("login", error.code, str(error.message))
        except OSError:
            raise  # a break, like any other
        except SMTPException:
            return Distrusted("no login method in common")
        return None

    async def _transaction(self, parcel: Parcel) -> Reply:
        client = self._client
        content = _DOT.sub(b"..", parcel.message) + b".\r\n"
        size = [b"SIZE=%d" % len(content)] if client.supports_extension("size") else []
        code, text = await client.execute_command(b"MAIL", b"FROM:<%s>" % parcel.sender.encode(), *size)
        if code != 250:
            return Reply("sender", code, text)
        code, text = await client.execute_command(b"RCPT", b"TO:<%s>" % parcel.recipient.encode())
        if code not in (250, 251):
            return Reply("recipient", code, text)
        code, text = await client.execute_command(b"DATA")
        if code != 354:
            return Reply("data", code, text)
        protocol = client.protocol
        if protocol is None:
            raise SMTPServerDisconnected(GONE)
        protocol.write(content)
        parcel.sent = True
        return Reply("content", *await protocol.read_response())


def _is_distrust(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__
    return False


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
