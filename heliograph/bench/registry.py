"""Every scenario, one row each: `heliograph bench NAME` runs the module of that name in `scenarios/`.

To add one: a module with `async def run(bench: Bench) -> Result` and a row here. Imports nothing until it runs.
"""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple, cast

from heliograph.bench.scenario import Bench, Result


class Scenario(NamedTuple):
    """`on_demand`: needs what is installed on demand; not part of `all`."""

    name: str
    help: str
    on_demand: bool = False

    @property
    def run(self) -> Callable[[Bench], Awaitable[Result]]:
        module = importlib.import_module(f"heliograph.bench.scenarios.{self.name}")
        return cast("Callable[[Bench], Awaitable[Result]]", module.run)


SCENARIOS: Final = (
    Scenario("accept", "Durable single sends, beside the same server's empty 202 and the store's commits alone."),
    Scenario("bulk", "Durable bulk sends, beside an empty 202 and the store's commits alone."),
    Scenario("drain", "Router to channel with a provider that does nothing: into the inbox, and as e-mail."),
    Scenario("online", "From a send to the user's open page, beside its steps alone."),
    Scenario("offline", "From a send to the lab's mailbox, beside its steps alone."),
    Scenario(
        "priority", "P0 from its 202 to the provider while a crowd of P2 waits and the provider's pace is used up."
    ),
    Scenario("sockets", "Open pages: memory each, how fast they connect, deliveries for a processor second."),
    Scenario("recovery", "How fast a backlog goes after an outage: of the provider, and of the queue's data."),
    Scenario("growth", "Throughput with few and with many notifications stored."),
    Scenario("cost", "Commands, rows and messages a notification under load: exact, on any machine."),
    Scenario("model", "A spike, beside what the queue model of `heliograph plan` says of it."),
    Scenario("push", "The push worker into FCM, beside a bare HTTP client and `firebase-admin`."),
    Scenario("smtp", "The SMTP provider, beside a bare loop of its client."),
    Scenario("webhooks", "SendGrid's events, beside the store's commits alone."),
    Scenario(
        "peers",
        "The same job by FastAPI + Celery and by Express + BullMQ (`make peers` installs them).",
        on_demand=True,
    ),
)
ALL: Final = tuple(scenario for scenario in SCENARIOS if not scenario.on_demand)
