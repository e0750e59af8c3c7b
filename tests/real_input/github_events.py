"""Real GitHub events (npm's @octokit/webhooks-examples) as sends: unicode, markdown, long and empty texts.

`sends()` yields bodies for `POST /v1/send`. Texts are taken as they are; only what the contract doesn't allow in a
title (line breaks, more than 200 characters) is folded or cut, as a client service would do.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "node_modules" / "@octokit" / "webhooks-examples"
SOURCES = ("api.github.com", "ghes-35", "ghes-31")
_TYPES = {"security_advisory": "transactional", "issues": "alert", "pull_request": "alert", "push": "alert"}


def examples() -> Iterator[tuple[str, dict[str, Any]]]:
    """(event name, payload) of every example."""
    for source in SOURCES:
        for event in json.loads((FOLDER / source / "index.json").read_text("utf-8")):
            for payload in event["examples"]:
                yield event["name"], payload


def sends() -> Iterator[dict[str, Any]]:
    """One send per event, without `to`."""
    for name, payload in examples():
        action = payload.get("action") or name
        yield {
            "type": _TYPES.get(name, "marketing"),
            "category": f"github.{name}",
            "title": _title(name, action, payload),
            "body": _body(payload),
            "data": payload,
            "action_url": _link(payload),
        }


def _subject(payload: dict[str, Any]) -> dict[str, Any]:
    for name in ("issue", "pull_request", "release", "discussion", "check_run", "commit", "milestone", "repository"):
        found = payload.get(name)
        if isinstance(found, dict):
            return found
    return payload


def _title(name: str, action: str, payload: dict[str, Any]) -> str:
    subject = _subject(payload)
    text = subject.get("title") or subject.get("name") or subject.get("full_name") or name
    return " ".join(f"{name} {action}: {text}".split())[:200]


def _body(payload: dict[str, Any]) -> str:
    comment = payload.get("comment") or payload.get("review") or {}
    subject = _subject(payload)
    found = comment.get("body") or subject.get("body") or subject.get("description") or ""
    return str(found)


def _link(payload: dict[str, Any]) -> str | None:
    link = _subject(payload).get("html_url")
    return link if isinstance(link, str) and link.startswith("http") else None
