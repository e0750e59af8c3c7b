"""What the command line says, as one value that the rest of this package shares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

LAB_PORT: Final = 8090
DATA: Final = Path("heliograph-data")
Data = Annotated[Path, typer.Option(help="The data folder of the embedded default.")]
Config = Annotated[Path | None, typer.Option(help="A TOML file with settings; see heliograph/default.toml.")]


@dataclass(frozen=True)
class Options:
    """What the command line says.

    roles: names out of `ROLES`.
    port: of HTTP and WebSocket; None = these roles need none.
    api, realtime, workers: processes of their own for these roles; 0 = they run in this process.
    autoscale: a pool of processes for each role that pulls lanes, as large as it must be.
    listen_fd: an open socket to serve HTTP on instead of `port`, which a supervisor hands over.
    tell_fd: a pipe to a supervisor.
    bundled: start the bundled servers where the settings name none.
    demo: serve the demo's page and its back end; needs the lab.
    """

    roles: Sequence[str]
    folder: Path
    port: int | None
    config: Path | None = None
    api: int = 0
    realtime: int = 0
    workers: int = 0
    autoscale: bool = False
    lab: bool = False
    lab_port: int = LAB_PORT
    bundled: bool = True
    demo: bool = False
    listen_fd: int | None = None
    tell_fd: int | None = None
