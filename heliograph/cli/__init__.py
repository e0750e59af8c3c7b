"""The command line. `heliograph up` is all a newcomer needs; `heliograph --help` lists the rest."""

from __future__ import annotations

import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any

import typer
import uvloop
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from heliograph import __version__
from heliograph.backends.servers import ServerFailed
from heliograph.cli import operate
from heliograph.cli.options import LAB_PORT, Options
from heliograph.cli.plan import plan
from heliograph.cli.restart import restart as replace_all
from heliograph.cli.roles import ROLES, WORKERS
from heliograph.cli.up import needs_http, run, run_lab
from heliograph.core.errors import Problem, StoreUnavailable
from heliograph.core.keys import SCOPES
from heliograph.providers.vapid import new_key_pair
from heliograph.settings import load

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
keys_app = typer.Typer(no_args_is_help=True, help="Server keys, and the key pair of Web Push.")
dlq_app = typer.Typer(no_args_is_help=True, help="Dead letters.")
app.add_typer(keys_app, name="keys")
app.add_typer(dlq_app, name="dlq")
app.command()(plan)
console = Console()

Port = Annotated[int, typer.Option(help="HTTP and WebSocket port.")]
Data = Annotated[Path, typer.Option(help="The data folder of the embedded default.")]
Config = Annotated[Path | None, typer.Option(help="A TOML file with settings; see heliograph/default.toml.")]
Tenant = Annotated[str, typer.Option(help="Whose.")]
KeyName = Annotated[str, typer.Argument(help="Its name, or its beginning as `list` shows it.")]
DATA = Path("heliograph-data")


def _run(work: Coroutine[Any, Any, None]) -> None:
    """Runs it on uvloop; what a person can mend is one line and exit code 1."""
    try:
        uvloop.run(work)
    except (ValidationError, ValueError, OSError, ServerFailed, StoreUnavailable, Problem) as error:
        Console(stderr=True).print(f"[red]heliograph: {error}[/]", soft_wrap=True, highlight=False)
        raise typer.Exit(1) from error


@app.command()
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
    _run(run(Options(
        ROLES, data, port, config, api, realtime, workers, autoscale, lab or demo, lab_port, demo=demo,
    ), console))  # fmt: skip


@app.command("run")
def run_roles(
    roles: Annotated[list[str], typer.Argument(help=f"Out of: {', '.join(ROLES)}.")],
    port: Annotated[int | None, typer.Option(help="HTTP port; 8080 for roles that serve HTTP, else none.")] = None,
    listen_fd: Annotated[int | None, typer.Option(hidden=True)] = None,
    tell_fd: Annotated[int | None, typer.Option(hidden=True)] = None,
    config: Config = None,
) -> None:
    """Run some roles of a cluster against the servers that the settings name."""
    unknown = [role for role in roles if role not in ROLES]
    if unknown:
        raise typer.BadParameter(f"unknown role: {', '.join(unknown)}")
    chosen = port if port is not None else 8080 if needs_http(roles) and listen_fd is None else None
    names = tuple(dict.fromkeys(roles))
    options = Options(names, Path(), chosen, config, bundled=False, listen_fd=listen_fd, tell_fd=tell_fd)
    _run(run(options, console))


@app.command()
def autoscale(data: Data = DATA, config: Config = None) -> None:
    """Run the worker roles of a cluster on this machine, as many processes of each as its lanes need."""
    _run(run(Options(WORKERS, data, None, config, autoscale=True, bundled=False), console))


@app.command()
def restart(data: Data = DATA) -> None:
    """Replace the processes of `heliograph up --api … --realtime … --workers …` one after another, without a gap."""

    async def replaced() -> None:
        failure = await replace_all(data)
        if failure:
            raise ServerFailed(failure)

    _run(replaced())
    console.print("Every process was replaced.")


@app.command()
def lab(port: Annotated[int, typer.Option(help="HTTP port; SMTP and APNs are on the next two.")] = LAB_PORT) -> None:
    """Start the provider lab alone: local SendGrid, SMTP, FCM, APNs, Web Push and Expo."""
    _run(run_lab(port, console))


@app.command()
def check(config: Config = None) -> None:
    """Validate the settings and print the effective ones, secrets masked."""
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
    _run(operate.create_key(tenant, name, scopes or SCOPES, data, config, console, days=days, rate=rate, daily=daily))


@keys_app.command("list")
def keys_list(tenant: Tenant, data: Data = DATA, config: Config = None) -> None:
    """A tenant's server keys, ended ones too."""
    _run(operate.list_keys(tenant, data, config, console))


@keys_app.command("rotate")
def keys_rotate(
    tenant: Tenant,
    name: KeyName,
    keep_h: Annotated[float, typer.Option("--keep-hours", min=0, help="How long the old one works on.")] = 24.0,
    data: Data = DATA,
    config: Config = None,
) -> None:
    """Make a key's successor, which is shown once; the old one ends by itself."""
    _run(operate.rotate_key(tenant, name, keep_h, data, config, console))


@keys_app.command("revoke")
def keys_revoke(tenant: Tenant, name: KeyName, data: Data = DATA, config: Config = None) -> None:
    """End keys now: every node refuses them within 5 seconds."""
    _run(operate.revoke_keys(tenant, name, data, config, console))


@keys_app.command("vapid")
def keys_vapid() -> None:
    """Make a key pair for Web Push. The private key is a secret; changing it ends every subscription."""
    pair = new_key_pair()
    typer.echo(f"HELIOGRAPH_VAPID_PRIVATE_KEY={pair.private}")
    typer.echo(f"public key (web pages ask GET /v1/webpush/key for it): {pair.public}")


@dlq_app.command("list")
def dlq_list(
    tenant: Tenant = "default",
    channel: Annotated[str | None, typer.Option(help="email, push, in_app or routing.")] = None,
    data: Data = DATA,
    config: Config = None,
) -> None:
    """Dead letters by cause."""
    _run(operate.list_dead(tenant, channel, data, config, console))


@dlq_app.command("replay")
def dlq_replay(
    cause: Annotated[str | None, typer.Option(help="All of this cause.")] = None,
    ids: Annotated[list[str] | None, typer.Option("--id", help="One dead letter or notification; repeat it.")] = None,
    rate_per_s: Annotated[float | None, typer.Option("--rate", help="Deliveries a second.")] = None,
    tenant: Tenant = "default",
    data: Data = DATA,
    config: Config = None,
) -> None:
    """Try dead letters again."""
    _run(operate.replay_dead(tenant, cause, ids, rate_per_s, data, config, console))


@app.command()
def version() -> None:
    """Print the version."""
    console.print(f"heliograph {__version__} (Python {sys.version.split()[0]})")


__all__ = ["app"]
