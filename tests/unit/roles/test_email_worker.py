"""The e-mail worker: rendered mails in the outbox, at the level of their type; what may not go out ends here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from heliograph.core.errors import QueueUnavailable
from heliograph.core.lanes import EMAIL, OUTBOX, EmailItem, OutboxItem
from heliograph.core.model import HEAVY_CONTENT, Key, Level, Type
from heliograph.core.outcomes import Outcome
from heliograph.core.reconciling import SLACK_MS
from heliograph.roles.email_worker import EmailWorker
from tests.unit.given import T0, TENANT, event, notification
from tests.unit.roles.world import World, all_done

ADDRESS = "anna@acme.example"


async def routed(world: World, **fields: Any) -> EmailItem:
    one = await world.accept(**fields)
    await world.store.record([event("routed", plan=("email",), notification_id=one.id)])
    return EmailItem(one.lighten(), address=ADDRESS, name="Anna")


async def render(world: World, *items: EmailItem) -> Sequence[Outcome]:
    worker = EmailWorker(world.store, world.queue, world.clock)
    return await worker.handle(await world.pulled(EMAIL, *items))


def outbox(world: World) -> list[OutboxItem]:
    return [item for item in world.waiting(OUTBOX) if isinstance(item, OutboxItem)]


async def test_a_mail_is_rendered_and_put_into_the_outbox() -> None:
    """With everything the sender needs, and the arguments by which a webhook finds it again."""
    world = World()
    item = await routed(world, action_url="https://shop.example/o/1", expires_at=T0 + 60_000)
    assert all_done(await render(world, item))
    (found,) = outbox(world)
    assert (found.key, found.target, found.attempt, found.expires_at) == (item.key, "email", 1, T0 + 60_000)
    assert (found.mail.to, found.mail.to_name, found.mail.subject) == (ADDRESS, "Anna", "Hello")
    assert "World" in found.mail.text
    assert "https://shop.example/o/1" in found.mail.html
    assert found.mail.args == {
        "hg_id": "ntf_1", "hg_tenant": TENANT, "hg_target": "email", "hg_gen": "0", "hg_attempt": "1",
    }  # fmt: skip


@pytest.mark.parametrize(("kind", "level"), [("transactional", Level.P0), ("alert", Level.P1), ("marketing", Level.P2)])
async def test_the_outbox_keeps_the_level(kind: Type, level: Level) -> None:
    """G6, in the rate-limit queue too."""
    world = World()
    await render(world, await routed(world, type=kind))
    assert len(world.queue.broker.of(OUTBOX, level)) == 1


async def test_a_replay_keeps_its_count() -> None:
    """Attempt, generation and base go on to the sender."""
    world = World()
    await world.accept()
    await render(world, EmailItem(notification(), address=ADDRESS, attempt=4, gen=1, base=3))
    (found,) = outbox(world)
    assert (found.attempt, found.gen, found.base) == (4, 1, 3)
    assert (found.mail.args["hg_attempt"], found.mail.args["hg_gen"]) == ("4", "1")


async def test_expired_suppressed_and_erased_ones_end_here() -> None:
    """The first two on record with their reason; nothing of them in the outbox; the last leaves no trace."""
    world = World()
    late = await routed(world, expires_at=T0 + 1_000)
    fine = await routed(world, id="ntf_2")
    await world.store.suppress(Key(TENANT, "bounced@acme.example"), "hard_bounce", T0)
    refused = EmailItem((await routed(world, id="ntf_3")).notification, address="Bounced@acme.example")
    erased = EmailItem(notification(id="ntf_gone", body=None), address=ADDRESS)
    world.clock.forward(1)
    assert all_done(await render(world, late, fine, refused, erased))
    assert [found.id for found in outbox(world)] == ["ntf_2"]
    assert (await world.delivery("email")).status == "expired"
    suppressed = await world.delivery("email", "ntf_3")
    assert (suppressed.status, suppressed.reason) == ("suppressed", "hard_bounce")
    assert [(await world.history(one)).open for one in ("ntf_1", "ntf_2", "ntf_3")] == [0, 1, 0]


async def test_another_tenants_suppression_is_not_ours() -> None:
    """Each tenant keeps its own list."""
    world = World()
    await world.store.suppress(Key("other", ADDRESS), "complaint", T0)
    await render(world, await routed(world))
    assert len(outbox(world)) == 1


async def test_what_its_user_muted_meanwhile_ends_here() -> None:
    """Changed since it was routed; only what the preference speaks of, and never what is transactional."""
    world = World()
    news = await routed(world, type="marketing", category="news.daily")
    other = await routed(world, id="ntf_2", type="alert", category="bill")
    code = await routed(world, id="ntf_3", type="transactional", category="news.daily")
    await world.mute("email", category="news")
    for one in (code, other, news):
        assert all_done(await render(world, one))
    assert [(found.id, found.user, found.category) for found in outbox(world)] == [
        ("ntf_3", "anna", "news.daily"), ("ntf_2", "anna", "bill"),
    ]  # fmt: skip
    delivery = await world.delivery("email")
    assert (delivery.status, delivery.reason) == ("suppressed", "preference")
    assert [(await world.history(one)).open for one in ("ntf_1", "ntf_2", "ntf_3")] == [0, 1, 1]


async def test_a_heavy_body_is_mailed_whole() -> None:
    """It travelled by id."""
    world = World()
    body = "word " * HEAVY_CONTENT
    await render(world, await routed(world, body=body))
    assert body.strip() in outbox(world)[0].mail.text


@pytest.mark.parametrize(("age_ms", "recorded"), [(0, False), (SLACK_MS, False), (SLACK_MS + 1, True)])
async def test_a_late_mail_is_known_to_be_in_the_outbox(age_ms: int, recorded: bool) -> None:
    """The reconciler tells by age what is in a lane: what reaches the outbox long after it was routed must say so."""
    world = World()
    item = await routed(world)
    world.clock.now += age_ms
    await render(world, item)
    assert ("rendered email" in await world.kinds()) == recorded
    assert (await world.delivery("email")).moved_at == (world.clock.now if recorded else T0)
    assert (await world.history()).open == 1


async def test_a_queue_that_is_away_is_an_error() -> None:
    """The batch is handled again: the mail isn't in the outbox, and nothing says it were."""
    world = World()
    batch = await world.pulled(EMAIL, await routed(world))
    world.clock.forward(60)
    world.queue.broker.away = True
    with pytest.raises(QueueUnavailable):
        await EmailWorker(world.store, world.queue, world.clock).handle(batch)
    assert await world.kinds() == ["routed"]
