"""Lab: SendGrid's Event Webhook, the sending: batches, retries, and the events that follow a mail by themselves.

Listens to the journal; when a webhook URL is set, every accepted mail is followed by the events its recipient's
behaviour calls for. Sends only to 127.0.0.1, follows no redirect, writes no journal record.
"""

from __future__ import annotations

import asyncio
import http.client
import logging
import time
from collections.abc import Iterator
from random import Random
from typing import Any
from urllib.parse import urlsplit

import msgspec

from heliograph.lab.events import FATES, Event, Signer, build_event, encode
from heliograph.lab.gate import Gate
from heliograph.lab.inbox import Inbox, Received
from heliograph.lab.sendgrid import SendGridMail

log = logging.getLogger(__name__)

COLLECT_S = 0.05
MAX_BATCH_BYTES = 768 * 1024
POST_TIMEOUT_S = 5.0
RETRY_FIRST_S = 0.5
RETRY_LONGEST_S = 600.0
RETRY_FOR_S = 24 * 3600.0
LOOPBACK = frozenset({"127.0.0.1", "localhost"})


class EventWebhook:
    """One account's event webhook. Set `url` to have events follow every accepted mail; None switches that off."""

    def __init__(self, gate: Gate, inbox: Inbox, signer: Signer, random: Random) -> None:
        self.url: str | None = None
        self.duplicates = 0.0
        self.shuffle = False
        self._random = random
        self.signer = signer
        self._gate = gate
        self._waiting: list[Event] = []
        self._bounced: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        inbox.on_received.append(self._follow)

    async def post(self, url: str, events: list[Event]) -> int:
        """Sign and send one batch; the receiver's HTTP status. Raises OSError when nobody answers."""
        body = encode(events)
        headers = self.signer.sign(body, str(int(time.time())))
        headers |= {"Content-Type": "application/json", "User-Agent": "SendGrid Event API"}
        return await asyncio.to_thread(_post, url, body, headers)

    def forget_bounces(self) -> None:
        """Empty the suppression list."""
        self._bounced.clear()

    async def close(self) -> None:
        """Give up on everything not yet delivered."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _follow(self, record: Received) -> None:
        """Queue the events that follow a mail. The first one of a batch starts the task that sends it."""
        if self.url is None or not record.accepted or not isinstance(record.content, SendGridMail):
            return
        if not self._waiting:
            self._start(self._flush(self.url))
        fate = self._fate(record, record.content)
        self._waiting += [build_event(kind, record, record.at) for kind in fate]

    def _fate(self, record: Received, mail: SendGridMail) -> tuple[str, ...]:
        """A mail to an address that bounced is dropped, unless the request asked to bypass the list."""
        address = record.to.lower()
        if address in self._bounced and not mail.bypasses_bounces():
            return FATES["dropped"]
        word = self._gate.fault.tokens.get(address)
        if word in ("bounce", "async_bounce"):
            self._bounced.add(address)
        return FATES.get(word, FATES[None])

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _flush(self, url: str) -> None:
        """Collect for a moment, then send everything in batches."""
        await asyncio.sleep(COLLECT_S)
        events, self._waiting = self._waiting, []
        if self.shuffle:
            self._random.shuffle(events)
        again = [event for event in events if self._random.random() < self.duplicates]
        for batch in (*batches(events), *batches(again)):
            self._start(self._deliver(url, batch))

    async def _deliver(self, url: str, batch: list[Event]) -> None:
        """Send one batch until it is taken (2xx), with growing pauses, for a day."""
        pause, deadline = RETRY_FIRST_S, time.monotonic() + RETRY_FOR_S
        while time.monotonic() < deadline:
            try:
                status = await self.post(url, batch)
            except OSError as error:
                log.info("event webhook %s unreachable: %s", url, error)
            else:
                if 200 <= status < 300:
                    return
                log.info("event webhook %s answered %d", url, status)
            await asyncio.sleep(pause)
            pause = min(pause * 2, RETRY_LONGEST_S)


def batches(events: list[Event], limit: int = MAX_BATCH_BYTES) -> Iterator[list[Event]]:
    """Split events, in order, into lists whose JSON is at most `limit` bytes (a single larger event goes alone)."""
    batch: list[Event] = []
    size = 0
    for event in events:
        length = len(msgspec.json.encode(event)) + 1
        if batch and size + length > limit:
            yield batch
            batch, size = [], 0
        batch.append(event)
        size += length
    if batch:
        yield batch


def is_local(url: str) -> bool:
    """Whether the URL is plain HTTP to this machine, the only place the lab sends events to."""
    parts = urlsplit(url)
    return parts.scheme == "http" and parts.hostname in LOOPBACK


def _post(url: str, body: bytes, headers: dict[str, str]) -> int:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=POST_TIMEOUT_S)
    try:
        connection.request("POST", parts.path + (f"?{parts.query}" if parts.query else "") or "/", body, headers)
        return connection.getresponse().status
    except http.client.HTTPException as error:
        raise OSError(f"no HTTP answer: {error!r}") from error
    finally:
        connection.close()
