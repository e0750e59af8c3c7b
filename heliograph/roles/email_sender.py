"""E-mail sender: drains the outbox at the pace the provider allows, the most urgent mail first.

Takes a token from the shared bucket first and chooses the mail after, so that a P0 which arrives during the wait goes
next. Reads the outbox lanes, suppressions and preferences; writes attempts and outcomes, and suppresses addresses that
don't exist.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import msgspec

from heliograph.attempts import Attempts
from heliograph.consumer import Gate
from heliograph.core.lanes import OutboxItem
from heliograph.core.lifecycle import Event
from heliograph.core.model import Key, Millis
from heliograph.core.outcomes import DONE, Outcome, ProviderOutcome, Rejected
from heliograph.core.ports import Clock, MailProvider, Pulled, RateLimiter, Store
from heliograph.core.preferences import PREFERENCE
from heliograph.muting import muted


class EmailSender:
    """Args:
    providers: in the order they are tried: attempt 1 goes to the first, attempt 2 to the second, and round.
    """

    def __init__(self, store: Store, attempts: Attempts, providers: Sequence[MailProvider], clock: Clock) -> None:
        self._store = store
        self._attempts = attempts
        self._providers = providers
        self._clock = clock

    async def handle(self, batch: Sequence[Pulled]) -> Sequence[Outcome]:
        # load
        items = [pulled.item for pulled in batch if isinstance(pulled.item, OutboxItem)]
        reasons, unwanted = await asyncio.gather(
            self._store.suppressed([Key(item.tenant, item.mail.to) for item in items]),
            muted(self._store, items, "email"),
        )

        # decide
        now = self._clock()
        stops = [PREFERENCE if unwelcome else reason for unwelcome, reason in zip(unwanted, reasons, strict=True)]
        ended = [_ended(item, reason, now) for item, reason in zip(items, stops, strict=True)]
        going = [index for index, event in enumerate(ended) if event is None]

        # commit: attempts record themselves; the rest is recorded here
        stopped = [event for event in ended if event is not None]
        if stopped:
            await self._store.record(stopped)
        made = await self._attempts.make([(items[index], batch[index].orphaned) for index in going], self._send)
        outcomes: list[Outcome] = [DONE] * len(batch)
        for index, outcome in zip(going, made, strict=True):
            outcomes[index] = outcome
        return outcomes

    async def _send(self, item: OutboxItem, attempt: int) -> tuple[str, ProviderOutcome]:
        provider = self._providers[(attempt - 1) % len(self._providers)]
        # The mail was rendered for its first attempt; the provider's webhooks must name this one.
        args = item.mail.args | {"hg_attempt": str(attempt)}
        outcome = await provider.send(msgspec.structs.replace(item.mail, args=args))
        if isinstance(outcome, Rejected) and outcome.bad_address:
            await self._store.suppress(Key(item.tenant, item.mail.to), "hard_bounce", self._clock())
        return provider.name, outcome


def _ended(item: OutboxItem, suppressed: str | None, now: Millis) -> Event | None:
    """Why a mail isn't sent after all, if so."""
    if item.expires_at is not None and now >= item.expires_at:
        kind, detail = "expired", "its time to live was over"
    elif suppressed:
        kind, detail = "suppressed", suppressed
    else:
        return None
    return Event(
        tenant=item.tenant,
        notification_id=item.id,
        at=now,
        kind=kind,  # type: ignore[arg-type]
        target=item.target,
        attempt=item.attempt,
        gen=item.gen,
        detail=detail,
    )


class Pace(Gate):
    """Admits mails at a rate that all senders share. Tokens that weren't needed serve the next second's mails."""

    def __init__(self, limiter: RateLimiter, bucket: str, rate_per_s: float, clock: Clock) -> None:
        self._limiter = limiter
        self._bucket = bucket
        self._rate = rate_per_s
        self._clock = clock
        self._spare = 0
        self._spare_until = 0.0
        self._turn = asyncio.Lock()

    async def admit(self, wanted: int) -> int:
        async with self._turn:
            if self._spare and time.monotonic() < self._spare_until:
                granted, self._spare = self._spare, 0
                return min(granted, wanted)
            while True:
                granted, wait_s = await self._limiter.take(self._bucket, min(wanted, 25), self._rate, self._clock())
                if granted:
                    return granted
                await asyncio.sleep(wait_s)

    def unused(self, count: int) -> None:
        if count > 0:
            self._spare = count
            self._spare_until = time.monotonic() + 1.0
