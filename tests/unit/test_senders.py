"""The tenants' senders: read together, kept for a moment, never stale for long."""

from __future__ import annotations

from collections.abc import Sequence

from heliograph.core.senders import NOBODY, Sender
from heliograph.senders import Senders
from heliograph.testing.store import MemoryStore
from tests.unit.given import FakeClock

ACME = Sender("Acme <news@acme.example>", "help@acme.example")


class Counting(MemoryStore):
    reads = 0

    async def settings(self, names: Sequence[str]) -> Sequence[str | None]:
        self.reads += 1
        return await super().settings(names)


async def test_one_read_for_many_and_none_for_known_ones() -> None:
    """Whoever set nothing is remembered as well."""
    store, clock = Counting(), FakeClock()
    senders = Senders(store, clock)
    await Senders(store, clock).put("acme", ACME)
    assert await senders.of(["acme", "zoo", "acme"]) == {"acme": ACME, "zoo": NOBODY}
    assert await senders.of(["zoo", "acme"]) == {"acme": ACME, "zoo": NOBODY}
    assert store.reads == 1
    assert await senders.of([]) == {}
    assert store.reads == 1


async def test_a_change_counts_within_five_seconds() -> None:
    """Made by another process; one's own counts at once."""
    store, clock = Counting(), FakeClock()
    mine, other = Senders(store, clock), Senders(store, clock)
    assert (await other.of(["acme"]))["acme"] == NOBODY
    await mine.put("acme", ACME)
    assert (await mine.of(["acme"]))["acme"] == ACME
    clock.forward(5)
    assert (await other.of(["acme"]))["acme"] == ACME
