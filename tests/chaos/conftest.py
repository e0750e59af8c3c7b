"""Fleets that may be killed and wiped, the world around them, and the dice of the run."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.chaos.fleet import Fleet
from tests.chaos.ledger import Ledger
from tests.chaos.outside import Outside
from tests.chaos.profile import LONG, SEED_VARIABLE, seed_of_run
from tests.chaos.sender import Tenant
from tests.e2e.system.conftest import install
from tests.support.system import KEY

__all__ = ["install"]
RESULTS = Path(__file__).parent / "results"
MakeFleet = Callable[..., Awaitable[Fleet]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of them are marked `chaos`, and may take longer than other tests."""
    here = Path(__file__).parent
    for item in items:
        if item.path.parent == here:
            item.add_marker(pytest.mark.chaos)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(7200 if LONG else 300))


@pytest.fixture
def dice(request: pytest.FixtureRequest, ledger: Ledger) -> random.Random:
    """Seeded; a failing test shows by what, and the same seed repeats its faults and its traffic."""
    seed = seed_of_run()
    print(f"replay: {SEED_VARIABLE}={seed} make chaos ARGS='-k {request.node.name}'")  # noqa: T201 - shown on failure
    ledger.note("run", seed=seed, test=request.node.name, profile="long" if LONG else "short")
    return random.Random(f"{seed}/{request.node.name}")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    found = Ledger(tmp_path / "ledger.jsonl")
    print(f"ledger: {found.path}")  # noqa: T201 - shown on failure
    yield found
    found.close()


@pytest_asyncio.fixture
async def outside() -> AsyncIterator[Outside]:
    """The provider lab, running."""
    lab = await Outside().start()
    yield lab
    await lab.close()


@pytest_asyncio.fixture
async def fleet_of(
    tmp_path: Path, install: Callable[..., Any], dice: random.Random, outside: Outside
) -> AsyncIterator[MakeFleet]:
    """Starts fleets that send through the lab, and ends them."""
    made: list[Fleet] = []

    async def make(store: str, **options: Any) -> Fleet:
        settings = {**await outside.settings(), "email_rate": 2000, **options}
        made.append(Fleet(tmp_path / f"fleet{len(made)}", install, dice, store, **settings))
        return await made[-1].start()

    yield make
    for one in made:
        await one.close()


@pytest.fixture
def second_tenant() -> Callable[[Fleet], str]:
    """Makes a server key for tenant `other` the way an operator does."""

    def make(fleet: Fleet) -> str:
        command = [sys.executable, "-m", "heliograph", "keys", "create", "--tenant", "other"]
        environment = {"HELIOGRAPH_STORE_URL": fleet.store_url, "PATH": ""}
        done = subprocess.run([*command], env=environment, capture_output=True, text=True, check=True)
        return next(word for word in done.stdout.split() if word.startswith("hg_sk_"))

    return make


def two_tenants(other_key: str, users: int) -> list[Tenant]:
    """`default` and `other`, whose users have the same ids."""
    names = [f"u{number}" for number in range(users)]
    return [Tenant("default", KEY, names), Tenant("other", other_key, names)]


@pytest.fixture
def remember(request: pytest.FixtureRequest) -> Callable[[dict[str, Any]], None]:
    """Keeps a run's numbers: printed, and written beside the tests when HELIOGRAPH_CHAOS_RESULTS is set."""

    def keep(numbers: dict[str, Any]) -> None:
        import os

        print(json.dumps(numbers))  # noqa: T201 - shown with -s, or on failure
        if os.environ.get("HELIOGRAPH_CHAOS_RESULTS"):
            RESULTS.mkdir(exist_ok=True)
            profile = "long" if LONG else "short"
            line = {"test": request.node.name, "profile": profile, "seed": seed_of_run(), **numbers}
            with (RESULTS / f"{profile}.jsonl").open("a") as file:
                file.write(json.dumps(line) + "\n")

    return keep
