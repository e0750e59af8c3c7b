"""Lab page: what is shown of the journal and the faults, as values for the template. Pure but for reading both.

Decides which of a message's faces there are (a mail has HTML, text, headers and source; a push is a card) and how a
fault reads. Writes nothing.
"""

from __future__ import annotations

from collections.abc import Container
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from msgspec import Struct

from heliograph.lab.events import DETAILS
from heliograph.lab.faults import Fault
from heliograph.lab.gate import Gate
from heliograph.lab.inbox import Inbox, Received

SHOWN: Final = 200
"""The newest; older ones are found by their recipient."""
MAILS: Final = frozenset({"sendgrid", "smtp"})
LABELS: Final = {
    "sendgrid": "SendGrid", "smtp": "SMTP", "fcm": "FCM", "apns": "APNs", "webpush": "Web Push", "expo": "Expo",
    "oauth2": "Google sign-in",
    "expo_receipts": "Expo receipts",
}  # fmt: skip
WHERE: Final = {"fcm": "Android", "apns": "iPhone", "webpush": "Browser", "expo": "Expo"}
TABS: Final = {"mail": "Mail", "text": "Text", "headers": "Headers", "source": "Source"}
EVENTS: Final = ("delivered", "open", "click", "bounce", "async_bounce", "spamreport", "unsubscribe")
"""Those of `DETAILS` that have a button."""
assert set(EVENTS) <= set(DETAILS)


class Asked(Struct, frozen=True):
    """The page's query."""

    provider: str = ""
    to: str = ""
    refused: bool = False
    id: str = ""
    tab: str = ""

    def href(self, **changes: str) -> str:
        """The page with some of it changed."""
        fields = {"provider": self.provider, "to": self.to, "all": "true" if self.refused else "", "id": self.id,
                  "tab": self.tab} | changes  # fmt: skip
        query = urlencode({name: value for name, value in fields.items() if value})
        return f"/lab?{query}" if query else "/lab"


def asked(query: dict[str, str], providers: Container[str]) -> Asked:
    """Whatever isn't understood is left out: a page is for people."""
    provider, tab = query.get("provider", ""), query.get("tab", "")
    return Asked(
        provider=provider if provider in providers else "",
        to=query.get("to", "").strip()[:320],
        refused=query.get("all") == "true",
        id=query.get("id", "")[:32],
        tab=tab if tab in TABS else "",
    )


def version(inbox: Inbox, gates: dict[str, Gate], ask: Asked) -> str:
    """Another text whenever the list would be another one."""
    faults = "".join(f"{name}{id(gate.fault)}" for name, gate in gates.items())
    return f'"{inbox.version}-{hash((faults, ask)) & 0xFFFFFFFF:x}"'


def selected(inbox: Inbox, ask: Asked) -> list[Received]:
    """The messages that were asked for, oldest first."""
    return inbox.select(provider=ask.provider, to=ask.to, refused_too=ask.refused)


def listed(found: list[Received], ask: Asked) -> dict[str, Any]:
    """The newest messages, newest first, and how many there are. Parsing mail is dear: not on the event loop."""
    rows = [_row(record, ask) for record in found[: -SHOWN - 1 : -1]]
    return {"rows": rows, "total": len(found), "recipients": sorted({row["to"] for row in rows if row["to"]})}


def _row(record: Received, ask: Asked) -> dict[str, Any]:
    view = record.content.view()
    preview = view.body.removeprefix(view.title).strip()  # our mails begin with their title
    return {
        "id": record.id,
        "to": record.to,
        "title": view.title,
        "body": preview[:160],
        "accepted": record.accepted,
        "status": record.status,
        "label": LABELS.get(record.provider, record.provider),
        "provider": record.provider,
        "at": _time(record),
        "clock": _time(record)[11:19],
        "href": ask.href(id=record.id, tab=""),
        "current": record.id == ask.id,
    }


def detail(record: Received, ask: Asked) -> dict[str, Any]:
    """One message with the face that was asked for."""
    view = record.content.view()
    mail = record.provider in MAILS
    faces = [tab for tab in TABS if mail or tab in ("headers", "source")]
    if mail and not view.html:
        faces.remove("mail")
    tab = ask.tab if ask.tab in faces else faces[0] if mail else "card"
    tabs = [] if mail else [("card", "Card", ask.href(tab=""))]
    return {
        **_row(record, ask), "mail": mail, "view": view, "tab": tab, "where": WHERE.get(record.provider, "Device"),
        "tabs": [*tabs, *((name, TABS[name], ask.href(tab=name)) for name in faces)],
        "source": _source(view.payload), "provider_id": record.provider_id, "back": ask.href(id="", tab=""),
        "events": EVENTS if record.provider == "sendgrid" and record.accepted else (),
    }  # fmt: skip


def _source(payload: Any) -> str:
    if isinstance(payload, str):
        return payload
    return msgspec.json.format(msgspec.json.encode(payload), indent=2).decode()


def faults(gates: dict[str, Gate]) -> list[dict[str, Any]]:
    """Each provider with its fault, in words for its chip and in fields for its form."""
    return [
        {"name": name, "label": LABELS.get(name, name), "fault": gate.fault, "says": said(gate.fault)}
        for name, gate in gates.items()
    ]


def said(fault: Fault) -> str:
    """A fault in a few words."""
    match fault.mode:
        case "ok":
            words = "works"
        case "error":
            words = f"answers {fault.status}"
        case "throttle":
            words = f"takes {fault.rate_per_s:g}/s"
        case "flaky":
            words = f"{(fault.fraction or 0) * 100:.0f} % {fault.status}"
        case "hang":
            words = "hangs"
        case _:
            words = "is down"
    slow = f", {fault.latency_ms:g} ms late" if fault.latency_ms else ""
    some = f", {len(fault.tokens)} special" if fault.tokens else ""
    return words + slow + some


def _time(record: Received) -> str:
    return datetime.fromtimestamp(record.at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
