"""The webhook handler: signed events only, each counted once, in whatever order they come."""

from __future__ import annotations

import asyncio
import base64
import json
import random
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from litestar import Litestar

from heliograph.core.lifecycle import Event, fold
from heliograph.core.model import Key, User
from heliograph.core.suppressing import Suppression
from heliograph.roles.webhooks.sendgrid import MAX_EVENTS, MAX_WEBHOOK, Verifier, routes
from heliograph.roles.webhooks.sendgrid_events import SendGridEvent, to_events, to_suppress
from heliograph.web import application
from tests.unit.given import T0, TENANT, event
from tests.unit.roles.api.service import Answer, call
from tests.unit.roles.world import World

PRIVATE = ec.generate_private_key(ec.SECP256R1())
PUBLIC = base64.b64encode(PRIVATE.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()
PATH = "/v1/webhooks/sendgrid"
SECOND = T0 // 1000
ADDRESS = "anna@acme.example"


def happened(kind: str, **fields: Any) -> dict[str, Any]:
    """An event as SendGrid posts it."""
    return {
        "event": kind, "email": ADDRESS, "timestamp": SECOND, "sg_event_id": f"sg-{kind}", "sg_message_id": "msg-1",
        "hg_id": "ntf_1", "hg_tenant": TENANT, "hg_target": "email", "hg_gen": "0", "hg_attempt": "1", **fields,
    }  # fmt: skip


def signed(body: bytes, timestamp: str = str(SECOND), key: ec.EllipticCurvePrivateKey = PRIVATE) -> dict[str, str]:
    signature = key.sign(timestamp.encode() + body, ec.ECDSA(SHA256()))
    return {
        "x-twilio-email-event-webhook-signature": base64.b64encode(signature).decode(),
        "x-twilio-email-event-webhook-timestamp": timestamp,
    }


class Hook(World):
    """A world in which a mail was sent, and the handler that hears of it."""

    def __init__(self, public_key: str = PUBLIC) -> None:
        super().__init__()
        self.app: Litestar = application(
            routes(self.store, self.clock, public_key, 86_400), ready=self._ready, before_metrics=self._refresh
        )

    async def _ready(self) -> dict[str, Any]:
        return {}

    async def _refresh(self) -> None:
        """No gauge here."""

    async def mailed(self) -> Hook:
        await self.accept()
        await self.store.record([
            event("routed", plan=("email",)),
            event("sending", attempt=1),
            event("sent", attempt=1, provider="sendgrid"),
        ])  # fmt: skip
        return self

    async def post(self, *events: object) -> Answer:
        body = json.dumps(events).encode()
        return await self.raw(body, signed(body))

    async def raw(self, body: bytes, headers: dict[str, str]) -> Answer:
        return await call(self.app, "POST", PATH, [body], headers)


@pytest.mark.parametrize(
    ("kind", "status", "recorded"),
    [
        ("delivered", "delivered", "delivered"), ("bounce", "failed", "failed"), ("dropped", "failed", "failed"),
        ("deferred", "sent", "deferred"), ("open", "sent", "opened"), ("click", "sent", "clicked"),
        ("spamreport", "sent", "complained"), ("unsubscribe", "sent", "unsubscribed"),
        ("group_unsubscribe", "sent", "unsubscribed"),
    ],
)  # fmt: skip
async def test_each_kind_of_event_says_its_own(kind: str, status: str, recorded: str) -> None:
    """A provider's word about delivery moves the status; engagement stands in the timeline only."""
    hook = await Hook().mailed()
    assert (await hook.post(happened(kind, reason="because"))).status == 204
    assert (await hook.delivery("email")).status == status
    last = (await hook.history()).events[-1]
    assert (last.kind, last.provider, last.provider_id, last.detail) == (recorded, "sendgrid", "msg-1", "because")


async def test_a_duplicate_changes_nothing() -> None:
    """In the same post or a day later: SendGrid repeats what it isn't sure of."""
    hook = await Hook().mailed()
    for _ in range(3):
        await hook.post(happened("open"), happened("open"), happened("delivered"))
    assert await hook.kinds() == ["routed", "sending email", "sent email", "opened email", "delivered email"]
    await hook.post(happened("open", sg_event_id="another"))
    assert (await hook.kinds()).count("opened email") == 2


@settings(max_examples=40, deadline=None, database=None)
@given(st.randoms(use_true_random=False), st.lists(st.integers(-5, 5), min_size=5, max_size=5))
def test_the_order_of_events_does_not_matter(shuffle: random.Random, late: list[int]) -> None:
    """Posted in any order and portions, some twice, by a clock of whole seconds: the same deliveries in the end."""
    kinds = ["deferred", "delivered", "open", "click", "bounce"]
    story = [happened(kind, timestamp=SECOND + delay) for kind, delay in zip(kinds, late, strict=True)]

    async def told(events: list[dict[str, Any]]) -> Any:
        hook = await Hook().mailed()
        while events:
            cut = shuffle.randint(1, len(events))
            await hook.post(*events[:cut], *events[:1])
            events = events[cut:]
        return fold((await hook.history()).events)

    shuffled = [*story, story[0]]
    shuffle.shuffle(shuffled)
    assert asyncio.run(told(shuffled)) == asyncio.run(told(list(story)))


@pytest.mark.parametrize(
    ("kind", "fields", "reason"),
    [
        ("bounce", {"type": "bounce"}, "hard_bounce"), ("bounce", {}, "hard_bounce"),
        ("bounce", {"type": "blocked"}, None),
        ("spamreport", {}, "complaint"), ("deferred", {}, None), ("delivered", {}, None),
        ("unsubscribe", {}, "unsubscribe"), ("group_unsubscribe", {}, "unsubscribe"), ("group_resubscribe", {}, None),
        ("dropped", {}, None), ("dropped", {"reason": "Spam Content"}, None),
        ("dropped", {"reason": "Invalid SMTPAPI header"}, None),
        ("dropped", {"reason": "Recipient List over Package Quota"}, None),
        ("dropped", {"reason": "Bounced Address"}, "hard_bounce"), ("dropped", {"reason": "Invalid"}, "hard_bounce"),
        ("dropped", {"reason": "Spam Reporting Address"}, "complaint"),
        ("dropped", {"reason": "Unsubscribed Address"}, "unsubscribe"),
        ("bounce", {"email": "no address"}, None), ("bounce", {"hg_tenant": ""}, None),
    ],
)  # fmt: skip
async def test_who_bounced_or_complained_is_not_written_to_again(
    kind: str, fields: dict[str, Any], reason: str | None
) -> None:
    """For the tenant whose mail it was; a block is the other side's mood, not the address's fault."""
    hook = await Hook().mailed()
    await hook.post(happened(kind, **fields))
    expected = (reason,) if reason else ()
    assert await hook.store.suppressed([Key(TENANT, ADDRESS), Key("other", ADDRESS)]) == [expected, ()]


async def test_events_of_others_are_ignored() -> None:
    """Of another product on the same account, of another tenant's or an unknown notification."""
    hook = await Hook().mailed()
    answer = await hook.post(
        {"event": "delivered", "email": "x@y.example", "timestamp": SECOND}, happened("delivered", hg_tenant="other"),
        happened("delivered", hg_id="ntf_unknown"), happened("delivered", hg_id=""), happened("invented"),
        happened("delivered", timestamp="soon"), {"no": "event"}, 5, None, [],
    )  # fmt: skip
    assert answer.status == 204
    assert await hook.kinds() == ["routed", "sending email", "sent email"]


@pytest.mark.parametrize(("gen", "attempt"), [("", ""), ("x", "-1"), ("９", "1" * 50)])
async def test_odd_numbers_are_no_bug(gen: str, attempt: str) -> None:
    """What isn't a number of ours counts as none."""
    hook = await Hook().mailed()
    assert (await hook.post(happened("delivered", hg_gen=gen, hg_attempt=attempt))).status == 204
    last = (await hook.history()).events[-1]
    assert (last.gen, last.attempt) == (0, 0)


# --- signatures -------------------------------------------------------------------------------------------------------


BODY = json.dumps([happened("delivered")]).encode()


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {**signed(BODY), "x-twilio-email-event-webhook-timestamp": ""},
        {**signed(BODY), "x-twilio-email-event-webhook-timestamp": str(SECOND + 1)},
        {**signed(BODY), "x-twilio-email-event-webhook-signature": ""},
        {**signed(BODY), "x-twilio-email-event-webhook-signature": "not base64!"},
        {**signed(BODY), "x-twilio-email-event-webhook-signature": base64.b64encode(b"x" * 70).decode()},
        {"x-twilio-email-event-webhook-timestamp": str(SECOND)},
        signed(BODY + b" "),
        signed(BODY, key=ec.generate_private_key(ec.SECP256R1())),
        signed(BODY, "soon"),
        signed(BODY, str(SECOND - 86_401)),
        signed(BODY, str(SECOND + 86_401)),
        signed(BODY, "9" * 400),
    ],
)
async def test_only_what_sendgrid_signed_lately_is_heard(headers: dict[str, str]) -> None:
    """Missing, broken, of another body, key or day: 401 and nothing changes."""
    hook = await Hook().mailed()
    (await hook.raw(BODY, headers)).problem(401, "unauthorized")
    assert len((await hook.history()).events) == 3
    assert await hook.store.suppressed([Key(TENANT, ADDRESS)]) == [()]


