"""The e-mail sender: suppressed once more, on record before the call, to the provider that was admitted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import structs

from heliograph.attempts import Attempts
from heliograph.core.account import Rules
from heliograph.core.lanes import OUTBOX, OutboxItem
from heliograph.core.mail import render_mail
from heliograph.core.model import Key, Preferences
from heliograph.core.outcomes import (
    DONE,
    Dead,
    Misconfigured,
    Outcome,
    ProviderOutcome,
    Rejected,
    RetryAt,
    Throttled,
    Unavailable,
)
from heliograph.core.pacing import PaceRules
from heliograph.core.retry import RetryPolicy
from heliograph.gate import Admission
from heliograph.guard import Guard
from heliograph.roles.email_sender import EmailSender
from heliograph.testing.cells import MemoryCells
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


async def test_the_mail_names_its_attempt_until_there_are_no_more() -> None:
    """The provider's webhooks must name the attempt they speak of. Without a guard it is always the first provider."""
    post = Post()
    post.providers[0].answers[ADDRESS] = Unavailable("503")
    item: object = await post.rendered()
    for _ in range(2):
        assert isinstance(item, OutboxItem)
        (outcome,) = await post.send(item)
        assert isinstance(outcome, RetryAt)
        item = outcome.item
    assert isinstance(item, OutboxItem)
    assert await post.send(item) == [Dead("503", attempt=3, provider="sendgrid")]
    assert [mail.args["hg_attempt"] for mail in post.providers[0].sent] == ["1", "2", "3"]
    assert post.providers[1].sent == []


async def test_the_provider_that_was_admitted_gets_the_mail() -> None:
    """The outlet chose it, by what it knows of the others."""
    post = Post()
    guard = Guard("smtp", MemoryCells(), post.clock, Rules(PaceRules(10.0)))
    (pulled,) = await post.pulled(OUTBOX, await post.rendered())
    pulled.admission = Admission(1, guard)
    assert all_done(await post.sender.handle([pulled]))
    assert [len(provider.sent) for provider in post.providers] == [0, 1]
    assert (await post.delivery("email")).provider == "smtp"


async def test_a_p0_that_failed_is_tried_elsewhere() -> None:
    """It may not wait until enough mails have failed to open a breaker. P1 and P2 stay: a second copy of a doubtful one
    is only worth it for P0; and without another provider that takes it, so does P0."""
    post = Post()
    cells = MemoryCells()
    guards = [Guard(provider.name, cells, post.clock, Rules(PaceRules(10.0))) for provider in post.providers]
    attempts = Attempts(post.store, post.clock, RetryPolicy(), 15)
    post.sender = EmailSender(post.store, attempts, post.providers, post.clock, guards)

    async def send(item: OutboxItem) -> str:
        (pulled,) = await post.pulled(OUTBOX, item)
        pulled.admission = Admission(1, guards[0])
        before = [len(provider.sent) for provider in post.providers]
        await post.sender.handle([pulled])
        return next(p.name for p, n in zip(post.providers, before, strict=True) if len(p.sent) > n)

    first, urgent, alert = (
        await post.rendered(), await post.rendered(id="ntf_2"), await post.rendered(id="ntf_5", type="alert"),
    )  # fmt: skip
    again = [msgspec.structs.replace(item, attempt=2) for item in (urgent, alert)]
    assert [await send(item) for item in (first, *again)] == ["sendgrid", "smtp", "sendgrid"]

    async def refuse() -> ProviderOutcome:
        return Misconfigured("smtp 535")

    await guards[1].call(refuse)
    assert await send(await post.rendered(id="ntf_3")) == "sendgrid"
    third = msgspec.structs.replace(await post.rendered(id="ntf_4"), attempt=2)
    assert await send(third) == "sendgrid"


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
    post.providers[0].answers.clear()
    for item in again:
        assert isinstance(item, OutboxItem)
        assert all_done(await post.send(item))
    assert [mail.args["hg_id"] for mail in post.providers[0].sent] == ["ntf_1", "ntf_2", "ntf_2"]
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
    assert [mail.args["hg_id"] for mail in post.providers[0].sent] == ["ntf_2"]
