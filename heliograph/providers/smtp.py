"""Provider: an SMTP relay, over a small pool of connections that are kept and used again.

Reads a `Mail`, writes it as MIME to the relay. What replies mean stands in smtp_codes.py, the conversation in
smtp_session.py, the message's form in mime.py. The only thing it tries twice is a mail that a kept connection turned
out to be too old for, before any of its content was out.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from email.utils import make_msgid
from typing import Final, TypeVar

from heliograph.core.headers import address_flaw, mail_flaw, parse_mailbox
from heliograph.core.message_ids import message_id as message_id_of
from heliograph.core.model import Mail
from heliograph.core.outcomes import Delivered, Misconfigured, ProviderOutcome, Rejected, Unavailable
from heliograph.core.ports import Clock
from heliograph.providers.mailboxes import sender_of
from heliograph.providers.mime import message_bytes
from heliograph.providers.smtp_codes import outcome_of
from heliograph.providers.smtp_session import (
    CLOSING,
    GONE,
    Broken,
    Distrusted,
    Parcel,
    Reply,
    Session,
    Trouble,
    parse_relay,
)
from heliograph.providers.waiting import wall_clock

TIMEOUT_S: Final = 20.0
CONNECTIONS: Final = 10
IDLE_CHECK_S: Final = 30.0
MESSAGES: Final = 100
_GOODBYE_S: Final = 1.0
SILENT: Final = "no answer in time"
T = TypeVar("T")


class Smtp:
    """One relay.

    Args:
        url: see `parse_relay`.
        sender: `Name <addr>` or `addr`, unless the mail has its own; also the envelope's sender.
        timeout_s: for one mail, from waiting for a free connection to the answer to its final dot.
        connections: at most so many at a time; they are opened as needed and kept.
        idle_check_s: a connection unused for longer is asked with NOOP before it is used.
        messages: so many mails a connection, then a new one: relays set limits of that kind and tell nobody.

    Raises:
        ValueError: URL or sender can't be used.
    """

    name = "smtp"

    def __init__(
        self,
        url: str,
        sender: str,
        *,
        timeout_s: float = TIMEOUT_S,
        connections: int = CONNECTIONS,
        idle_check_s: float = IDLE_CHECK_S,
        messages: int = MESSAGES,
        clock: Clock = wall_clock,
    ) -> None:
        self._relay = parse_relay(url)
        self._sender = parse_mailbox(sender)
        self._timeout_s = timeout_s
        self._idle_check_s = idle_check_s
        self._messages = messages
        self._clock = clock
        self._turns = asyncio.Semaphore(connections)
        self._idle: list[Session] = []
        self._busy: set[Session] = set()
        self._local_hostname: str | None = None
        self._closed = False

    async def send(self, mail: Mail) -> ProviderOutcome:
        if address_flaw(mail.to) is not None:
            return Rejected("smtp: not an e-mail address", bad_address=True)
        flaw = mail_flaw(mail)
        if flaw is not None:
            return Rejected(f"smtp: {flaw}")
        sender = sender_of(mail, self._sender)
        message_id = message_id_of(mail.args, sender.domain) or make_msgid(domain=sender.domain)
        message = message_bytes(mail, sender, message_id, self._clock())
        deadline = asyncio.get_running_loop().time() + self._timeout_s
        if not await self._turn(deadline):
            return Unavailable("smtp: no free connection in time")
        try:
            result = await self._deliver(Parcel(sender.addr_spec, mail.to, message), deadline)
        finally:
            self._turns.release()
        match result:
            case Reply() if result.accepted:
                return Delivered(message_id)
            case Reply(phase, code, text):
                return outcome_of(phase, code, text, own_sender=mail.sender is not None)
            case Broken(cause, sent):
                return Unavailable(f"smtp: {cause}", unknown=sent)
            case Distrusted(cause):
                return Misconfigured(f"smtp: {cause}")

    async def close(self) -> None:
        """Says goodbye on idle connections and cuts the busy ones; their mails' fate is `unknown` if they were out."""
        self._closed = True
        for session in list(self._busy):
            session.abort()
        idle, self._idle = self._idle, []
        await asyncio.gather(*(_part(session) for session in idle))
        await asyncio.sleep(0)  # aborted transports close in the loop's next round

    async def _turn(self, deadline: float) -> bool:
        if not self._turns.locked():
            return await self._turns.acquire()
        try:
            async with asyncio.timeout_at(deadline):
                return await self._turns.acquire()
        except TimeoutError:
            return False

    async def _deliver(self, parcel: Parcel, deadline: float) -> Trouble:
        """One mail within the deadline."""
        if self._closed:
            return Broken("closed")
        try:
            async with asyncio.timeout_at(deadline):
                while True:
                    kept = await self._kept()
                    result = await self._hand_in(kept or Session(self._relay, self._local_hostname), parcel)
                    if kept is None or not _too_old(result):
                        return result
        except TimeoutError:
            return Broken(SILENT, sent=parcel.sent)

    async def _kept(self) -> Session | None:
        """The connection used last, if the relay hasn't closed it meanwhile."""
        while self._idle:
            session = self._idle.pop()
            stale = time.monotonic() - session.used_at > self._idle_check_s
            if session.alive and (not stale or await self._watched(session, session.check())):
                return session
        return None

    async def _hand_in(self, session: Session, parcel: Parcel) -> Trouble:
        return await self._watched(session, self._use(session, parcel))

    async def _use(self, session: Session, parcel: Parcel) -> Trouble:
        if not session.alive:
            trouble = await session.open()
            if trouble is not None:
                return trouble
            self._local_hostname = session.local_hostname
        if self._closed:
            session.abort()
            return Broken("closed")
        result = await session.send(parcel)
        if session.alive and session.carried < self._messages:
            self._idle.append(session)
        elif session.alive:
            await _part(session)
        return result

    async def _watched(self, session: Session, work: Awaitable[T]) -> T:
        """While it is at work, `close` knows the session."""
        self._busy.add(session)
        try:
            return await work
        finally:
            self._busy.discard(session)


def _too_old(result: Trouble) -> bool:
    """A kept connection that the relay had closed, or closes now, before any content was out."""
    if isinstance(result, Broken):
        return result.cause == GONE and not result.sent
    return isinstance(result, Reply) and result.code == CLOSING and result.phase != "content"


async def _part(session: Session) -> None:
    try:
        async with asyncio.timeout(_GOODBYE_S):
            await session.quit()
    except TimeoutError:
        pass
