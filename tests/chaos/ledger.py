"""What the outside world knows: each request and its answer, on disk before anything is concluded from it.

Format: JSON Lines, described in docs/reliability.md. Reads nothing of the system.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from heliograph.core.model import Key


@dataclass(frozen=True)
class Sent:
    """One accepted notification. `at`: when it was answered, seconds since 1970."""

    key: Key
    user: str
    type: str
    number: str
    at: float


@dataclass
class Ledger:
    """Requests by number; `number` is the idempotency key, and the notification's title."""

    path: Path
    accepted: dict[Key, Sent] = field(default_factory=dict)
    ids: dict[str, set[str]] = field(default_factory=dict)
    """Every id that was ever answered, by number: the promise G5 says that there is one at most."""
    asked: set[str] = field(default_factory=set)
    answers: list[tuple[float, int, float]] = field(default_factory=list)
    """(when, status, seconds it took); status 0 = no answer."""
    wrong: list[str] = field(default_factory=list)
    """Answers that no fault excuses."""

    def __post_init__(self) -> None:
        self._file = self.path.open("a", buffering=1, encoding="utf-8")

    def note(self, kind: str, **what: Any) -> None:
        """Adds a line that is no request: the seed, a fault, a finding."""
        self._file.write(json.dumps({"at": round(time.time(), 4), "kind": kind, **what}) + "\n")

    def ask(self, number: str) -> None:
        """Before the request leaves: what was never answered may have been taken all the same."""
        self.asked.add(number)

    def answer(
        self, tenant: str, user: str, type_: str, number: str, status: int, took_s: float, answer: dict[str, Any]
    ) -> None:
        """One answer; status 0 = none came."""
        now = time.time()
        found = answer.get("id") or answer.get("batch_id") if status == 202 else None
        self.note("answer", number=number, tenant=tenant, status=status, ms=round(took_s * 1000, 1), id=found)
        self.answers.append((now, status, took_s))
        if found is None:
            return
        self.ids.setdefault(number, set()).add(found)
        if answer.get("id"):
            key = Key(tenant, found)
            self.accepted.setdefault(key, Sent(key, user, type_, number, now))

    def take_batch(self, tenant: str, type_: str, taken: Sequence[tuple[str, str, str]]) -> None:
        """An accepted bulk request: (user, number, id) of each."""
        now = time.time()
        for user, number, name in taken:
            self.note("bulk", number=number, tenant=tenant, id=name)
            self.asked.add(number)
            self.ids.setdefault(number, set()).add(name)
            self.accepted[Key(tenant, name)] = Sent(Key(tenant, name), user, type_, number, now)

    def close(self) -> None:
        self._file.close()
