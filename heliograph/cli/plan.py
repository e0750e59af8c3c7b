"""`heliograph plan`: what a load needs, what it is billed by, and what P0, P1 and P2 wait in a spike and an outage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from heliograph.core.model import Level
from heliograph.sizing.costs import Costs, measured, shipped
from heliograph.sizing.queues import LEVELS, Burst, Course, Outage, Stages, Waited, percentile, simulate
from heliograph.sizing.sizes import Load, Sizes, sizes

_DEFAULT: Final = Load(rate=0)
_MOST_SIMULATED: Final = 60_000
_MIX: Final = "0.2,0.3,0.5"
_PHASE_S: Final = 30.0
_WHAT: Final = {Level.P0: "P0 transactional", Level.P1: "P1 alert", Level.P2: "P2 marketing"}

Rate = Annotated[float, typer.Option(min=0.01, help="Notifications a second, on average.")]
Peak = Annotated[float, typer.Option(min=1, help="The worst minute, as a multiple of the average.")]
Online = Annotated[float, typer.Option(min=0, max=1, help="Share that finds its user online.")]
Sockets = Annotated[int, typer.Option(min=0, help="Open WebSockets.")]
Devices = Annotated[float, typer.Option(min=0, help="Pushes a notification.")]
Pace = Annotated[float, typer.Option(min=0, help="E-mails a second that the provider takes; 0 = as many as needed.")]
Days = Annotated[float, typer.Option(min=1, help="How long notifications are kept.")]
OutageS = Annotated[float, typer.Option(min=0, help="Seconds of a provider's outage that the queue must hold.")]
Busy = Annotated[float, typer.Option(min=0.1, max=0.95, help="Share of a core that a process may use at the peak.")]
Mix = Annotated[str, typer.Option(help="Shares of P0, P1, P2.")]
Results = Annotated[list[Path] | None, typer.Option("--bench", help="Results of `heliograph bench` on your machine.")]
Json = Annotated[bool, typer.Option("--json", help="For programs.")]


class Latency(msgspec.Struct):
    """Seconds from the send to the provider's acceptance. `phase`: before, spike or outage."""

    phase: str
    level: str
    p50_s: float
    p99_s: float
    longest_s: float


class Answer(msgspec.Struct):
    load: Load
    costs: Costs
    sizes: Sizes
    latencies: list[Latency]


def plan(  # noqa: PLR0917 - Typer makes options of them
    rate: Rate, peak: Peak = _DEFAULT.peak, online: Online = _DEFAULT.online, sockets: Sockets = _DEFAULT.sockets,
    devices: Devices = _DEFAULT.devices, pace: Pace = _DEFAULT.pace, retention_days: Days = _DEFAULT.retention_days,
    outage_s: OutageS = _DEFAULT.outage_s, busy: Busy = _DEFAULT.busy, mix: Mix = _MIX,
    bench: Results = None, json: Json = False,
) -> None:  # fmt: skip
    """Processes, memory, disks and monthly cost drivers of a load, and what P0, P1 and P2 wait in a bad hour."""
    load = Load(
        rate=rate, peak=peak, online=online, sockets=sockets, devices=devices, pace=pace, outage_s=outage_s,
        retention_days=retention_days, busy=busy,
    )  # fmt: skip
    costs = _costs(bench or [])
    found = Answer(load, costs, sizes(load, costs), list(_latencies(load, costs, _shares(mix))))
    if json:
        typer.echo(msgspec.json.format(msgspec.json.encode(found), indent=1).decode())
    else:
        _show(found, Console())


def _costs(results: Sequence[Path]) -> Costs:
    costs = shipped()
    for path in results:
        try:
            costs = measured(costs, path.read_bytes(), str(path))
        except (OSError, msgspec.MsgspecError) as error:
            raise typer.BadParameter(f"{path}: {error}", param_hint="--bench") from error
    return costs


def _shares(mix: str) -> tuple[float, ...]:
    try:
        shares = tuple(float(part) for part in mix.split(","))
    except ValueError as error:
        raise typer.BadParameter(f"three numbers, not {mix}", param_hint="--mix") from error
    if len(shares) != len(LEVELS) or min(shares) < 0 or not sum(shares):
        raise typer.BadParameter(f"three shares, not {mix}", param_hint="--mix")
    return tuple(share / sum(shares) for share in shares)