@pytest.mark.parametrize("age_s", [-86_400, 0, 86_400])
async def test_a_repeat_within_the_day_is_heard(age_s: int) -> None:
    """SendGrid tries a refused post again for 24 hours."""
    hook = await Hook().mailed()
    assert (await hook.raw(BODY, signed(BODY, str(SECOND - age_s)))).status == 204


async def test_without_a_key_nobody_is_heard() -> None:
    """An unsigned webhook could be anyone's."""
    hook = await Hook(public_key="").mailed()
    (await hook.raw(BODY, signed(BODY))).problem(401, "unauthorized")


def test_a_key_of_another_kind_is_refused_at_the_start() -> None:
    """Not at the first webhook."""
    other = rsa.generate_private_key(65_537, 2_048).public_key()
    text = base64.b64encode(other.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()
    with pytest.raises(TypeError):
        Verifier(text, World().clock, 60)
    with pytest.raises(ValueError, match="Could not deserialize"):
        Verifier("bm90IGEga2V5", World().clock, 60)


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"null", b"[", b'["\xff"]', b'{"event": "delivered"}', b"[" * 100_000, b'[{"event": "\\ud800"}]'],
)
async def test_a_signed_body_that_is_no_list_is_a_422(body: bytes) -> None:
    """A problem, not a bug: SendGrid gives up on a 4xx."""
    hook = await Hook().mailed()
    (await hook.raw(body, signed(body))).problem(422, "invalid")


