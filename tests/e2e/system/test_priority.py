"""G6: the urgent never waits behind the bulk, whatever is queued and however tight the provider's rate is."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.eventually import eventually
from tests.support.system import Heliograph, notification_of

RATE = 20


async def test_p0_overtakes_a_saturated_outbox(install: Callable[..., Heliograph]) -> None:
    """300 marketing mails wait for the rate limit: a transactional one is sent next, not after them."""
    system = await install(email_rate=RATE).start()
    crowd = [{"id": f"m{n}", "email": f"m{n}@example.com"} for n in range(300)]
    await system.send(crowd, type="marketing")
    await eventually(lambda: system.received(provider="sendgrid"))
    before = len(await system.received(provider="sendgrid"))
    urgent = await system.send({"id": "vip", "email": "vip@example.com"}, type="transactional")
    alert = await system.send({"id": "ops", "email": "ops@example.com"}, type="alert")
    await system.reaches(urgent["id"], "email", "sent", "delivered")
    await system.reaches(alert["id"], "email", "sent", "delivered")
    order = [notification_of(mail) for mail in await system.received(provider="sendgrid")]
    assert order.index(urgent["id"]) <= before + RATE, "P0 waited behind P2"
    assert order.index(urgent["id"]) < order.index(alert["id"]) <= before + 2 * RATE, "P1 waited behind P2"
    assert len(order) < 200


async def test_p0_retries_overtake_p2_first_attempts(install: Callable[..., Heliograph]) -> None:
    """A P0 that failed once comes back before the P2 that still wait for their first attempt."""
    system = await install(email_rate=RATE, email_providers="sendgrid").start()
    crowd = [{"id": f"m{n}", "email": f"m{n}@example.com"} for n in range(300)]
    await system.send(crowd, type="marketing")
    await eventually(lambda: system.received(provider="sendgrid"))
    before = len(await system.received(provider="sendgrid"))
    await system.fault("sendgrid", mode="error", status=500)
    urgent = await system.send({"id": "vip", "email": "vip@example.com"}, type="transactional")
    await system.reaches(urgent["id"], "email", "retrying")
    await system.fault("sendgrid", mode="ok")
    await system.reaches(urgent["id"], "email", "sent", "delivered")
    order = [notification_of(mail) for mail in await system.received(provider="sendgrid")]
    assert order.index(urgent["id"]) <= before + 3 * RATE
