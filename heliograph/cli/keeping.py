"""The commands that keep the store: `migrate`, `backup` and `restore`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from heliograph.backends.sqlite import copying
from heliograph.backends.sqlite.migrating import SqliteMigrator
from heliograph.cli.ending import run
from heliograph.cli.options import DATA, Config, Data
from heliograph.core.ports.migrating import Migration, Migrator, Tell
from heliograph.settings import load

PANEL = "Keep"
PENDING: Final = 3
"""Exit code of `migrate --check` when something is to be done."""
console = Console()


def register(app: typer.Typer) -> None:
    for command in (migrate, backup, restore):
        app.command(rich_help_panel=PANEL)(command)


def migrate(
    check: Annotated[bool, typer.Option("--check", help=f"Change nothing; exit code {PENDING} if steps wait.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="SQLite: do it to a copy. MongoDB: as --check.")] = False,
    again: Annotated[bool, typer.Option("--again", help="MongoDB: once more, for what old processes wrote.")] = False,
    data: Data = DATA,
    config: Config = None,
) -> None:  # fmt: skip
    """Bring the store up to this version's shape."""
    run(_migrate(check, dry_run, again, data, config))


async def _migrate(check: bool, dry_run: bool, again: bool, data: Path, config: Path | None) -> None:
    migrator = _migrator(load(config).store_url.get_secret_value(), data, again=again)
    plan = await migrator.look()
    _show(plan)
    if plan.newer:
        raise ValueError("a newer Heliograph wrote this store: this one can't use it")
    if check:
        raise typer.Exit(PENDING if plan.steps else 0)
    if dry_run:
        if plan.steps and isinstance(migrator, SqliteMigrator):
            with _progress() as tell:
                await migrator.rehearse(tell)
            console.print("It works on a copy; nothing was changed.")
        return
    if plan.steps or not isinstance(migrator, SqliteMigrator):
        with _progress() as tell:
            await migrator.run(tell)
    console.print(f"The store has schema version {plan.wanted}.")


def _show(plan: Migration) -> None:
    if not plan.found:
        console.print(f"The store is new: it gets schema version {plan.wanted} when it is first opened.")
    else:
        console.print(f"Schema version {plan.found}; this Heliograph writes {plan.wanted}.")
    for step in plan.steps:
        console.print(f"  to do: {step}", highlight=False)


def _migrator(url: str, data: Path, *, again: bool) -> Migrator:
    path = sqlite_path(url, data)
    if path is not None:
        return SqliteMigrator(path)
    from heliograph.backends.mongo.migrating import MongoMigrator  # noqa: PLC0415 - as in backends.py

    return MongoMigrator(url, again=again)


def sqlite_path(url: str, data: Path) -> Path | None:
    """The embedded store's file; None = it is MongoDB."""
    if url.startswith(("mongodb://", "mongodb+srv://")):
        return None
    if url and not url.startswith("sqlite:///"):
        raise ValueError("HELIOGRAPH_STORE_URL is neither sqlite:///… nor mongodb://…")
    return Path(url.removeprefix("sqlite:///")) if url else data / "heliograph.db"


def backup(
    target: Annotated[Path, typer.Argument(metavar="FILE", help="Where the copy goes; only you may read it.")],
    force: Annotated[bool, typer.Option(help="Replace a file that is there.")] = False,
    data: Data = DATA,
    config: Config = None,
) -> None:
    """Copy the embedded store, running or not."""

    async def work() -> None:
        source = _embedded(data, config)
        if target.exists() and not force:
            raise ValueError(f"{target} is there already: choose another name, or --force")
        with _progress() as tell:
            size = copying.backup(source, target, lambda done, total: tell("copy", done, total))
        console.print(f"{target}: {size / 1e6:.1f} MB, checked.", highlight=False, soft_wrap=True)

    run(work())


def restore(
    copy: Annotated[Path, typer.Argument(metavar="FILE", help="What `heliograph backup` made.")],
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    data: Data = DATA,
    config: Config = None,
) -> None:
    """Put a backup in the stopped store's place."""

    async def work() -> None:
        path = _embedded(data, config)
        if not copy.is_file():
            raise ValueError(f"{copy}: there is no such file")
        copying.require_alone(path)
        if path.exists() and not yes:
            typer.confirm(f"Replace {path}? What was accepted since the backup is then gone", abort=True)
        aside = copying.restore(copy, path)
        # The queue belongs to the store of before. The reconciler sees that it is new, and looks at all that is open.
        shutil.rmtree(data / "nats", ignore_errors=True)
        console.print(f"{path} is {copy} now.", highlight=False, soft_wrap=True)
        if aside:
            console.print(f"The store of before is kept as {aside}.", highlight=False, soft_wrap=True)

    run(work())


def _embedded(data: Path, config: Path | None) -> Path:
    path = sqlite_path(load(config).store_url.get_secret_value(), data)
    if path is None:
        raise ValueError("the store is MongoDB: use its own tools (mongodump, snapshots), see docs/operations.md")
    return path


@contextmanager
def _progress() -> Iterator[Tell]:
    """A bar for each thing that is done."""
    percent = TextColumn("{task.percentage:>3.0f} %")
    with Progress(TextColumn("{task.description}"), BarColumn(), percent, TimeElapsedColumn(), console=console) as bars:
        known: dict[str, TaskID] = {}

        def tell(words: str, done: int, total: int) -> None:
            if words not in known:
                known[words] = bars.add_task(words, total=None)
            bars.update(known[words], completed=done, total=total or None)

        yield tell