async def test_a_large_post_is_heard_and_a_huge_one_refused() -> None:
    """SendGrid flushes at 768 KB, more than any other call may have."""
    hook = await Hook().mailed()
    events = [happened("open", sg_event_id=f"sg-{n}", url="https://x.example/" + "x" * 400) for n in range(1_000)]
    body = json.dumps(events).encode()
    assert 500_000 < len(body) < MAX_WEBHOOK
    assert (await hook.raw(body, signed(body))).status == 204
    assert (await hook.kinds()).count("opened email") == 1_000
    huge = b"[" + b" " * MAX_WEBHOOK + b"]"
    (await hook.raw(huge, signed(huge))).problem(413, "too_large")


async def test_a_store_that_is_away_is_a_503() -> None:
    """SendGrid repeats it; nothing is half done that a repeat would do twice."""
    hook = await Hook().mailed()
    await hook.store.close_store()
    (await hook.post(happened("bounce"))).problem(503, "store_unavailable")
    await hook.store.open()
    assert (await hook.post(happened("bounce"))).status == 204
    assert (await hook.delivery("email")).status == "failed"


def told(**fields: Any) -> Event:
    (found,) = to_events([SendGridEvent(**{"event": "bounce", "hg_id": "n", "hg_tenant": "t", **fields})], T0)
    return found


def test_long_texts_are_cut() -> None:
    """A reason of any length fits into the store."""
    found = told(reason="x" * 9_999, sg_event_id="y" * 999)
    assert found.detail == "x" * 500
    assert found.unique == "y" * 100


@pytest.mark.parametrize(
    ("timestamp", "at"),
    [(SECOND - 5, T0 - 4_001), (SECOND, T0), (SECOND + 99, T0), (10**18, T0), (0, 999), (-(10**18), 0)],
)
def test_a_time_is_the_end_of_its_second_and_never_in_the_future(timestamp: int, at: int) -> None:
    """Whole seconds of another clock: an event must not seem older than its cause, nor be a time that is none."""
    assert told(timestamp=timestamp).at == at


def test_whose_address_it_was_must_be_known() -> None:
    """A suppression belongs to a tenant: of the mail, else of each tenant that has a user with the address."""
    bounce = [SendGridEvent(event="bounce", email=ADDRESS, timestamp=SECOND)]
    assert to_suppress(bounce, {}, T0) == []
    assert to_suppress(bounce, {ADDRESS: ("a", "b")}, T0) == [
        Suppression(tenant, ADDRESS, "hard_bounce", SECOND * 1000) for tenant in ("a", "b")
    ]


# --- asynchronous bounces ---------------------------------------------------------------------------------------------

LATE = {"event": "bounce", "email": ADDRESS, "timestamp": SECOND, "sg_event_id": "sg-late", "type": "bounce"}
NAMED = "ntf_01hzzzzzzzzzzzzzzzzzzzzzzz"