def _latencies(load: Load, costs: Costs, mix: Sequence[float]) -> Iterator[Latency]:
    """Of e-mails, in the course: as always, a spike of `peak`, as always, an outage of at most five minutes."""
    outage = Outage(4 * _PHASE_S, min(load.outage_s, 300.0))
    usual = load.rate * (1 - load.online) * load.mail
    rates = [("before", 0.0, usual), ("spike", _PHASE_S, usual * load.peak), ("outage", 2 * _PHASE_S, usual)]
    ends = [_PHASE_S, 2 * _PHASE_S, outage.at_s + outage.for_s + _PHASE_S]
    total = sum(rate * (end - start) for (_, start, rate), end in zip(rates, ends, strict=True))
    if total < 1:
        return
    group = max(1.0, total / _MOST_SIMULATED)
    waited = simulate(_course(load, rates, ends, outage, mix, group), _stages(load, costs, group))
    phases = {"before": (0.0, _PHASE_S), "spike": (_PHASE_S, 4 * _PHASE_S), "outage": (outage.at_s, ends[-1])}
    for phase, (start, end) in phases.items():
        within = [one for one in waited if start <= one.at_s < end]
        yield from (_latency(phase, level, within) for level in LEVELS)


def _course(
    load: Load, rates: Sequence[tuple[str, float, float]], ends: Sequence[float], outage: Outage,
    mix: Sequence[float], group: float,
) -> Course:  # fmt: skip
    bursts = [
        Burst(level, start, end - start, count)
        for (_, start, rate), end in zip(rates, ends, strict=True)
        for level, share in zip(LEVELS, mix, strict=True)
        if (count := round(rate * share * (end - start) / group))
    ]
    outages = [outage] if outage.for_s else []
    return Course(bursts=bursts, outages=outages, pace=(load.pace or 10 * load.rate * load.peak) / group)


def _stages(load: Load, costs: Costs, group: float) -> Stages:
    """As many processes as planned; `group` notifications are simulated as one."""
    processes = {role.name: role.processes for role in sizes(load, costs).roles}
    each = group / 1_000_000
    return Stages(
        api_s=costs.accept_us * each, router_s=costs.route_us * each, worker_s=costs.mail_us / 2 * each,
        api=processes["api"], router=processes["router"], worker=processes["email-worker"],
    )  # fmt: skip


def _latency(phase: str, level: Level, waited: Sequence[Waited]) -> Latency:
    p50, p99, longest = (percentile(waited, level, percent) for percent in (50, 99, 100))
    return Latency(phase, _WHAT[level], round(p50, 4), round(p99, 4), round(longest, 4))


def _show(found: Answer, console: Console) -> None:
    sized = found.sizes
    roles = Table("role", title=f"{sized.processes} processes", title_justify="left")
    for heading in ("processes", "cores busy at the peak", "memory"):
        roles.add_column(heading, justify="right")
    roles.add_column("because")
    for role in sized.roles:
        roles.add_row(role.name, str(role.processes), f"{role.cores:.2f}", _bytes(role.memory_bytes), role.why)
    backends = Table("server", "nodes", "cores busy, each", "memory, each", "disk, each", "because")
    for one in sized.backends:
        sizes_of = (_bytes(one.memory_bytes), _bytes(one.disk_bytes) if one.disk_bytes else "")
        backends.add_row(one.name, str(one.nodes), f"{one.cores:.2f}", *sizes_of, one.why)
    drivers = Table("a month is billed by", "amount", "unit")
    for driver in sized.drivers:
        drivers.add_row(driver.name, f"{driver.amount:,.0f}", driver.unit)
    waits = Table("phase", "level", "p50", "p99", "longest", title="Send to mail, simulated", title_justify="left")
    for wait in found.latencies:
        waits.add_row(wait.phase, wait.level, *map(_seconds, (wait.p50_s, wait.p99_s, wait.longest_s)))
    for table in (roles, backends, drivers, waits):
        console.print(table)
    console.print("[dim]Unit costs and their sources: --json. Your machine's own: --bench RESULT.json[/]")


def _bytes(amount: float) -> str:
    for unit in ("B", "KB", "MB", "GB"):
        if amount < 1024:
            return f"{amount:,.0f} {unit}"
        amount /= 1024
    return f"{amount:,.1f} TB"


def _seconds(amount: float) -> str:
    return f"{amount * 1000:,.0f} ms" if amount < 1 else f"{amount:,.1f} s"
