"""`heliograph trace ID`: what happened to a notification or a batch, in words, on one screen. Reads over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from heliograph.cli.calling import Caller
from heliograph.core.ids import BATCH

_GOOD = ("sent", "delivered")
_BAD = ("failed", "expired", "suppressed", "cancelled")


async def look_up(caller: Caller, name: str) -> dict[str, Any]:
    """Everything there is about an id. Raises ValueError where there is nothing."""
    safe = quote(name, safe="")
    if name.startswith(BATCH):
        return {"batch": await caller.get(f"/v1/batches/{safe}")}
    notification, timeline, explain = [
        await caller.get(f"/v1/notifications/{safe}{part}") for part in ("", "/timeline", "/explain")
    ]
    return {"notification": notification, "events": timeline["events"], "explain": explain}


def show(found: Mapping[str, Any], console: Console) -> None:
    console.print(_batch(found["batch"]) if "batch" in found else screen(found))


def _batch(batch: Mapping[str, Any]) -> Group:
    counts = [Text(f"  {status:<10} {count}", _style(status)) for status, count in batch["by_status"].items()]
    return Group(Text(f"{batch['id']}: {batch['accepted']} accepted", "bold"), *counts)


def screen(found: Mapping[str, Any]) -> Group:
    one = found["notification"]
    head = Text.assemble(
        (f"{one['id']}  ", "bold"), (one["status"], _style(one["status"])),
        f"\n{one['type']} to {one['user']}, accepted {one['created_at']}\n{one['title']}\n",
    )  # fmt: skip
    return Group(
        head, Text("Why", "bold"), *_why(found["explain"]), Text(), _deliveries(one), _timeline(found["events"])
    )


def _why(explain: Mapping[str, Any]) -> list[Text]:
    lines = [Text(f"  {explain['summary']}")]
    for decision in explain["decisions"]:
        lines += [Text(f"  {channel}: {why}", "dim") for channel, why in decision["channels"].items()]
    return lines


def _deliveries(one: Mapping[str, Any]) -> Table:
    table = Table("delivery", "status", "tries", "provider", "reason", title="Deliveries", title_justify="left")
    for delivery in one["deliveries"]:
        where = ":".join(filter(None, [delivery["channel"], delivery.get("device_id")]))
        status = Text(delivery["status"], _style(delivery["status"]))
        table.add_row(where, status, str(delivery["attempts"]), delivery["provider"], Text(delivery["reason"] or ""))
    return table


def _timeline(events: list[Mapping[str, Any]]) -> Table:
    table = Table("at", "channel", "event", "try", "provider", "detail", title="Timeline", title_justify="left")
    for event in events:
        number = str(event["attempt"] or "")
        kind = Text(event["event"], _style(event["event"]))
        table.add_row(event["at"], event["channel"], kind, number, event["provider"], Text(event["detail"] or ""))
    return table


def _style(word: str) -> str:
    return "green" if word in _GOOD else "red" if word in _BAD else ""
