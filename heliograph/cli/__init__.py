"""Notifications for web and phone. `heliograph up` is all a newcomer needs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from heliograph import __version__
from heliograph.backends.servers import ServerFailed
from heliograph.cli import acting, keeping, oncall, operate
from heliograph.cli.ending import run as run_to_end
from heliograph.cli.options import DATA, LAB_PORT, Config, Data, Options
from heliograph.cli.plan import plan
from heliograph.cli.restart import restart as replace_all
from heliograph.cli.roles import ROLES, WORKERS
from heliograph.cli.up import needs_http, run, run_lab
from heliograph.core.keys import SCOPES
from heliograph.providers.vapid import new_key_pair
from heliograph.settings import load

RUN, SET_UP = "Run", "Set up"

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
keys_app = typer.Typer(no_args_is_help=True, help="Server keys, and the key pair of Web Push.")
console = Console()

Port = Annotated[int, typer.Option(help="HTTP and WebSocket port.")]
Tenant = Annotated[str, typer.Option(help="Whose.")]
KeyName = Annotated[str, typer.Argument(help="Its name, or its beginning as `list` shows it.")]


@app.command(rich_help_panel=RUN)
def up(  # noqa: PLR0917 - Typer makes options of them
    port: Port = 8080,
    data: Data = DATA,
    api: Annotated[int, typer.Option(min=0, max=64, help="API processes behind a local nginx; 0 = in-process.")] = 0,
    realtime: Annotated[int, typer.Option(min=0, max=64, help="Real-time processes behind it; 0 = in-process.")] = 0,
    workers: Annotated[int, typer.Option(min=0, max=64, help="Processes of all other roles; 0 = in-process.")] = 0,
    autoscale: Annotated[bool, typer.Option(help="As many processes of each worker role as its lanes need.")] = False,
    lab: Annotated[bool, typer.Option(help="Start the provider lab and point every provider at it.")] = False,
    lab_port: Annotated[int, typer.Option(help="The lab's HTTP port; SMTP and APNs are on the next two.")] = LAB_PORT,
    demo: Annotated[bool, typer.Option(help="Serve the demo shop at /demo; starts the lab too.")] = False,
    config: Config = None,
) -> None:
    """Start the whole system on the embedded default."""
    run_to_end(run(Options(
        ROLES, data, port, config, api, realtime, workers, autoscale, lab or demo, lab_port, demo=demo,
    ), console))  # fmt: skip


@app.command("run", rich_help_panel=RUN)
def run_roles(
    roles: Annotated[list[str], typer.Argument(help=f"Out of: {', '.join(ROLES)}.")],
    port: Annotated[int | None, typer.Option(help="HTTP port; 8080 for roles that serve HTTP, else none.")] = None,
    listen_fd: Annotated[int | None, typer.Option(hidden=True)] = None,
    tell_fd: Annotated[int | None, typer.Option(hidden=True)] = None,
    config: Config = None,
) -> None:
    """Run some roles of a cluster."""
    unknown = [role for role in roles if role not in ROLES]
    if unknown:
        raise typer.BadParameter(f"unknown role: {', '.join(unknown)}")
    chosen = port if port is not None else 8080 if needs_http(roles) and listen_fd is None else None
    names = tuple(dict.fromkeys(roles))
    options = Options(names, Path(), chosen, config, bundled=False, listen_fd=listen_fd, tell_fd=tell_fd)
    run_to_end(run(options, console))


@app.command(rich_help_panel=RUN)
def autoscale(data: Data = DATA, config: Config = None) -> None:
    """Run the worker roles of a cluster on this machine, as many processes of each as its lanes need."""
    run_to_end(run(Options(WORKERS, data, None, config, autoscale=True, bundled=False), console))


@app.command(rich_help_panel=RUN)
def restart(data: Data = DATA) -> None:
    """Replace the processes of `heliograph up --api … --realtime … --workers …` one after another, without a gap."""

    async def replaced() -> None:
        failure = await replace_all(data)
        if failure:
            raise ServerFailed(failure)

    run_to_end(replaced())
    console.print("Every process was replaced.")


@app.command(rich_help_panel=RUN)
def lab(port: Annotated[int, typer.Option(help="HTTP port; SMTP and APNs are on the next two.")] = LAB_PORT) -> None:
    """Start local stand-ins for all providers, alone."""
    run_to_end(run_lab(port, console))


@app.command(rich_help_panel=SET_UP)
def check(config: Config = None) -> None:
    """Validate the settings and print them, secrets masked."""
    try:
        settings = load(config)
    except ValidationError as error:
        Console(stderr=True).print(f"[red]{error}[/]")
        raise typer.Exit(1) from error
    table = Table("setting", "value")
    for name, value in settings.shown().items():
        table.add_row(name, value)
    console.print(table)
    for warning in operate.warnings(settings):
        console.print(f"[yellow]warning:[/] {warning}")


@keys_app.command("create")
def keys_create(
    tenant: Tenant,
    name: Annotated[str, typer.Option(help="What to rotate it by; its beginning by default.")] = "",
    scopes: Annotated[
        list[str] | None,
        typer.Option("--scope", help=f"What it may do; repeat it for more: {', '.join(SCOPES)}. All by default."),
    ] = None,
    days: Annotated[float | None, typer.Option("--expires-in-days", min=0, help="Never by default.")] = None,
    rate: Annotated[float | None, typer.Option(min=0, help="Notifications a second; 0 = no limit.")] = None,
    daily: Annotated[int | None, typer.Option(min=0, help="Notifications a UTC day; 0 = no limit.")] = None,
    data: Data = DATA,
    config: Config = None,
) -> None:
    """Make a server key for a tenant; it is shown once."""
    run_to_end(
        operate.create_key(tenant, name, scopes or SCOPES, data, config, console, days=days, rate=rate, daily=daily)
    )


@keys_app.command("list")
def keys_list(tenant: Tenant, data: Data = DATA, config: Config = None) -> None:
    """A tenant's server keys, ended ones too."""
    run_to_end(operate.list_keys(tenant, data, config, console))


@keys_app.command("rotate")
def keys_rotate(
    tenant: Tenant,
    name: KeyName,
    keep_h: Annotated[float, typer.Option("--keep-hours", min=0, help="How long the old one works on.")] = 24.0,
    data: Data = DATA,
    config: Config = None,
) -> None:
    """Make a key's successor, which is shown once; the old one ends by itself."""
    run_to_end(operate.rotate_key(tenant, name, keep_h, data, config, console))


@keys_app.command("revoke")
def keys_revoke(tenant: Tenant, name: KeyName, data: Data = DATA, config: Config = None) -> None:
    """End keys now: every node refuses them within 5 seconds."""
    run_to_end(operate.revoke_keys(tenant, name, data, config, console))


@keys_app.command("vapid")
def keys_vapid() -> None:
    """Make a key pair for Web Push. The private key is a secret; changing it ends every subscription."""
    pair = new_key_pair()
    typer.echo(f"HELIOGRAPH_VAPID_PRIVATE_KEY={pair.private}")
    typer.echo(f"public key (web pages ask GET /v1/webpush/key for it): {pair.public}")


@app.command(rich_help_panel=SET_UP)
def version() -> None:
    """Print the version."""
    console.print(f"heliograph {__version__} (Python {sys.version.split()[0]})")


for part in (oncall, acting, keeping):
    part.register(app)
app.command(rich_help_panel=SET_UP)(plan)
app.add_typer(keys_app, name="keys", rich_help_panel=SET_UP)

__all__ = ["SET_UP", "app"]
