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
from heliograph.cli import acting, keeping, oncall, operate
from heliograph.cli.ending import run as run_to_end
from heliograph.cli.options import DATA, LAB_PORT, Config, Data, Options
from heliograph.cli.plan import plan
from heliograph.cli.roles import ROLES
from heliograph.cli.up import needs_http, run, run_lab
from heliograph.providers.vapid import new_key_pair
from heliograph.settings import load

RUN, SET_UP = "Run", "Set up"

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
keys_app = typer.Typer(no_args_is_help=True, help="Server keys, and the key pair of Web Push.")
console = Console()

Port = Annotated[int, typer.Option(help="HTTP and WebSocket port.")]
Tenant = Annotated[str, typer.Option(help="Whose.")]


@app.command(rich_help_panel=RUN)
def up(
    port: Port = 8080,
    data: Data = DATA,
    api: Annotated[int, typer.Option(min=0, max=64, help="API processes behind a local nginx; 0 = in-process.")] = 0,
    lab: Annotated[bool, typer.Option(help="Start the provider lab and point every provider at it.")] = False,
    lab_port: Annotated[int, typer.Option(help="The lab's HTTP port; SMTP and APNs are on the next two.")] = LAB_PORT,
    demo: Annotated[bool, typer.Option(help="Serve the demo shop at /demo; starts the lab too.")] = False,
    config: Config = None,
) -> None:
    """Start the whole system on the embedded default."""
    run_to_end(run(Options(ROLES, data, port, config, api, lab or demo, lab_port, demo=demo), console))


@app.command("run", rich_help_panel=RUN)
def run_roles(
    roles: Annotated[list[str], typer.Argument(help=f"Out of: {', '.join(ROLES)}.")],
    port: Annotated[int | None, typer.Option(help="HTTP port; 8080 for roles that serve HTTP, else none.")] = None,
    config: Config = None,
) -> None:
    """Run some roles of a cluster."""
    unknown = [role for role in roles if role not in ROLES]
    if unknown:
        raise typer.BadParameter(f"unknown role: {', '.join(unknown)}")
    chosen = port if port is not None else 8080 if needs_http(roles) else None
    run_to_end(run(Options(tuple(dict.fromkeys(roles)), Path(), chosen, config, bundled=False), console))


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
def keys_create(tenant: Tenant, data: Data = DATA, config: Config = None) -> None:
    """Make a server key for a tenant; it is shown once."""
    run_to_end(operate.create_key(tenant, data, config, console))


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
