"""Builds the chosen roles out of settings and backends: the only place that knows every part."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from typing import Any, Final

from litestar.types import ControllerRouterHandler

from heliograph import telemetry
from heliograph.access import ServerKeys, UserTokens
from heliograph.attempts import Attempts
from heliograph.autoscaling import Autoscaler, bounds_of
from heliograph.cli.admission import door_of, quotas_of, signing_keys_of
from heliograph.cli.backends import Backends, now
from heliograph.cli.guards import guards_of
from heliograph.cli.limits import limits_of
from heliograph.cli.providers import Providers, allowed_hosts
from heliograph.consumer import Consumer, Handle
from heliograph.core.lanes import EMAIL, INAPP, INGEST, OUTBOX, PUSH_LANES, Lane
from heliograph.core.model import Level
from heliograph.core.ports import PushProvider, ReceiptProvider
from heliograph.core.retry import RetryPolicy
from heliograph.fanout import InboxFanout
from heliograph.guard import Guard
from heliograph.outlet import Outlet
from heliograph.pausing import Pauses, PauseWatch
from heliograph.planning import Planner
from heliograph.reporting import Reporter
from heliograph.roles import webhooks
from heliograph.roles.api import (
    autoscale,
    bulk,
    dead_letters,
    email_settings,
    inbox,
    notifications,
    operations,
    preferences,
    sending,
    suppressions,
    topics,
    users,
    webpush,
)
from heliograph.roles.email_sender import EmailSender
from heliograph.roles.email_worker import EmailWorker
from heliograph.roles.heartbeat import Heartbeat
from heliograph.roles.inapp_worker import InAppWorker
from heliograph.roles.push_receipts import PushReceipts
from heliograph.roles.push_worker import PushWorker
from heliograph.roles.realtime.node import RealtimeNode
from heliograph.roles.reconciler import Reconciler
from heliograph.roles.router import Router
from heliograph.roles.webhooks.standard import parse_secrets
from heliograph.runtime import Service
from heliograph.senders import Senders
from heliograph.settings import Settings, keep_of
from heliograph.sweeping import Sweeper
from heliograph.unsubscribing import UnsubscribeLinks
from heliograph.web import Callers
from heliograph.work import WorkReports

HTTP_ROLES: Final = ("api", "webhooks", "realtime")
ROLES: Final = (
    "api", "router", "inapp-worker", "push-worker", "email-worker", "email-sender", "realtime", "webhooks",
    "reconciler",
)  # fmt: skip
WORKERS: Final = tuple(role for role in ROLES if role not in HTTP_ROLES)
_LEASE_MARGIN_S: Final = 5.0
_MAILS: Final = 25
"""In a batch of the e-mail sender."""
_PUSHES: Final = 100
_RESENT: Final = {"none": frozenset[Level](), "p0": frozenset({Level.P0}), "all": frozenset(Level)}
"""By the setting `resend_unknown`."""
_RECEIPT_ROUNDS: Final = 10
"""Rounds in the time after which a receipt is due: none is asked for much later than that."""


class Roles:
    """One process's roles. `services` run; `handlers` and `node` are served by the HTTP server beside them."""

    def __init__(
        self, names: Sequence[str], settings: Settings, backends: Backends, providers: Providers,
        token_secret: str, bootstrap_key: str, links: UnsubscribeLinks,
    ) -> None:  # fmt: skip
        self._settings = settings
        self._backends = backends
        self._providers = providers
        self._links = links
        self._keys = ServerKeys(backends.store, now, bootstrap_key)
        self._signing_keys = signing_keys_of(settings)
        self.tokens = UserTokens(token_secret, now, self._signing_keys)
        self._planner = Planner(backends.store, backends.presence, now, providers.means)
        self.pauses = Pauses()
        self.guards = guards_of(settings, backends.cells, [one.name for one in providers.everyone], self.pauses)
        self.door = door_of(settings)
        self.autoscaler = self._autoscaler()
        self.sending = sending.Sending(
            backends.store, backends.queue, now, settings.accept_high_water, door=self.door,
            quotas=quotas_of(settings, backends.cells), within_s=settings.accept_within_s,
        )  # fmt: skip
        self.node = self._realtime() if "realtime" in names else None
        self.handlers = self._handlers(names)
        self.services = self._services(names)

    async def providers_in_words(self) -> dict[str, str]:
        """How each provider's account is; also sets their gauges."""
        words = await asyncio.gather(*(guard.look() for guard in self.guards.values()))
        return dict(zip(self.guards, words, strict=True))

    def _realtime(self) -> RealtimeNode:
        b, s = self._backends, self._settings
        node_id = f"rt-{secrets.token_hex(6)}"
        return RealtimeNode(
            node_id, self.tokens, b.presence, b.streams, b.bus, b.store, now,
            presence_ttl_s=s.presence_ttl_s, heartbeat_s=s.heartbeat_s, limits=limits_of(s),
        )  # fmt: skip

    def _handlers(self, names: Sequence[str]) -> list[ControllerRouterHandler]:
        b, s = self._backends, self._settings
        callers = Callers(self._keys, self.tokens)
        handlers: list[ControllerRouterHandler] = []
        if "api" in names:
            handlers += sending.routes(self.sending, callers, now)
            handlers += bulk.routes(bulk.BulkSending(self.sending, b.store, now), callers)
            handlers += topics.routes(b.store, callers)
            handlers += notifications.routes(b.store, callers, now)
            handlers += preferences.routes(b.store, callers, now)
            handlers += users.routes(b.store, b.presence, b.bus, callers, now, allowed_hosts(s))
            handlers += webpush.routes(self._providers.webpush_key, callers)
            handlers += inbox.routes(b.store, InboxFanout(b.presence, b.bus, now), callers, now)
            handlers += operations.routes(b.store, b.queue, b.cells, callers, now, self.providers_in_words)
            handlers += dead_letters.routes(b.store, callers, now)
            handlers += autoscale.routes(self.autoscaler.sizes)
            handlers += suppressions.routes(b.store, callers, now)
            handlers += email_settings.routes(Senders(b.store, now), callers)
        if "webhooks" in names:
            secrets_of = parse_secrets(s.webhook_secrets.get_secret_value())
            handlers += webhooks.routes(
                b.store, now, s.sendgrid_webhook_key, s.webhook_tolerance_s, secrets_of, self._links
            )  # fmt: skip
        return handlers

    def _services(self, names: Sequence[str]) -> list[Service]:
        makers = {
            "router": self._router,
            "inapp-worker": self._inapp_worker,
            "push-worker": self._push_worker,
            "email-worker": self._email_worker,
            "email-sender": self._email_sender,
            "reconciler": self._reconciler,
        }
        services: list[Service] = [service for name in names if name in makers for service in makers[name]()]
        services += [PauseWatch(self._backends.store, self.pauses), self._reporter(names, services)]
        if self._signing_keys and {*names} & {*HTTP_ROLES}:
            services.append(self._signing_keys)
        workers = [service for service in services if isinstance(service, Consumer)]
        if workers:
            services.append(WorkReports(workers, self._backends.cells, now))
        return [*services, self.node] if self.node else services

    def _reporter(self, names: Sequence[str], services: Sequence[Service]) -> Service:
        node, reconciler = self.node, next((one for one in services if isinstance(one, Reconciler)), None)
        return Reporter(
            self._backends.cells, now, names, sockets=lambda: node.counters.connections if node else 0,
            reconciled_at=lambda: reconciler.reconciled_at if reconciler else None,
        )  # fmt: skip

    def _router(self) -> Sequence[Service]:
        b, s = self._backends, self._settings
        role = Router(b.store, b.queue, self._planner, now, round(s.unseen_after_s * 1000))
        return [self._consumer(INGEST, role.handle, batch_max=s.batch_max)]

    def _inapp_worker(self) -> Sequence[Service]:
        b = self._backends
        role = InAppWorker(b.store, b.streams, b.bus, now)
        return [self._consumer(INAPP, role.handle, batch_max=self._settings.batch_max)]

    def _push_worker(self) -> Sequence[Service]:
        """A consumer for each push provider's lane. Without its provider a lane still has to end what is in it."""
        after_s, receipts = self._settings.expo_receipt_after_s, self._providers.receipts
        role = PushWorker(self._backends.store, self._attempts(), self._providers.push, now, after_s)
        lanes: dict[Lane, PushProvider | None] = {}
        for kind, lane in PUSH_LANES.items():
            lanes[lane] = lanes.get(lane) or self._providers.push.get(kind)
        senders = [
            self._sender(lane, role.handle, _PUSHES, [self.guards[provider.name]] if provider else None)
            for lane, provider in lanes.items()
        ]
        return [*senders, self._push_receipts(receipts, after_s)] if receipts else senders

    def _push_receipts(self, providers: Sequence[ReceiptProvider], after_s: float) -> Service:
        every_s = after_s / _RECEIPT_ROUNDS
        return PushReceipts(self._backends.store, providers, now, after_s=after_s, every_s=every_s)

    def _email_worker(self) -> Sequence[Service]:
        b = self._backends
        role = EmailWorker(b.store, b.queue, now, Senders(b.store, now), self._links)
        return [self._consumer(EMAIL, role.handle, batch_max=self._settings.batch_max)]

    def _email_sender(self) -> Sequence[Service]:
        if not self._providers.mail:
            telemetry.logger("cli").warning("no_email_provider", action="start", hint="no e-mail will be sent")
        attempts = self._attempts(_RESENT[self._settings.resend_unknown])
        guards = [self.guards[provider.name] for provider in self._providers.mail]
        role = EmailSender(self._backends.store, attempts, self._providers.mail, now, guards)
        return [self._sender(OUTBOX, role.handle, _MAILS, guards)]

    def _sender(self, lane: Lane, handle: Handle, batch_max: int, guards: Sequence[Guard] | None) -> Consumer:
        """A consumer whose items go to a provider."""
        if guards is None:
            return self._consumer(lane, handle, batch_max=batch_max)
        outlet = Outlet(guards, now)
        return self._consumer(lane, handle, batch_max=batch_max, slots=outlet.slots, gate=outlet)

    def _consumer(self, lane: Lane, handle: Handle, **options: Any) -> Consumer:
        b = self._backends
        return Consumer(lane, handle, b.queue, b.store, now, pauses=self.pauses, **options)

    def _reconciler(self) -> Sequence[Service]:
        b, s = self._backends, self._settings
        reconciler = Reconciler(
            b.store, b.queue, self._planner, now, unseen_after_s=s.unseen_after_s, every_s=s.reconcile_every_s,
            batch=s.reconcile_batch, pauses=self.pauses, sweeper=Sweeper(b.store, keep_of(s)),
        )  # fmt: skip
        every_s = s.heartbeat_notification_every_s
        if not every_s:
            return [reconciler]
        return [reconciler, Heartbeat(b.store, b.queue, b.presence, b.streams, b.bus, now, every_s)]

    def _autoscaler(self) -> Autoscaler:
        b, s = self._backends, self._settings
        bounds = bounds_of(s.autoscale_processes, s.autoscale_target_s, s.autoscale_calm_s)
        mail = [self.guards[provider.name] for provider in self._providers.mail]
        push = [self.guards[name] for name in dict.fromkeys(p.name for p in self._providers.push.values())]
        return Autoscaler(b.queue, b.cells, now, bounds, {"email-sender": mail, "push-worker": push}, self.pauses)

    def _attempts(self, resent: frozenset[Level] = frozenset(Level)) -> Attempts:
        """`resent`: the levels whose attempts of unknown outcome are repeated at once."""
        s = self._settings
        policy = RetryPolicy(s.retry_base_s, s.retry_ceiling_s, s.retry_max_attempts, resent, s.unknown_hold_s)
        return Attempts(self._backends.store, now, policy, s.provider_timeout_s + _LEASE_MARGIN_S)
