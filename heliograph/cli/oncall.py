"""The commands that look at a running system, over HTTP: `status` and `trace`."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Annotated

import typer
from rich.console import Console

from heliograph.cli import status as status_screen
from heliograph.cli import trace as trace_screen
from heliograph.cli.calling import KEY, URL, calling
from heliograph.cli.ending import run
from heliograph.cli.options import DATA, Data

Url = Annotated[str | None, typer.Option(help=f"Where the system is; else {URL}, else found in the data folder.")]
Key = Annotated[str | None, typer.Option(help=f"A server key; else {KEY}, else found in the data folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON, for scripts.")]
PANEL = "Look"
console = Console()


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel=PANEL)(status)
    app.command(rich_help_panel=PANEL)(trace)


def status(
    once: Annotated[bool, typer.Option(help="Print it once instead of live.")] = False,
    as_json: AsJson = False,
    url: Url = None,
    key: Key = None,
    data: Data = DATA,
) -> None:
    """Show how everything is doing, live."""

    async def work() -> None:
        async with calling(url, key, data) as caller:
            if as_json:
                typer.echo(json.dumps(await caller.get("/v1/status"), indent=2))
            elif once or not console.is_terminal:
                await status_screen.show_once(caller, console)
            else:
                await status_screen.watch(caller, console)

    with suppress(KeyboardInterrupt):
        run(work())


def trace(
    name: Annotated[str, typer.Argument(metavar="ID", help="Of a notification (ntf_…) or a batch (bat_…).")],
    as_json: AsJson = False,
    url: Url = None,
    key: Key = None,
    data: Data = DATA,
) -> None:
    """Tell what happened to a notification and why."""

    async def work() -> None:
        async with calling(url, key, data) as caller:
            found = await trace_screen.look_up(caller, name)
        if as_json:
            typer.echo(json.dumps(found, indent=2))
        else:
            trace_screen.show(found, console)

    run(work())
