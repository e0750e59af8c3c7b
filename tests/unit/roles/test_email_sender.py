"""The e-mail sender: a token first, the most urgent mail after; suppressed once more; providers in turn."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from msgspec import structs

from heliograph.attempts import Attempts
from heliograph.consumer import Consumer
from heliograph.core.lanes import OUTBOX, OutboxItem
from heliograph.core.mail import render_mail
from heliograph.core.model import Key, Millis, Preferences
from heliograph.core.outcomes import DONE, Dead, Outcome, Rejected, RetryAt, Throttled, Unavailable
from heliograph.core.retry import RetryPolicy
from heliograph.roles.email_sender import EmailSender, Pace
from heliograph.testing.realtime import MemoryRateLimiter
from tests.support.eventually import eventually
from tests.unit.given import T0, TENANT, event
from tests.unit.roles.providers import FakeMail
from tests.unit.roles.world import World, all_done

ADDRESS = "anna@acme.example"


class Post(World):
    """A world with a sender and two providers."""

    def __init__(self) -> None:
        super().__init__()
        self.providers = [FakeMail("sendgrid"), FakeMail("smtp")]
        attempts = Attempts(self.store, self.clock, RetryPolicy(max_attempts=3), 15)
        self.sender = EmailSender(self.store, attempts, self.providers, self.clock)

    async def rendered(self, address: str = ADDRESS, **fields: Any) -> OutboxItem:
        one = await self.accept(**fields)
        await self.store.record([event("routed", plan=("email",), notification_id=one.id)])
        return OutboxItem(
            tenant=one.tenant, id=one.id, at_level=int(one.level), mail=render_mail(one, address, "Anna"),
            user=one.user, category=one.category, expires_at=one.expires_at,
        )  # fmt: skip

    async def send(self, *items: OutboxItem) -> Sequence[Outcome]:
        return await self.sender.handle(await self.pulled(OUTBOX, *items))


async def test_a_mail_is_handed_to_the_provider() -> None:
    """Once, on record before and after, with the provider's name and id."""
    post = Post()
    item = await post.rendered()
    assert all_done(await post.send(item))
    assert [mail.to for mail in post.providers[0].sent] == [ADDRESS]
    delivery = await post.delivery("email")
    assert (delivery.status, delivery.provider, delivery.provider_id) == ("sent", "sendgrid", "sendgrid-1")
    assert all_done(await post.send(item))
    assert len(post.providers[0].sent) == 1


async def test_providers_take_turns_from_attempt_to_attempt() -> None:
    """In their order: what one can't take, the next one may; and the mail names the attempt that it is."""
    post = Post()
    for provider in post.providers:
        provider.answers[ADDRESS] = Unavailable("503")
    item: object = await post.rendered()
    for _ in range(2):
        assert isinstance(item, OutboxItem)
        (outcome,) = await post.send(item)
        assert isinstance(outcome, RetryAt)
        item = outcome.item
    assert isinstance(item, OutboxItem)
    assert await post.send(item) == [Dead("503", attempt=3, provider="sendgrid")]
    assert [len(provider.sent) for provider in post.providers] == [2, 1]
    attempts = [mail.args["hg_attempt"] for provider in post.providers for mail in provider.sent]
    assert attempts == ["1", "3", "2"]


async def test_suppressed_and_expired_mails_end_without_a_call() -> None:
    """Checked again before sending: the address bounced, or time ran out, while the mail waited for its token."""
    post = Post()
    late = await post.rendered(expires_at=T0 + 1_000)
    bounced = await post.rendered("gone@acme.example", id="ntf_2")
    fine = await post.rendered(id="ntf_3")
    await post.store.suppress(Key(TENANT, "gone@acme.example"), "hard_bounce", T0)
    post.clock.forward(1)
    assert await post.send(late, bounced, fine) == [DONE, DONE, DONE]
    assert [mail.args["hg_id"] for mail in post.providers[0].sent] == ["ntf_3"]
    assert (await post.delivery("email")).status == "expired"
    assert (await post.delivery("email", "ntf_2")).reason == "hard_bounce"
    assert [(await post.history(one)).open for one in ("ntf_1", "ntf_2", "ntf_3")] == [0, 0, 0]


async def test_what_its_user_muted_while_it_waited_is_not_sent() -> None:
    """In the outbox, between two attempts, or as a dead letter that is replayed: the newest word counts."""
    post = Post()
    news = await post.rendered(type="marketing", category="news.daily")
    code = await post.rendered(id="ntf_2", type="transactional", category="news.daily")
    post.providers[0].answers[ADDRESS] = Unavailable("503")
    again = [outcome.item for one in (news, code) for outcome in await post.send(one) if isinstance(outcome, RetryAt)]
    assert len(again) == 2
    await post.mute("email", category="news")
    for item in again:
        assert isinstance(item, OutboxItem)
        assert all_done(await post.send(item))
    assert [mail.args["hg_id"] for mail in post.providers[1].sent] == ["ntf_2"]
    delivery = await post.delivery("email")
    assert (delivery.status, delivery.reason) == ("suppressed", "preference")
    assert (await post.history()).open == 0
    replayed = structs.replace(news, gen=1, attempt=2)
    await post.store.record([event("replayed", gen=1)])
    assert all_done(await post.send(replayed))
    assert (await post.delivery("email")).reason == "preference"


async def test_a_mail_rendered_before_there_were_preferences_is_sent() -> None:
    """An item of an older version doesn't say whose it is."""
    post = Post()
    await post.mute("email")
    assert all_done(await post.send(structs.replace(await post.rendered(type="alert"), user="")))
    assert len(post.providers[0].sent) == 1


