"""Lab: an SMTP relay on aiosmtpd.

Reads mail and the provider's gate, writes one journal record per recipient, relays nothing. Faults of the whole
relay answer the message's final dot (401-like codes 530/534/535/454 answer AUTH if the client uses it), behaviours
of single addresses answer their `RCPT TO`.

Behaviours for `tokens` (by address): bounce (550 5.1.1), blocked (554 5.7.1), full (452 4.2.2), busy (450 4.2.1),
greylist (451 4.7.1 once, then taken), too_large (552 5.3.4), moved (551 5.1.6), closing (421 and the connection
ends), lost_answer (taken, but the connection ends before the reply to the final dot).
"""

# ruff: noqa: ARG002, N802 - aiosmtpd calls these methods by name and position
from __future__ import annotations

import asyncio
import email
import email.policy
import logging
import secrets
from email.message import EmailMessage
from functools import cached_property
from typing import Any

from aiosmtpd.smtp import MISSING, SMTP, AuthResult, Envelope, LoginPassword, Session

from heliograph.lab.faults import Dialect, Fault
from heliograph.lab.gate import Gate
from heliograph.lab.inbox import Inbox, Nothing, View

HOSTNAME = "lab.localhost"
MAX_MESSAGE = 32 * 1024 * 1024
AUTH_CODES = frozenset({454, 530, 534, 535})
CLOSING = 421
REFUSALS = {
    "bounce": "550 5.1.1 The email account that you tried to reach does not exist",
    "blocked": "554 5.7.1 Message rejected due to local policy",
    "full": "452 4.2.2 The recipient's mailbox is over its storage limit",
    "busy": "450 4.2.1 The recipient is receiving mail too quickly, try again later",
    "greylist": "451 4.7.1 Greylisted, please try again later",
    "too_large": "552 5.3.4 Message size exceeds the recipient's limit",
    "moved": "551 5.1.6 The recipient has moved",
    "closing": "421 4.3.2 Service shutting down, closing connection",
}
REPLIES = {
    421: REFUSALS["closing"],
    450: "450 4.2.0 Mailbox temporarily unavailable",
    451: "451 4.3.0 Temporary failure, try again later",
    452: "452 4.3.1 Insufficient system storage",
    454: "454 4.7.0 Temporary authentication failure",
    530: "530 5.7.0 Authentication required",
    534: "534 5.7.9 Authentication mechanism is too weak",
    535: "535 5.7.8 Authentication credentials invalid",
    550: "550 5.7.1 Message refused",
    552: "552 5.3.4 Message too big",
    554: "554 5.6.0 Transaction failed",
}
TOO_MANY = "421 4.7.0 Too many messages on this connection"
THROTTLED = "451 4.7.1 Too many messages, slow down"
DIALECT = Dialect(451, frozenset(REFUSALS) | {"lost_answer"}, once=frozenset({"greylist"}))


class RawMail:
    """A message as it came over the wire, parsed when first read and only once for all its recipients."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def view(self) -> View:
        return self._view

    @cached_property
    def _view(self) -> View:
        message = email.message_from_bytes(self._raw, policy=email.policy.default)
        headers: dict[str, str] = {}
        for name, raw in message.raw_items():
            value = _header(message, name, raw)
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        return View(
            title=headers.get("Subject", ""),
            body=_text_part(message, "plain"),
            html=_text_part(message, "html"),
            headers=headers,
            payload=self._raw.decode("utf-8", "replace"),
        )


# The standard library's parser raises IndexError, AttributeError, ValueError and LookupError on broken mail; a journal
# that can't be read because of one bad message would be worse than a field shown undecoded.


def _header(message: EmailMessage, name: str, raw: str) -> str:
    """A header decoded, or as it came if it can't be decoded."""
    try:
        return _encodable(str(message.policy.header_fetch_parse(name, raw)))
    except Exception:  # noqa: BLE001
        return _encodable(raw)


def _text_part(message: EmailMessage, kind: str) -> str:
    """The text/`kind` part a mail program would show, decoded as well as possible; empty if there is none."""
    try:
        part = message.get_body((kind,))
        if part is None:
            return ""
        text = str(part.get_content())
    except Exception:  # noqa: BLE001
        raw = message.get_payload(decode=True)
        text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else ""
    return _encodable(text.replace("\r\n", "\n"))


def _encodable(text: str) -> str:
    """The text without lone surrogates, which JSON can't carry."""
    return text.encode("utf-8", "replace").decode()


