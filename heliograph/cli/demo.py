"""`heliograph up --demo`: joins the demo's routes to the API and the lab of this process."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

from litestar.types import ControllerRouterHandler

from heliograph.cli.backends import Backends, now
from heliograph.cli.options import Options
from heliograph.cli.roles import Roles
from heliograph.lab.inbox import Inbox
from heliograph.lab.server import Lab
from heliograph.roles import demo

MAIL_PROVIDERS = ("sendgrid", "smtp")


def require(options: Options) -> None:
    """Raises `ValueError` when the demo can't be served as asked."""
    if options.api:
        raise ValueError("--demo is served by this process: leave --api out")
    if not demo.page_is_built():
        raise ValueError("the demo's page is not built yet: run `make demo`, which builds it and starts it")


def handlers(roles: Roles, backends: Backends, lab: Lab) -> list[ControllerRouterHandler]:
    return demo.routes(roles.tokens, roles.sending.accept, backends.store, mails_of(lab.inbox), now)


def mails_of(inbox: Inbox) -> demo.Mails:
    """The mails to the demo's people that the lab's providers took."""

    def mails(after: int) -> Sequence[dict[str, Any]]:
        found = chain.from_iterable(
            inbox.select(provider=provider, to=demo.address_of(person), after=after)
            for provider in MAIL_PROVIDERS
            for person in demo.PEOPLE
        )
        shown = (one.as_json() for one in sorted(found, key=lambda one: one.serial))
        return [{name: one[name] for name in ("id", "at", "to", "title", "body")} for one in shown]

    return mails
