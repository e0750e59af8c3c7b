"""From a load and unit costs to processes, memory, disks, and what a month of it is billed by. Pure.

A process is one core. None is planned busier than `busy`, and none is alone: the loss of one must not be felt. Senders
are as many as the provider's pace can use, never more.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec

from heliograph.sizing.costs import Costs

_SECOND_US: Final = 1_000_000
_DAY_S: Final = 86_400
_MONTH_S: Final = 30 * _DAY_S
_MONTH_H: Final = 730
_COPIES: Final = 3
"""Of what is stored in a MongoDB replica set and in a NATS stream of a cluster."""
_PAGE_BYTES: Final = 700
_MAIL_BYTES: Final = 12_000
"""On the wire: a frame, and a mail with its HTML; for what leaves the data centre."""
_INDEX_SHARE: Final = 0.3
"""Of the stored bytes of a week: what a database should hold in memory."""

_ROW_US: Final = 15.0
"""A grouped insert of one document in MongoDB's server. Assumed: no MongoDB was measured."""
_NATS_BYTES: Final = 256 * 2**20


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for.

    Attributes:
        rate: notifications a second, on average; peak: how many times that in the worst minute.
        online: share that finds its user online. sockets: open WebSockets.
        mail: share of those for whom nobody is online that has an address. devices: pushes a notification.
        pace: e-mails a second that the provider takes; 0 = as many as needed.
        outage_s: for so long the queue must hold what a provider can't take.
        retention_days: how long notifications are kept.
        busy: share of a core that a process may use at the peak.
        least: processes of every role at least.
    """

    rate: float
    peak: float = 3.0
    online: float = 0.3
    sockets: int = 10_000
    mail: float = 1.0
    devices: float = 0.5
    pace: float = 0.0
    outage_s: float = 3_600.0
    retention_days: float = 90.0
    busy: float = 0.6
    least: int = 2


class Role(msgspec.Struct, frozen=True):
    """`cores` = how many would be busy at the peak; `memory_bytes` = of all its processes."""

    name: str
    processes: int
    cores: float
    memory_bytes: float
    why: str


class Backend(msgspec.Struct, frozen=True):
    name: str
    nodes: int
    cores: float
    memory_bytes: float
    disk_bytes: float
    why: str


class Driver(msgspec.Struct, frozen=True):
    """What a month is billed by. `unit` names the amount: vCPU hours, GB months, GB, mails, pushes."""

    name: str
    amount: float
    unit: str


class Sizes(msgspec.Struct, frozen=True):
    roles: list[Role]
    backends: list[Backend]
    drivers: list[Driver]

    @property
    def processes(self) -> int:
        return sum(role.processes for role in self.roles)


def sizes(load: Load, costs: Costs) -> Sizes:
    """What `load` needs at `costs`."""
    roles, backends = _roles(load, costs), _backends(load, costs)
    return Sizes(roles, backends, _drivers(load, roles, backends))


def _mails(load: Load) -> float:
    """A second, on average."""
    wanted = load.rate * (1 - load.online) * load.mail
    return min(wanted, load.pace) if load.pace else wanted


def _roles(load: Load, costs: Costs) -> list[Role]:
    peak = load.rate * load.peak
    mails = min(peak * (1 - load.online) * load.mail, load.pace or math.inf)
    paced = f"{mails:,.0f} mails/s" + (", the provider's pace" if mails == load.pace else "")
    sockets = load.sockets * costs.socket_bytes
    return [
        _role("api", load, costs, peak * costs.accept_us, f"{peak:,.0f} sends/s"),
        _role("router", load, costs, peak * costs.route_us, f"{peak:,.0f} decisions/s"),
        _role(
            "inapp-worker", load, costs, peak * load.online * costs.page_us / 2, f"{peak * load.online:,.0f} pages/s"
        ),
        _role("realtime", load, costs, peak * load.online * costs.page_us / 2, f"{load.sockets:,} sockets", sockets),
        _role("push-worker", load, costs, peak * load.devices * costs.push_us, f"{peak * load.devices:,.0f} pushes/s"),
        _role("email-worker", load, costs, mails * costs.mail_us / 2, paced),
        _role("email-sender", load, costs, mails * costs.mail_us / 2, paced),
        _role("webhooks", load, costs, mails * costs.accept_us / 10, "events come a hundred a request"),
        _role("reconciler", load, costs, 0.0, "works by itself; a second takes over"),
    ]


def _role(name: str, load: Load, costs: Costs, busy_us: float, why: str, memory: float = 0.0) -> Role:
    cores = busy_us / _SECOND_US
    processes = max(load.least, math.ceil(cores / load.busy))
    return Role(name, processes, cores, processes * costs.process_bytes + memory, why)


def _backends(load: Load, costs: Costs) -> list[Backend]:
    peak = load.rate * load.peak
    kept = load.rate * _DAY_S * load.retention_days
    stored = kept * costs.stored_bytes
    week = min(load.retention_days, 7) / load.retention_days * stored
    waiting = peak * load.outage_s * costs.queued_bytes
    online = load.sockets * costs.presence_bytes
    return [
        Backend(
            "MongoDB", _COPIES, peak * costs.rows * _ROW_US / _SECOND_US, week * _INDEX_SHARE, stored,
            f"{peak * costs.rows:,.0f} documents/s at the peak, {kept:,.0f} notifications kept",
        ),
        Backend(
            "NATS", _COPIES, peak * costs.broker_us / _SECOND_US, _NATS_BYTES, waiting,
            f"{peak * load.outage_s:,.0f} items wait out an outage of {load.outage_s:,.0f} s",
        ),
        Backend(
            "Valkey", 2, peak * costs.cache_us / _SECOND_US, online, 0.0, f"presence of {load.sockets:,} users"
        ),
    ]  # fmt: skip


def _drivers(load: Load, roles: list[Role], backends: list[Backend]) -> list[Driver]:
    mails = _mails(load) * _MONTH_S
    pages = load.rate * load.online * _MONTH_S
    cores = sum(role.processes for role in roles) + sum(one.nodes * max(1.0, one.cores / load.busy) for one in backends)
    memory = sum(role.memory_bytes for role in roles) + sum(one.nodes * one.memory_bytes for one in backends)
    disk = sum(one.nodes * one.disk_bytes for one in backends)
    return [
        Driver("processors", cores * _MONTH_H, "vCPU hours"),
        Driver("memory", memory / 2**30, "GB months"),
        Driver("disk", disk / 2**30, "GB months"),
        Driver("out", (mails * _MAIL_BYTES + pages * _PAGE_BYTES) / 2**30, "GB"),
        Driver("e-mail", mails, "mails"),
        Driver("push", load.rate * load.devices * _MONTH_S, "pushes"),
    ]
