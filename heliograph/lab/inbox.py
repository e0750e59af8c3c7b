"""Lab: the journal of everything the providers received.

Providers write one record per recipient of a call; the control API and tests read them, oldest first. Bounded, in
memory, indexed by recipient. It never changes a record and never decides whether one was accepted.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Protocol

from msgspec import Struct

from heliograph.lab.faults import token_key

BACKGROUND = frozenset({"oauth2", "expo_receipts"})
"""Endpoints that carry no messages."""
DEFAULT_LIMIT = 200_000
DEFAULT_MAX_BYTES = 512 * 1024 * 1024


class View(Struct):
    """What a message says, in the same words for every provider.

    title and body (plain text) and html are what the person would see; data is SendGrid's custom_args or FCM's data;
    headers are the mail's headers (FCM: the HTTP request's); payload is the call as received: JSON for HTTP
    providers (SendGrid: with this recipient's personalization only), the raw RFC 5322 text for SMTP.
    """

    title: str = ""
    body: str = ""
    html: str = ""
    data: dict[str, str] = {}
    headers: dict[str, str] = {}
    payload: Any = None


class Content(Protocol):
    """A received message, turned into a View only when somebody reads it: parsing mail is dear."""

    def view(self) -> View: ...


class Nothing:
    """The content of a recipient refused before any message was sent (SMTP `RCPT TO`)."""

    def view(self) -> View:
        return View()


class Received(Struct, frozen=True):
    """One call of a provider for one recipient.

    serial       position in the journal; `lab_<serial>` is the public id
    at           arrival, seconds since 1970 UTC
    accepted     the provider took it for delivery (a validate-only or sandbox call is answered 200, not accepted)
    status       HTTP status or SMTP reply code; 0 = no answer was given
    size         bytes of the call that fall to this recipient
    provider_id  the id the provider answered: X-Message-Id, FCM's message name, the SMTP queue id
    """

    serial: int
    provider: str
    to: str
    at: float
    accepted: bool
    status: int
    provider_id: str
    size: int
    content: Content

    @property
    def id(self) -> str:
        return f"lab_{self.serial}"

    def as_json(self) -> dict[str, Any]:
        """The record as the control API shows it."""
        view = self.content.view()
        return {
            "id": self.id,
            "provider": self.provider,
            "to": self.to,
            "at": datetime.fromtimestamp(self.at, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "accepted": self.accepted,
            "status": self.status,
            "provider_id": self.provider_id,
            "title": view.title,
            "body": view.body,
            "html": view.html,
            "data": view.data,
            "headers": view.headers,
            "payload": view.payload,
        }


class Inbox:
    """The last `limit` records of at most `max_bytes` as received.

    Not thread-safe for writing: all providers live on one event loop.
    """

    def __init__(
        self,
        limit: int = DEFAULT_LIMIT,
        max_bytes: int = DEFAULT_MAX_BYTES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._limit = limit
        self._max_bytes = max_bytes
        self._bytes = 0
        self._clock = clock
        self._serial = 0
        self._records: deque[Received] = deque()
        self._by_recipient: dict[str, deque[Received]] = {}
        self.on_received: list[Callable[[Received], None]] = []

    @property
    def version(self) -> str:
        """Another text whenever the journal is another one."""
        return f"{self._serial}.{len(self._records)}"

    def find(self, message_id: str) -> Received | None:
        """By its public id."""
        return next((record for record in reversed(self._records) if record.id == message_id), None)

    def __len__(self) -> int:
        return len(self._records)

    def add(
        self,
        provider: str,
        to: str,
        content: Content,
        *,
        accepted: bool,
        status: int,
        provider_id: str = "",
        size: int = 0,
    ) -> Received:
        """Write one record, drop the oldest beyond the limit, and tell the listeners."""
        self._serial += 1
        record = Received(self._serial, provider, to, self._clock(), accepted, status, provider_id, size, content)
        self._records.append(record)
        self._by_recipient.setdefault(token_key(to), deque()).append(record)
        self._bytes += size
        while len(self._records) > self._limit or (self._bytes > self._max_bytes and len(self._records) > 1):
            self._forget_oldest()
        for listener in self.on_received:
            listener(record)
        return record

    def select(
        self,
        *,
        provider: str = "",
        to: str = "",
        refused_too: bool = False,
        after: int = 0,
        limit: int | None = None,
    ) -> list[Received]:
        """Records oldest first. Calls that carry no message (`BACKGROUND`) appear only when their provider is named.

        `after` is a serial: only younger records. `limit` keeps the first so many.
        """
        source: Iterable[Received] = self._by_recipient.get(token_key(to), ()) if to else self._records
        chosen = (
            record
            for record in source
            if record.serial > after
            and (record.provider == provider if provider else record.provider not in BACKGROUND)
            and (refused_too or record.accepted)
        )
        return list(islice(chosen, limit))

    def clear(self) -> None:
        """Forget all records; serials go on."""
        self._records.clear()
        self._bytes = 0
        self._by_recipient.clear()

    def _forget_oldest(self) -> None:
        oldest = self._records.popleft()
        self._bytes -= oldest.size
        key = token_key(oldest.to)
        siblings = self._by_recipient[key]
        siblings.popleft()
        if not siblings:
            del self._by_recipient[key]
