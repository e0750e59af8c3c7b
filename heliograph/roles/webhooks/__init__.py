"""Webhook handler: what the world outside tells us: providers about mails and pushes, people that they want no more.

`sendgrid.py` reads SendGrid's signed Event Webhook, `standard.py` any provider that signs by Standard Webhooks,
`unsubscribe.py` the links in our mails. They write events and suppressions to the store and publish nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from litestar.types import ControllerRouterHandler

from heliograph.core.ports import Clock, Store
from heliograph.roles.webhooks import sendgrid, standard, unsubscribe
from heliograph.unsubscribing import UnsubscribeLinks


def routes(
    store: Store,
    clock: Clock,
    sendgrid_key: str,
    tolerance_s: float,
    secrets: Mapping[str, Sequence[str]],
    links: UnsubscribeLinks,
) -> list[ControllerRouterHandler]:
    """Args:
    sendgrid_key: without one every call is answered 401, because an unsigned webhook could be anyone's.
    secrets: of the other providers, by name (`standard.parse_secrets`).
    """
    return [
        *sendgrid.routes(store, clock, sendgrid_key, tolerance_s),
        *standard.routes(store, clock, secrets),
        *unsubscribe.routes(store, clock, links),
    ]
