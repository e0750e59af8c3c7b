"""E-mail sender: drains the outbox through the provider that its outlet admitted, the most urgent mail first.

The outlet takes the token first and the mail is chosen after, so that a P0 which arrives during the wait goes next.
Reads the outbox lanes, suppressions and preferences; writes attempts and outcomes, and suppresses addresses that don't
exist.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from heliograph import telemetry
from heliograph.attempts import Attempts
from heliograph.core.lanes import OutboxItem
from heliograph.core.lifecycle import Event
from heliograph.core.model import Key, Level, Millis
from heliograph.core.outcomes import DONE, Outcome, ProviderOutcome, Rejected
from heliograph.core.ports import Clock, MailProvider, Pulled, Store
from heliograph.core.preferences import PREFERENCE
from heliograph.core.suppressing import Suppression, stopped_by
from heliograph.gate import Admission, admission_of
from heliograph.guard import Guard
from heliograph.muting import muted


class EmailSender:
    """Args:
    providers: in order: a mail goes to the one whose guard admitted it, without guards to the first.
    guards: theirs, in the same order.
    """

    def __init__(
        self, store: Store, attempts: Attempts, providers: Sequence[MailProvider], clock: Clock,
        guards: Sequence[Guard] = (),
    ) -> None:  # fmt: skip
        self._store = store
        self._attempts = attempts
        self._providers = {provider.name: provider for provider in providers}
        self._clock = clock
        self._guards = guards

    async def handle(self, batch: Sequence[Pulled]) -> Sequence[Outcome]:
        # load
        items = [pulled.item for pulled in batch if isinstance(pulled.item, OutboxItem)]
        listed, unwanted = await asyncio.gather(
            self._store.suppressed([Key(item.tenant, item.mail.to) for item in items]),
            muted(self._store, items, "email"),
        )

        # decide
        now = self._clock()
        found = [stopped_by(reasons, item.level) for item, reasons in zip(items, listed, strict=True)]
        stops = [PREFERENCE if unwelcome else reason for unwelcome, reason in zip(unwanted, found, strict=True)]
        ended = [_ended(item, reason, now) for item, reason in zip(items, stops, strict=True)]
        going = [index for index, event in enumerate(ended) if event is None]

        # commit: attempts record themselves; the rest is recorded here
        stopped = [event for event in ended if event is not None]
        if stopped:
            await self._store.record(stopped)
            telemetry.count_ends(stopped)
        admission = admission_of(batch)

        async def call(item: OutboxItem, attempt: int) -> tuple[str, ProviderOutcome]:
            return await self._send(item, attempt, admission)

        made = await self._attempts.make([(items[index], batch[index].orphaned) for index in going], call, admission)
        outcomes: list[Outcome] = [DONE] * len(batch)
        for index, outcome in zip(going, made, strict=True):
            outcomes[index] = outcome
        return outcomes

    async def _send(self, item: OutboxItem, attempt: int, admission: Admission) -> tuple[str, ProviderOutcome]:
        if attempt - item.base > 1:
            admission = await self._elsewhere(attempt - item.base - 1, item.level, admission)
        provider = self._providers[admission.guard.provider if admission.guard else next(iter(self._providers))]
        # The mail was rendered for its first attempt; the provider's webhooks must name this one.
        args = item.mail.args | {"hg_attempt": str(attempt)}
        mail = msgspec.structs.replace(item.mail, args=args)
        outcome = await admission.call(lambda: provider.send(mail))
        if isinstance(outcome, Rejected) and outcome.bad_address:
            await self._store.suppress([Suppression(item.tenant, item.mail.to, "hard_bounce", self._clock())])
        return provider.name, outcome

    async def _elsewhere(self, turn: int, level: Level, admission: Admission) -> Admission:
        """What failed for a reason of its own is not tried at the same provider again, if another one takes it now: a
        lone mail must not wait until enough others have failed to open a breaker."""
        first = turn % max(1, len(self._guards))
        for guard in [*self._guards[first:], *self._guards[:first]]:
            if guard is admission.guard:
                return admission
            if not guard.is_open and (await guard.admit(1, level)).count:
                return Admission(1, guard)
        return admission


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
