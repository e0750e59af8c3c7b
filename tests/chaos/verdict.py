"""The final checker: once everything has come to rest, compares what was promised with what there is.

Reads the client's ledger, the store and the providers' journal, and every user's inbox through the API.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from heliograph.cli.backends import store_of
from heliograph.core.lifecycle import History
from heliograph.core.model import Key
from heliograph.core.ports import Store
from tests.chaos import invariants
from tests.chaos.ledger import Ledger
from tests.chaos.outside import Outside
from tests.chaos.pages import Page
from tests.chaos.sender import Tenant
from tests.support.eventually import eventually
from tests.support.system import Heliograph

_CHUNK = 500
HEALED_S = 60.0
"""The promise G1."""
_LATE_S = 5.0


@dataclass
class Verdict:
    """`wrong` is empty if every promise was kept; `numbers` is what the run is remembered by."""

    wrong: list[str] = field(default_factory=list)
    numbers: dict[str, Any] = field(default_factory=dict)
    histories: dict[Key, History] = field(default_factory=dict)


async def at_rest(store: Store, ledger: Ledger, within_s: float) -> dict[Key, History]:
    """The history of everything accepted, once nothing is owed; of what there is, when time is up."""
    histories: dict[Key, History] = {}
    waiting = set(ledger.accepted)

    async def settled() -> bool:
        for chunk in _chunks(sorted(waiting)):
            for key, history in zip(chunk, await store.histories(chunk), strict=True):
                if history is not None:
                    histories[key] = history
                if history is not None and not history.open:
                    waiting.discard(key)
        return not waiting

    try:
        await eventually(settled, within_s, every_s=0.25)
    except AssertionError:
        ledger.note("unfinished", ids=[key.id for key in sorted(waiting)[:100]], count=len(waiting))
    return histories


def _chunks(keys: Sequence[Key]) -> list[Sequence[Key]]:
    return [keys[start : start + _CHUNK] for start in range(0, len(keys), _CHUNK)]


async def judge(
    api: Heliograph, store_url: str, ledger: Ledger, outside: Outside, tenants: Sequence[Tenant], *,
    pages: Sequence[Page] = (), slack_s: float = HEALED_S, within_s: float = 60.0,
) -> Verdict:  # fmt: skip
    """Waits for rest, then holds every invariant of docs/reliability.md against it.

    Args:
        slack_s: how long a P0 may wait while others go: what a broken queue didn't take is healed within a minute.
    """
    began = time.monotonic()
    store = store_of(store_url, Path())
    await store.open()
    try:
        histories = await at_rest(store, ledger, within_s)
    finally:
        await store.close_store()
    rest_s = time.monotonic() - began
    calls = await outside.collect()
    found = Verdict(histories=histories)
    found.wrong += ledger.wrong
    found.wrong += invariants.lost(ledger.accepted, histories)
    found.wrong += invariants.unfinished(histories)
    found.wrong += invariants.bugs(histories)
    found.wrong += invariants.doubled(histories, calls)
    found.wrong += invariants.unsent(histories, calls)
    found.wrong += invariants.several_ids(ledger.ids, calls)
    found.wrong += invariants.overtaken(ledger.accepted, histories, slack_s)
    found.wrong += await inboxes(api, ledger, tenants)
    for page in pages:
        for start, frames in page.chains:
            found.wrong += invariants.offsets_broken(frames, start)
    repeats = invariants.repeats(calls)
    found.numbers = {
        "accepted": len(ledger.accepted),
        "requests": len(ledger.answers),
        "refused": sum(status in (429, 503) for _, status, _ in ledger.answers),
        "unanswered": sum(status == 0 for _, status, _ in ledger.answers),
        "provider_calls": len(calls),
        "repeated_calls": repeats,
        "repeated_share": round(repeats / max(1, len(ledger.accepted)), 6),
        "p0_overtaken_for_5_s": len(invariants.overtaken(ledger.accepted, histories, _LATE_S)),
        "rest_after_s": round(rest_s, 1),
        "wrong": len(found.wrong),
    }
    ledger.note("verdict", **found.numbers, findings=found.wrong[:100])
    return found


async def inboxes(api: Heliograph, ledger: Ledger, tenants: Sequence[Tenant]) -> list[str]:
    """Every user's inbox has each once. The tenants' users have the same ids, so that a leak would show."""
    expected: dict[tuple[str, str], set[str]] = defaultdict(set)
    for key, sent in ledger.accepted.items():
        expected[key.tenant, sent.user].add(key.id)
    of_tenant = {tenant.name: {key.id for key in ledger.accepted if key.tenant == tenant.name} for tenant in tenants}
    keys = {tenant.name: tenant.key for tenant in tenants}
    limit = asyncio.Semaphore(8)

    async def one(tenant: str, user: str) -> list[str]:
        async with limit:
            listed = await inbox_of(api, user, keys[tenant])
        foreign = set().union(*(ids for name, ids in of_tenant.items() if name != tenant))
        return invariants.inbox_differs(tenant, user, expected[tenant, user], listed, foreign)

    found = await asyncio.gather(*(one(tenant, user) for tenant, user in expected))
    return [wrong for each in found for wrong in each]


async def inbox_of(api: Heliograph, user: str, key: str) -> list[str]:
    """The ids in a user's inbox, newest first."""
    token = await token_of(api, user, key)
    listed: list[str] = []
    cursor = ""
    while True:
        page = await _page(api, f"/v1/inbox?limit=100{cursor}", token)
        listed += [item["id"] for item in page["items"]]
        if not page["next_cursor"]:
            return listed
        cursor = f"&cursor={page['next_cursor']}"


async def token_of(api: Heliograph, user: str, key: str) -> str:
    """A user token, from the tenant's server key."""
    status, answer = await api.call("POST", f"/v1/users/{user}/token", {"ttl_s": 7200}, key=key)
    assert status == 200, answer
    return str(answer["token"])


async def _page(api: Heliograph, path: str, token: str) -> Any:
    """A store that just worked off a backlog may be slow: 503 means "repeat it", which a client would, for a while."""
    for _ in range(10):
        status, answer = await api.call("GET", path, key=token)
        if status != 503:
            break
        await asyncio.sleep(1)
    assert status == 200, (path, status, answer)
    return answer