class Relay:
    """aiosmtpd's handler: its `handle_*` methods are the answers to the SMTP commands, for all sessions.

    `login` is (user, password), which clients then must present; None takes any login and none at all.
    """

    name = "smtp"

    def __init__(self, gate: Gate, inbox: Inbox, login: tuple[str, str] | None = None) -> None:
        self.gate = gate
        self.sessions: set[RelaySession] = set()
        self._inbox = inbox
        self._login = login
        gate.on_change.append(self._faulted)
        logging.getLogger("mail.log").setLevel(logging.ERROR)  # aiosmtpd logs every command and login

    def session(self) -> RelaySession:
        """The protocol of a new connection."""
        return RelaySession(self)

    def close(self) -> None:
        """Cut all connections."""
        for session in list(self.sessions):
            session.cut()

    @property
    def login_required(self) -> bool:
        return self._login is not None

    def authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        """aiosmtpd's authenticator."""
        if self._login is None:
            return AuthResult(success=True)
        given = (data.login.decode(), data.password.decode()) if isinstance(data, LoginPassword) else None
        return AuthResult(success=given == self._login, handled=False)

    async def handle_EHLO(
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return [*responses[:-1], "250-PIPELINING", "250-ENHANCEDSTATUSCODES", responses[-1]]

    async def handle_AUTH(self, server: SMTP, session: Session, envelope: Envelope, args: list[str]) -> Any:
        fault = self.gate.fault
        refused = fault.mode == "error" and fault.status in AUTH_CODES
        return reply_text(fault.status or 0) if refused else MISSING

    async def handle_MAIL(
        self, server: RelaySession, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        limit = self.gate.fault.per_connection
        server.carried += 1
        if limit is not None and server.carried > limit:
            return TOO_MANY
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        word = self.gate.behaviour(address)
        if word in REFUSALS:
            code = int(REFUSALS[word][:3])
            self._inbox.add(self.name, address, Nothing(), accepted=False, status=code)
            return REFUSALS[word]
        envelope.rcpt_tos.append(address)
        if word == "lost_answer":
            envelope.rcpt_options.append(word)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: RelaySession, session: Session, envelope: Envelope) -> str:
        verdict = self.gate.judge()
        queue_id = secrets.token_hex(6).upper()
        lost = "lost_answer" in envelope.rcpt_options
        match verdict.kind:
            case "pass":
                answer, status, accepted = f"250 2.0.0 OK: queued as {queue_id}", 0 if lost else 250, True
            case "throttle":
                answer, status, accepted = THROTTLED, 451, False
            case "fail":
                answer, status, accepted = reply_text(verdict.status), verdict.status, False
            case _:  # down and hang: push() keeps the answer back
                answer, status, accepted = "", 0, False
        self._record(envelope, accepted, status, queue_id if accepted else "")
        await self.gate.linger()
        if accepted and lost:
            await server.vanish()
        return answer

    def _record(self, envelope: Envelope, accepted: bool, status: int, queue_id: str) -> None:
        raw = envelope.original_content or b""
        mail, size = RawMail(raw), len(raw) // len(envelope.rcpt_tos)
        for address in envelope.rcpt_tos:
            self._inbox.add(self.name, address, mail, accepted=accepted, status=status, provider_id=queue_id, size=size)

    def _faulted(self, fault: Fault) -> None:
        if fault.mode == "down":
            self.close()


class RelaySession(SMTP):
    """One SMTP connection. Every reply passes push(), so a relay that hangs or is down never says anything."""

    def __init__(self, relay: Relay) -> None:
        super().__init__(
            relay,
            hostname=HOSTNAME,
            ident="Heliograph lab",
            data_size_limit=MAX_MESSAGE,
            enable_SMTPUTF8=True,
            auth_require_tls=False,
            authenticator=relay.authenticate,
            loop=asyncio.get_running_loop(),
        )
        self._relay = relay
        self.carried = 0
        """Mails begun."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._relay.sessions.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._relay.sessions.discard(self)
        super().connection_lost(error)

    def cut(self) -> None:
        """Close the connection at once; aiosmtpd then cancels the session's task."""
        if isinstance(self.transport, asyncio.WriteTransport):
            self.transport.abort()

    async def vanish(self) -> None:
        """Close the connection without another word. Never returns."""
        self.cut()
        await asyncio.get_running_loop().create_future()

    async def push(self, status: Any) -> None:
        mode = self._relay.gate.fault.mode
        if mode == "hang":
            await self._relay.gate.replaced()
        if mode in ("hang", "down"):
            await self.vanish()
        await super().push(status)
        text = status if isinstance(status, str) else status.decode()
        if text.startswith(f"{CLOSING} "):
            await self.vanish_politely()

    async def vanish_politely(self) -> None:
        """Close the connection after what has been written is out. Never returns."""
        if isinstance(self.transport, asyncio.WriteTransport):
            self.transport.close()
        await asyncio.get_running_loop().create_future()

    async def check_auth_needed(self, caller_method: str) -> bool:
        if self._relay.login_required and self.session and not self.session.authenticated:
            await self.push(REPLIES[530])
            return True
        return False


def reply_text(code: int) -> str:
    """A reply line for a bare code, with an enhanced status code of the same class."""
    return REPLIES.get(code, f"{code} {code // 100}.0.0 Refused by the lab")
