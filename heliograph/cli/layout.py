"""Which roles run in which processes of this machine, and what those processes are told.

Decided by the command line alone. Roles that are in no pool run in the process of `heliograph up` itself.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from heliograph.autoscaling import SCALED, bounds_of
from heliograph.cli.backends import BundledServers
from heliograph.cli.options import Options
from heliograph.cli.roles import WORKERS
from heliograph.settings import Settings


class Group(NamedTuple):
    """The processes of a pool. `doors`: each serves HTTP, on a port of its own behind the load balancer."""

    name: str
    roles: tuple[str, ...]
    size: int
    doors: bool = False

    @property
    def account(self) -> str:
        """Under which its processes speak to the bundled NATS and Valkey (`backends/servers/accounts.py`)."""
        return self.name if self.name in ("api", "realtime") else "worker"


def groups_of(options: Options, settings: Settings) -> list[Group]:
    """In the order in which they are replaced. Raises `ValueError` for what doesn't go together."""
    if options.workers and options.autoscale:
        raise ValueError("--autoscale decides how many workers there are: leave --workers out; see autoscale_processes")
    groups = [
        Group("api", ("api", "webhooks"), options.api, doors=True),
        Group("realtime", ("realtime",), options.realtime, doors=True),
        Group("workers", WORKERS, options.workers),
        *(_scaled(settings) if options.autoscale else ()),
    ]
    return [group for group in groups if group.size]


def _scaled(settings: Settings) -> list[Group]:
    """A pool for each role. Of several reconcilers one works at a time: it needs no number of its own."""
    bounds = bounds_of(settings.autoscale_processes, settings.autoscale_target_s, settings.autoscale_calm_s)
    beside = {"router": ("reconciler",)}
    return [Group(role, (role, *beside.get(role, ())), bounds[role].floor) for role in SCALED]


def left_here(options: Options, groups: Sequence[Group]) -> list[str]:
    """The roles of `heliograph up`'s own process."""
    elsewhere = {role for group in groups for role in group.roles}
    return [role for role in options.roles if role not in elsewhere]


def environment_of(
    options: Options, settings: Settings, servers: BundledServers, account: str, secrets: tuple[str, str],
    lab: Mapping[str, object],
) -> dict[str, str]:  # fmt: skip
    """What every process of a pool finds in its environment: where the servers are, with what its account may do, and
    what was made for this installation. All else it reads from the same file, anew whenever it starts."""
    nats_url, redis_url = servers.urls_of(account)
    own = f"http://{settings.host}:{options.port}" if options.port is not None else ""
    told = {
        "STORE_URL": settings.store_url.get_secret_value() or f"sqlite:///{options.folder.resolve() / 'heliograph.db'}",
        "NATS_URL": nats_url,
        "REDIS_URL": redis_url,
        "USER_TOKEN_SECRET": secrets[0],
        "BOOTSTRAP_KEY": secrets[1],
        "PUBLIC_URL": settings.public_url or own,
    }
    given = {f"HELIOGRAPH_{name.upper()}": str(value) for name, value in lab.items()}
    return {**given, **os.environ, **{f"HELIOGRAPH_{name}": value for name, value in told.items()}}
