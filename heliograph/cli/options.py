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
    api: processes behind a local nginx; 0 = the API runs in this process.
    bundled: start the bundled servers where the settings name none.
    demo: serve the demo's page and its back end; needs the lab.
    """

    roles: Sequence[str]
    folder: Path
    port: int | None
    config: Path | None = None
    api: int = 0
    lab: bool = False
    lab_port: int = LAB_PORT
    bundled: bool = True
    demo: bool = False
