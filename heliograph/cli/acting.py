"""The commands that act, straight on the store: `dlq …`, `pause` and `resume`. The system may run or not."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.console import Console

from heliograph.cli import operate
from heliograph.cli.ending import run
from heliograph.cli.operate import Place
from heliograph.cli.options import DATA, Config, Data
from heliograph.core.mending import EDITABLE
from heliograph.core.pausing import PAUSABLE

PANEL = "Act"
console = Console()
dlq_app = typer.Typer(no_args_is_help=True, help="Dead letters: list, show, edit, replay, discard.")

Tenant = Annotated[str, typer.Option(help="Whose.")]
Letter = Annotated[str, typer.Argument(metavar="ID", help="Of the dead letter, as `dlq list` shows it.")]
Cause = Annotated[str | None, typer.Option(help="All of this cause.")]
Ids = Annotated[list[str] | None, typer.Option("--id", help="One dead letter or notification; repeat it.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would happen.")]


def register(app: typer.Typer) -> None:
    app.add_typer(dlq_app, name="dlq", rich_help_panel=PANEL)
    app.command(rich_help_panel=PANEL)(pause)
    app.command(rich_help_panel=PANEL)(resume)


@dlq_app.command("list")
def dlq_list(
    tenant: Tenant = "default",
    channel: Annotated[str | None, typer.Option(help="email, push, in_app or routing.")] = None,
    data: Data = DATA,
    config: Config = None,
) -> None:
    """Show dead letters by cause."""
    run(operate.list_dead(Place(data, config, tenant), channel, console))


@dlq_app.command("show")
def dlq_show(letter: Letter, tenant: Tenant = "default", data: Data = DATA, config: Config = None) -> None:
    """Show one whole, and what may be edited."""
    run(operate.show_dead(Place(data, config, tenant), letter, console))


@dlq_app.command("edit", help=f"Correct one and replay it. May be edited: {', '.join(EDITABLE)}.")
def dlq_edit(
    letter: Letter,
    changes: Annotated[list[str], typer.Option("--set", metavar="NAME=VALUE", help="Repeat it; data is JSON.")],
    dry_run: DryRun = False,
    tenant: Tenant = "default",
    data: Data = DATA,
    config: Config = None,
) -> None:
    wanted = dict(_change(one) for one in changes)
    run(operate.edit_dead(Place(data, config, tenant), letter, wanted, dry_run, console))


def _change(text: str) -> tuple[str, Any]:
    """`title=Hello`, `action_url=` (takes it away), `data={"a": 1}`."""
    name, separator, value = text.partition("=")
    if not separator or name not in EDITABLE:
        raise typer.BadParameter(f"--set {text}: give NAME=VALUE; NAME is one of {', '.join(EDITABLE)}")
    if name != "data":
        return name, None if name.endswith("_url") and not value else value
    try:
        return name, json.loads(value or "null")
    except ValueError as error:
        raise typer.BadParameter(f"--set data: not JSON: {error}") from error


@dlq_app.command("replay")
def dlq_replay(
    cause: Cause = None,
    ids: Ids = None,
    rate_per_s: Annotated[float | None, typer.Option("--rate", min=0.01, help="Deliveries a second.")] = None,
    dry_run: DryRun = False,
    tenant: Tenant = "default",
    data: Data = DATA,
    config: Config = None,
) -> None:
    """Try dead letters again, the most urgent first."""
    run(operate.replay_dead(Place(data, config, tenant), cause, ids, rate_per_s, dry_run, console))


@dlq_app.command("discard")
def dlq_discard(
    reason: Annotated[str, typer.Option(help="Why; stands in every timeline.")],
    cause: Cause = None,
    ids: Ids = None,
    dry_run: DryRun = False,
    tenant: Tenant = "default",
    data: Data = DATA,
    config: Config = None,
) -> None:
    """Give dead letters up for good: they stay failed."""
    if not reason.strip():
        raise typer.BadParameter("--reason is empty")
    run(operate.discard_dead(Place(data, config, tenant), cause, ids, reason, dry_run, console))


def pause(
    name: Annotated[str | None, typer.Argument(metavar="LANE|PROVIDER", help=f"Out of: {', '.join(PAUSABLE)}.")] = None,
    reason: Annotated[str, typer.Option(help="Why; shown wherever the pause is.")] = "",
    data: Data = DATA,
    config: Config = None,
) -> None:
    """Stop a lane or provider; what comes waits. No name: list."""
    if name is None:
        run(operate.list_pauses(Place(data, config), console))
    else:
        run(operate.pause(name, reason, Place(data, config), console))


def resume(
    name: Annotated[str, typer.Argument(metavar="LANE|PROVIDER")], data: Data = DATA, config: Config = None
) -> None:
    """Let a paused lane or provider go on."""
    run(operate.resume(name, Place(data, config), console))
