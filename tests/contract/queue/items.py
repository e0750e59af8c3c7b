"""Lane items to send: as many as a test wants, told apart by their ids."""

from __future__ import annotations

from collections.abc import Sequence

from heliograph.core.lanes import (
    EMAIL,
    INAPP,
    INGEST,
    OUTBOX,
    PUSH,
    BatchItem,
    EmailItem,
    InAppItem,
    IngestItem,
    Lane,
    LaneItem,
    OutboxItem,
    PushItem,
)
from heliograph.core.model import LEVEL_OF_TYPE, Level, Mail, Notification
from heliograph.core.ports import Pulled, Queue

_TYPE_OF_LEVEL = {level: kind for kind, level in LEVEL_OF_TYPE.items()}


def notification(name: str, level: Level = Level.P0, body: str = "a body") -> Notification:
    return Notification(
        id=name, tenant="acme", user=f"user of {name}", type=_TYPE_OF_LEVEL[level], created_at=1, title="Hi", body=body
    )


def ingest(name: str, level: Level = Level.P0, body: str = "a body") -> IngestItem:
    return IngestItem(notification(name, level, body))


def many(prefix: str, count: int, level: Level = Level.P0) -> list[LaneItem]:
    return [ingest(f"{prefix}{number}", level) for number in range(count)]


def one_of_each() -> list[tuple[Lane, LaneItem]]:
    told = notification("n", body="naïve 🎉 \u2028 \x00 'quoted'\n" * 40)
    mail = Mail(to="a@b.example", subject="Grüße", text="t", html="<p>h</p>", headers={"X-A": "b"})
    return [
        (INGEST, IngestItem(told)),
        (INGEST, BatchItem(tenant="acme", batch_id="b", at_level=2, reached="7")),
        (INAPP, InAppItem(told, planned=False)),
        (PUSH, PushItem(notification=told, device_id="d", kind="fcm_token", token="t", attempt=3, gen=1, base=2)),
        (EMAIL, EmailItem(notification=told, address="a@b.example", name="Ä")),
        (OUTBOX, OutboxItem(tenant="acme", id="n", at_level=1, mail=mail, expires_at=99)),
    ]


def names(pulled: Sequence[Pulled]) -> list[str]:
    return [each.item.key.id for each in pulled]


async def take(queue: Queue, lane: Lane, count: int, limit: int = 100) -> list[Pulled]:
    """Pulls, without settling, until there are `count`."""
    taken: list[Pulled] = []
    while len(taken) < count:
        taken += await queue.pull(lane, min(limit, count - len(taken)))
    return taken