async def test_what_is_transactional_asks_nobody() -> None:
    """No read at all on the way of what is most urgent."""
    post = Post()
    asked = Asking(post)
    await post.send(await post.rendered(), await post.rendered(id="ntf_2"))
    assert asked.reads == []
    await post.send(*[await post.rendered(id=f"ntf_{n}", type="alert") for n in range(3, 6)])
    assert asked.reads == [1]


class Asking:
    """Notes for how many users preferences were asked."""

    def __init__(self, post: Post) -> None:
        self.reads: list[int] = []
        self._ask = post.store.preferences
        post.store.preferences = self  # type: ignore[method-assign,assignment]

    async def __call__(self, users: Sequence[Key]) -> Sequence[Preferences]:
        self.reads.append(len(users))
        return await self._ask(users)


async def test_an_address_that_does_not_exist_is_not_written_to_again() -> None:
    """A permanent refusal of the address suppresses it; one of the message does not."""
    post = Post()
    post.providers[0].answers |= {
        ADDRESS: Rejected("550 no such user", bad_address=True), "bert@acme.example": Rejected("552 too large"),
    }  # fmt: skip
    outcomes = await post.send(await post.rendered(), await post.rendered("bert@acme.example", id="ntf_2"))
    assert outcomes == [
        Dead("550 no such user", attempt=1, provider="sendgrid"),
        Dead("552 too large", attempt=1, provider="sendgrid"),
    ]
    addresses = [Key(TENANT, ADDRESS), Key(TENANT, "bert@acme.example"), Key("other", ADDRESS)]
    assert await post.store.suppressed(addresses) == ["hard_bounce", None, None]


async def test_a_throttled_mail_obeys_the_provider() -> None:
    """Not before the time it was told; each item in its own place."""
    post = Post()
    post.providers[0].answers[ADDRESS] = Throttled("429", 30)
    outcomes = await post.send(await post.rendered(), await post.rendered("bert@acme.example", id="ntf_2"))
    assert isinstance(outcomes[0], RetryAt)
    assert outcomes[0].at >= T0 + 30_000
    assert outcomes[1] == DONE


async def test_an_orphan_is_taken_over_in_its_own_place() -> None:
    """`orphaned` belongs to its item, also when another was left out before it."""
    post = Post()
    late, lost = await post.rendered(expires_at=T0), await post.rendered(id="ntf_2")
    await post.store.begin([event("sending", notification_id="ntf_2", attempt=1, token="dead")])
    batch = await post.pulled(OUTBOX, late, lost)
    batch[1].orphaned = True
    assert all_done(await post.sender.handle(batch))
    assert [mail.args["hg_id"] for mail in post.providers[1].sent] == ["ntf_2"]


# --- pace -------------------------------------------------------------------------------------------------------------


class Limiter:
    """Grants what it is told to; waits are noted and take no time."""

    def __init__(self, *grants: tuple[int, float]) -> None:
        self.grants = list(grants)
        self.asked: list[tuple[str, int, float]] = []

    async def take(self, bucket: str, wanted: int, rate_per_s: float, now: Millis) -> tuple[int, float]:
        self.asked.append((bucket, wanted, rate_per_s))
        return self.grants.pop(0)


async def test_a_token_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as the shared bucket says, and not asked for more than a pack of mails."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    limiter = Limiter((0, 0.25), (0, 0.5), (3, 0.0))
    pace = Pace(limiter, "email", 4.0, World().clock)
    monkeypatch.setattr("heliograph.roles.email_sender.asyncio.sleep", sleep)
    assert await pace.admit(500) == 3
    assert slept == [0.25, 0.5]
    assert limiter.asked == [("email", 25, 4.0)] * 3


async def test_an_unused_token_serves_the_next_mail() -> None:
    """Taken for a batch that turned out smaller: it isn't thrown away, nor kept for ever."""
    limiter = Limiter((5, 0.0), (1, 0.0))
    pace = Pace(limiter, "email", 5.0, World().clock)
    assert await pace.admit(5) == 5
    pace.unused(2)
    assert await pace.admit(5) == 2
    assert await pace.admit(5) == 1
    pace.unused(0)
    assert limiter.grants == []


async def test_a_late_p0_goes_before_every_waiting_p2() -> None:
    """G6 in the rate limit: whoever waits for the token waits without a mail in hand."""
    post = Post()
    asked, granted = asyncio.Event(), asyncio.Event()

    class Slow(MemoryRateLimiter):
        async def take(self, bucket: str, wanted: int, rate_per_s: float, now: Millis) -> tuple[int, float]:
            asked.set()
            await granted.wait()
            return await super().take(bucket, wanted, rate_per_s, now)

    pace = Pace(Slow(), "email", 1.0, post.clock)
    stop = asyncio.Event()
    consumer = Consumer(OUTBOX, post.sender.handle, post.queue, post.store, post.clock, batch_max=25, gate=pace)
    await post.queue.publish(OUTBOX, [await post.rendered(id="ntf_0", type="marketing")])
    running = asyncio.create_task(consumer.run(stop))
    await asked.wait()
    await post.queue.publish(OUTBOX, [await post.rendered(id="ntf_1", type="marketing")])
    await post.queue.publish(OUTBOX, [await post.rendered(id="ntf_2", type="transactional")])
    granted.set()

    async def sent() -> list[str]:
        return [mail.args["hg_id"] for mail in post.providers[0].sent]

    assert await eventually(sent) == ["ntf_2"]
    stop.set()
    await running
    assert (await post.delivery("email", "ntf_2")).status == "sent"
