"""`GET /autoscale`: desired counts for people and for KEDA's metrics-api scaler."""

from __future__ import annotations

from heliograph.core.lanes import INGEST, IngestItem
from tests.unit.given import notification
from tests.unit.roles.api.service import Service


async def test_all_roles_and_one(service: Service) -> None:
    """Every role that pulls lanes; one alone is flat, so that KEDA finds its number with `valueLocation: desired`."""
    await service.queue.publish(INGEST, [IngestItem(notification())] * 6_000)
    every = (await service.call("GET", "/autoscale", key="")).json["roles"]
    assert set(every) == {"router", "inapp-worker", "push-worker", "email-worker", "email-sender"}
    assert every["router"]["desired"] == 3
    assert (await service.call("GET", "/autoscale/router", key="")).json == every["router"]
    assert (await service.call("GET", "/autoscale/email-sender", key="")).json["desired"] == 1


async def test_a_role_that_isnt_scaled(service: Service) -> None:
    """There is no number to invent for it."""
    (await service.call("GET", "/autoscale/api", key="")).problem(404, "not_found")


async def test_no_queue_no_number(service: Service) -> None:
    """KEDA then keeps what there is, or takes its fallback."""
    service.queue.broker.away = True
    (await service.call("GET", "/autoscale", key="")).problem(503, "queue_unavailable")
