"""`heliograph` and `python -m heliograph`: the command line, with the benchmarks that stand above everything."""

from __future__ import annotations

from heliograph.bench.command import app as bench
from heliograph.cli import SET_UP, app


def main() -> None:
    app.add_typer(bench, name="bench", rich_help_panel=SET_UP)
    app()


if __name__ == "__main__":
    main()
