"""Webhook handler: any provider (a push gateway, another mail service) that signs by Standard Webhooks.

Reads `POST /v1/webhooks/{provider}`, verified by the `standardwebhooks` library before a byte of it is parsed; writes
events and suppressions. A repeat has the same `webhook-id` and is recorded once. What isn't ours is counted and
answered 200, because a provider would repeat a refusal for days.
Source: github.com/standard-webhooks/standard-webhooks, spec v1.0.0.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Final, Literal

import msgspec
from litestar import Response, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler
from msgspec import Meta
from standardwebhooks import Webhook, WebhookVerificationError

from heliograph import telemetry
from heliograph.core.errors import Problem
from heliograph.core.headers import address_flaw
from heliograph.core.lanes import push_target
from heliograph.core.lifecycle import Event, EventKind, History, fold
from heliograph.core.model import Key, Millis
from heliograph.core.ports import Clock, Store
from heliograph.core.suppressing import Reason, Suppression
from heliograph.web import AnyRequest, json, raw_body, read_body

Told = Literal["delivery.delivered", "delivery.failed", "delivery.bounced", "delivery.complained", "delivery.opened",
               "delivery.clicked"]  # fmt: skip
_KIND: Final[dict[Told, EventKind]] = {
    "delivery.delivered": "delivered",
    "delivery.failed": "failed",
    "delivery.bounced": "failed",
    "delivery.complained": "complained",
    "delivery.opened": "opened",
    "delivery.clicked": "clicked",
}
_REASON: Final[dict[Told, Reason]] = {"delivery.bounced": "hard_bounce", "delivery.complained": "complaint"}
_PROVIDER: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_SECRET_BYTES: Final = 24
"""At least (the specification's lower bound); base64 makes 32 characters of them."""


class Data(msgspec.Struct, kw_only=True):
    """Which delivery it is about. `device` is the device's id (`dev_…`), needed where a push went to several."""

    notification_id: Annotated[str, Meta(max_length=64)]
    channel: Literal["email", "push"]
    tenant: Annotated[str, Meta(max_length=63)] = "default"
    device: Annotated[str, Meta(max_length=64)] | None = None
    address: Annotated[str, Meta(max_length=254)] | None = None
    """Of a mail that bounced or was complained about; by default the user's address now."""
    provider_id: Annotated[str, Meta(max_length=255)] | None = None
    reason: Annotated[str, Meta(max_length=2_000)] | None = None


class Happened(msgspec.Struct, kw_only=True):
    """The body. Fields that we don't know are the provider's own business."""

    type: Told
    timestamp: datetime
    data: Data


def parse_secrets(setting: str) -> dict[str, list[str]]:
    """`acme=whsec_…,acme=whsec_…,other=whsec_…`: by provider; several of one while its secret is being changed.

    Raises:
        ValueError: which part is wrong, without showing it.
    """
    found: dict[str, list[str]] = {}
    for number, part in enumerate((part for part in setting.split(",") if part.strip()), 1):
        provider, equals, secret = part.strip().partition("=")
        if not equals or not _PROVIDER.fullmatch(provider) or provider == "sendgrid":
            raise ValueError(f"HELIOGRAPH_WEBHOOK_SECRETS, part {number}: not provider=whsec_…")
        try:
            key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except ValueError as error:
            raise ValueError(f"HELIOGRAPH_WEBHOOK_SECRETS, part {number}: the secret is not base64") from error
        if len(key) < _SECRET_BYTES or not secret.startswith("whsec_"):
            raise ValueError(f"HELIOGRAPH_WEBHOOK_SECRETS, part {number}: not whsec_ and {_SECRET_BYTES} bytes or more")
        found.setdefault(provider, []).append(secret)
    return found


def check(secrets: Sequence[Webhook], body: bytes, headers: Mapping[str, str]) -> str:
    """The `webhook-id` of a body that one of the secrets signed within the last five minutes.

    Raises:
        Problem: `unauthorized`.
    """
    for secret in secrets:
        try:
            secret.verify(body, dict(headers), json_parse=False)
        except (WebhookVerificationError, ValueError):  # ValueError: a signature list that is none
            continue
        return headers["webhook-id"][:100]
    raise Problem("unauthorized")


def event_of(told: Happened, provider: str, unique: str, history: History, now: Millis) -> Event | None:
    """Our event, or None when that notification has no such delivery or heard it before."""
    deliveries = fold(history.events)
    if told.data.channel == "email":
        target = "email"
    elif told.data.device:
        target = push_target(told.data.device)
    else:
        pushes = [name for name in deliveries if name.startswith("push:")]
        target = pushes[0] if len(pushes) == 1 else ""
    delivery = deliveries.get(target)
    if delivery is None or any(one.unique == unique and one.provider == provider for one in history.events):
        return None
    at = told.timestamp if told.timestamp.tzinfo else told.timestamp.replace(tzinfo=UTC)
    return Event(
        tenant=history.notification.tenant,
        notification_id=history.notification.id,
        at=max(0, min(now, round(at.timestamp() * 1000))),
        kind=_KIND[told.type],
        target=target,
        attempt=delivery.attempts,
        gen=delivery.gen,
        provider=provider,
        provider_id=told.data.provider_id,
        detail=(told.data.reason or "")[:500] or None,
        unique=unique,
    )


async def take(store: Store, told: Happened, provider: str, unique: str, now: Millis) -> bool:
    """Whether it was about a delivery of ours and new."""
    # load
    history = (await store.histories([Key(told.data.tenant, told.data.notification_id)]))[0]
    event = event_of(told, provider, unique, history, now) if history else None
    if history is None or event is None:
        return False
    reason = _REASON.get(told.type) if told.data.channel == "email" else None
    address = told.data.address
    if reason and address is None:
        user = await store.user(history.notification.user_key)
        address = user.email if user else None
    # commit; the suppression first: a repeat of the event would be taken for a duplicate
    if reason and address and not address_flaw(address):
        await store.suppress([Suppression(event.tenant, address, reason, event.at)])
    await store.record([event])
    telemetry.count_ends([event])
    return True


def routes(store: Store, clock: Clock, secrets: Mapping[str, Sequence[str]]) -> list[ControllerRouterHandler]:
    webhooks = {provider: [Webhook(secret) for secret in some] for provider, some in secrets.items()}

    @post("/v1/webhooks/{provider:str}", status_code=200, opt={"body": Happened}, summary="Standard Webhooks event")
    async def told(request: AnyRequest, provider: FromPath[str]) -> Response[bytes]:
        unique = check(webhooks.get(provider, ()), await raw_body(request), request.headers)
        event = await read_body(request, Happened)
        ours = await take(store, event, provider, unique, clock())
        telemetry.webhook_events_total.labels(provider, event.type if ours else "ignored").inc()
        return json({"status": "recorded" if ours else "ignored"})

    return [told]