async def test_a_late_bounce_is_found_by_the_message_id() -> None:
    """No custom arguments came back, only the Message-ID that the mail got from us."""
    hook = Hook()
    await hook.accept(id=NAMED)
    await hook.store.record([event("routed", plan=("email",), notification_id=NAMED)])
    await hook.post({**LATE, "smtp-id": f"<{NAMED}.0.{TENANT}@shop.example>"})
    assert (await hook.delivery("email", NAMED)).status == "failed"
    assert await hook.store.suppressed([Key(TENANT, ADDRESS), Key("other", ADDRESS)]) == [("hard_bounce",), ()]


@pytest.mark.parametrize("smtp_id", ["", "<x@geopod-ismtpd-1>", "<ntf_1.0.acme@x>", f"<{NAMED}.0.@x>"])
async def test_a_late_bounce_of_nobody_in_particular_suppresses_for_all_who_write_there(smtp_id: str) -> None:
    """The mailbox is gone, whoever wrote to it: for every tenant with such a user, and for no other."""
    hook = Hook()
    await hook.store.put_user(User(TENANT, "anna", email=ADDRESS.upper()))
    await hook.store.put_user(User("zoo", "anna", email=ADDRESS))
    await hook.post({**LATE, "smtp-id": smtp_id}, {**LATE, "type": "blocked", "email": "ben@acme.example"})
    asked = [Key(TENANT, ADDRESS), Key("zoo", ADDRESS), Key("other", ADDRESS)]
    assert await hook.store.suppressed(asked) == [("hard_bounce",), ("hard_bounce",), ()]


async def test_dropped_for_a_list_of_the_providers_is_suppressed() -> None:
    """Not failed: there is nothing to replay as long as SendGrid has the address on its list."""
    hook = await Hook().mailed()
    await hook.post(happened("dropped", reason="Bounced Address"))
    delivery = await hook.delivery("email")
    assert (delivery.status, delivery.reason) == ("suppressed", "Bounced Address")


async def test_too_many_events_are_too_large() -> None:
    """However small they are: nothing of them is recorded."""
    hook = await Hook().mailed()
    body = json.dumps([{"event": "open", "email": "", "n": n} for n in range(MAX_EVENTS + 1)]).encode()
    assert len(body) < MAX_WEBHOOK
    (await hook.raw(body, signed(body))).problem(413, "too_large")
    ten_thousand = json.dumps([happened("open", sg_event_id=f"sg-{n}") for n in range(10_000)]).encode()
    (await hook.raw(ten_thousand, signed(ten_thousand))).problem(413, "too_large")
    assert len((await hook.history()).events) == 3


# --- any order, any number of times -----------------------------------------------------------------------------------

RANKS = ["sent", "suppressed", "failed", "delivered"]
"""From the least to the best that is known of a mail that was handed over (docs/lifecycle.md)."""
MEANS = {"delivered": "delivered", "bounce": "failed", "blocked": "failed", "dropped": "failed"}


def model(kinds: list[str]) -> tuple[str, dict[str, int]]:
    """The reference: the highest rank that was told, and how many different events of each kind of engagement."""
    status = max((MEANS.get(kind, "sent") for kind in kinds), key=RANKS.index, default="sent")
    return status, {ours: kinds.count(theirs) for theirs, ours in (("open", "opened"), ("click", "clicked"))}


@settings(max_examples=60, deadline=None, database=None)
@given(st.data(), st.lists(st.sampled_from(["delivered", "deferred", "bounce", "blocked", "dropped", "open", "click",
                                            "processed", "spamreport"]), max_size=8))  # fmt: skip
def test_any_shuffle_with_duplicates_ends_the_same(data: st.DataObject, kinds: list[str]) -> None:
    """Against a reference model: whatever order and portions, whichever events twice or thrice, at whatever times."""
    story = [
        happened("bounce" if kind == "blocked" else kind, sg_event_id=f"sg-{n}", type="blocked" if kind == "blocked"
                 else "bounce", timestamp=SECOND + data.draw(st.integers(-3, 3)))
        for n, kind in enumerate(kinds)
    ]  # fmt: skip
    again = data.draw(st.lists(st.sampled_from(story), max_size=8)) if story else []
    order = data.draw(st.permutations(story + again))

    async def told() -> tuple[str, dict[str, int], list[int]]:
        hook = await Hook().mailed()
        ranks = [RANKS.index("sent")]
        left = list(order)
        while left:
            portion = data.draw(st.integers(1, len(left)))
            await hook.post(*left[:portion])
            left = left[portion:]
            ranks.append(RANKS.index((await hook.delivery("email")).status))
        counted = [one.kind for one in (await hook.history()).events]
        engaged = {kind: counted.count(kind) for kind in ("opened", "clicked")}  # type: ignore[arg-type]
        return (await hook.delivery("email")).status, engaged, ranks

    status, engaged, ranks = asyncio.run(told())
    assert (status, engaged) == model(kinds)
    assert ranks == sorted(ranks), "a status never moves back"
