"""`heliograph status`: how everything is doing on one screen, once or live.

Reads `GET /v1/status` of a running system; draws it with Rich. Nothing here decides anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from heliograph.cli.calling import Caller

_EVERY_S: Final = 1.0
_LEVELS: Final = ("p0", "p1", "p2")
_ROLE_OF_LANE: Final = {"ingest": "router", "inapp": "inapp-worker", "email": "email-worker", "outbox": "email-sender"}
_OLD_S: Final = {"p0": 5.0, "p1": 60.0, "p2": 3_600.0}
"""From this age of the oldest the number is red."""
_LATE_S: Final = 15.0
"""A reconciler that was heard of longer ago is in trouble."""


async def show_once(caller: Caller, console: Console) -> None:
    console.print(screen(await caller.get("/v1/status"), caller.url))


async def watch(caller: Caller, console: Console) -> None:
    """Until Ctrl-C. What can't be read just now is said, and asked for again."""
    found = await caller.get("/v1/status")
    with Live(screen(found, caller.url), console=console, refresh_per_second=4, screen=True) as live:
        while True:
            await asyncio.sleep(_EVERY_S)
            try:
                found = await caller.get("/v1/status")
                live.update(screen(found, caller.url))
            except ValueError as error:
                live.update(Group(Text(f"{error}", "bold red"), Text("as it was before:"), screen(found, caller.url)))


def screen(found: Mapping[str, Any], url: str) -> Group:
    parts: list[Any] = [_head(found, url)]
    parts += [Text(f"paused by hand: {one['name']} since {one['at']}  {one['reason']}", "bold yellow")
              for one in found["paused"]]  # fmt: skip
    return Group(*parts, _lanes(found), _providers(found), _processes(found))


def _head(found: Mapping[str, Any], url: str) -> Text:
    rounds = found["reconciler"]["last_round_age_s"]
    late = rounds is None or rounds > _LATE_S
    head = Text.assemble(
        (f"Heliograph at {url}  ", "bold"), f"{found['at']}\n", "store ", _state(found["store"]), "  queue ",
        _state(found["queue"]), "  cache ", _state(found["cache"]), f"  sockets {found['sockets']}  dead letters ",
    )  # fmt: skip
    head.append(str(found["dead_letters"]), "red" if found["dead_letters"] else "green")
    head.append("  reconciler ")
    head.append("not heard of" if rounds is None else f"{rounds:.1f} s ago", "red" if late else "green")
    head.append(f"  accepted {_rate(found['rates'].get('accepted'))}")
    return head


def _state(word: str) -> tuple[str, str]:
    return word, "green" if word == "up" else "bold red"


def _lanes(found: Mapping[str, Any]) -> Table:
    table = Table("lane", title="Lanes, in notifications", title_justify="left", expand=False)
    for level in _LEVELS:
        for title in (level, "oldest", "in hand"):
            table.add_column(title, justify="right")
    table.add_column("a second", justify="right")
    for name, levels in found["lanes"].items():
        paused = any(level.get("paused") for level in levels.values())
        cells = [cell for level in _LEVELS for cell in _lane_cells(level, levels[level])]
        rate = _rate(found["rates"].get(_ROLE_OF_LANE.get(name, "push-worker" if name == "push" else "")))
        table.add_row(Text(f"{name} (paused)", "bold yellow") if paused else name, *cells, rate)
    return table


def _lane_cells(level: str, state: Mapping[str, Any]) -> tuple[Text, Text, Text]:
    age_s = float(state["oldest_age_s"])
    style = "dim" if not state["depth"] else "bold red" if age_s > _OLD_S[level] else ""
    return Text(str(state["depth"]), style), Text(_age(age_s), style), Text(str(state["in_flight"]), style)


def _providers(found: Mapping[str, Any]) -> Table:
    table = Table("provider", "state", "answers a second", title="Providers", title_justify="left")
    for name, words in found["providers"].items():
        answers = {key.partition(":")[2]: rate for key, rate in found["rates"].items() if key.startswith(f"{name}:")}
        style = "green" if words == "up" else "yellow" if words.startswith("paused") else "bold red"
        told = "  ".join(f"{outcome} {rate:g}" for outcome, rate in sorted(answers.items()))
        table.add_row(name, Text(words, style), Text(told or "-"))
    return table


def _processes(found: Mapping[str, Any]) -> Table:
    table = Table("process", "version", "up", "sockets", "roles", title="Processes", title_justify="left")
    for one in found["processes"]:
        up = str(timedelta(seconds=one["up_s"]))
        table.add_row(Text(one["process"]), one["version"], up, str(one["sockets"]), " ".join(one["roles"]))
    return table


def _rate(rate: float | None) -> str:
    return f"{rate:g}/s" if rate else "-"


def _age(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    return str(timedelta(seconds=round(seconds)))
