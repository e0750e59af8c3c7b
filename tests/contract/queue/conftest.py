"""The queues under contract: JetStream on a real server, and the twin in memory; each test gets an empty one."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.contract.queue.worlds import JetStreamQueues, MemoryQueues, Queues
from tests.support.servers import nats_url

__all__ = ["nats_url"]


@pytest.fixture(params=["jetstream", "memory"])
async def queues(request: pytest.FixtureRequest, nats_url: str) -> AsyncIterator[Queues]:
    found: Queues = MemoryQueues() if request.param == "memory" else await JetStreamQueues(nats_url).start()
    yield found
    await found.close()
