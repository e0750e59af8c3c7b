"""SendGrid's provider against the lab's SendGrid, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from heliograph.core.model import Mail
from heliograph.core.outcomes import Delivered, Misconfigured, Rejected, Throttled, Unavailable
from heliograph.lab.faults import Fault
from heliograph.lab.server import Lab
from heliograph.providers.http import Http
from heliograph.providers.sendgrid import SendGrid


@pytest.fixture
async def provider(lab: Lab) -> AsyncIterator[SendGrid]:
    sendgrid = SendGrid(lab.sendgrid_url, "SG.key", "Shop, The <no-reply@shop.example>", Http(timeout_s=0.5))
    yield sendgrid
    await sendgrid.close()


async def test_a_mail_arrives_unharmed(lab: Lab, provider: SendGrid, mail: Mail) -> None:
    """Subject, both bodies, recipient and our names, as SendGrid got them; its id comes back."""
    outcome = await provider.send(mail)
    (received,) = lab.inbox.select(provider="sendgrid")
    record = received.as_json()
    assert outcome == Delivered(received.provider_id)
    assert (record["title"], record["body"], record["html"]) == (mail.subject, mail.text, mail.html)
    assert (record["to"], record["data"]) == (mail.to, mail.args)
    assert record["headers"]["To"] == '"Doe, Zoë" <zoe@x.example>'


async def test_headers_of_the_mail_arrive(lab: Lab, provider: SendGrid, mail: Mail) -> None:
    """List-Unsubscribe is taken by SendGrid's rules."""
    await provider.send(msgspec.structs.replace(mail, headers={"List-Unsubscribe": "<https://a.example>"}))
    assert lab.inbox.select()[0].as_json()["headers"]["List-Unsubscribe"] == "<https://a.example>"


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault("down"), Unavailable("sendgrid: connection lost", unknown=True)),
        (Fault("hang"), Unavailable("sendgrid: no answer in time", unknown=True)),
        (Fault("error"), Unavailable("sendgrid 500: internal server error", unknown=True)),
        (Fault("error", status=503), Unavailable("sendgrid 503: service unavailable", unknown=True)),
        (Fault("error", status=400), Rejected("sendgrid 400: Bad Request")),
        (
            Fault("error", status=401),
            Misconfigured("sendgrid 401: The provided authorization grant is invalid, expired, or revoked"),
        ),
        (Fault("error", status=413), Rejected("sendgrid 413: content too large")),
        (Fault("flaky", fraction=1.0), Unavailable("sendgrid 500: internal server error", unknown=True)),
    ],
)
async def test_every_way_to_fail(lab: Lab, provider: SendGrid, mail: Mail, fault: Fault, expected: object) -> None:
    """Each fault of the lab becomes its outcome, and the next mail after it gets through."""
    lab.set_fault("sendgrid", fault)
    assert await provider.send(mail) == expected
    lab.set_fault("sendgrid", Fault())
    assert isinstance(await provider.send(mail), Delivered)


async def test_too_fast(lab: Lab, provider: SendGrid, mail: Mail) -> None:
    """The wait is the one that X-RateLimit-Reset tells."""
    lab.set_fault("sendgrid", Fault("throttle", rate_per_s=0.01))
    assert isinstance(await provider.send(mail), Delivered)
    outcome = await provider.send(mail)
    assert isinstance(outcome, Throttled)
    assert outcome.after_s is not None
    assert 90 < outcome.after_s <= 102


async def test_flaky_tells_each_mail_its_own(lab: Lab, provider: SendGrid, mail: Mail) -> None:
    """Half fail, half arrive; what we call delivered is what the lab took."""
    lab.set_fault("sendgrid", Fault("flaky", fraction=0.5))
    outcomes = await asyncio.gather(*(provider.send(mail) for _ in range(40)))
    delivered = {outcome.provider_id for outcome in outcomes if isinstance(outcome, Delivered)}
    assert 0 < len(delivered) < 40
    assert delivered == {received.provider_id for received in lab.inbox.select()}


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("invalid", Rejected("sendgrid 400: Does not contain a valid address.", bad_address=True)),
        ("credits", Misconfigured("sendgrid 401: Maximum credits exceeded")),
        ("forbidden", Misconfigured("sendgrid 403: access forbidden")),
        ("lost_answer", Unavailable("sendgrid: connection lost", unknown=True)),
        ("bounce", Delivered),
    ],
)
async def test_what_recipients_draw(lab: Lab, provider: SendGrid, mail: Mail, word: str, expected: object) -> None:
    """A recipient's fate at the door."""
    lab.set_fault("sendgrid", Fault(tokens={mail.to: word}))
    outcome = await provider.send(mail)
    assert (type(outcome) if expected is Delivered else outcome) == expected


async def test_a_provider_that_is_gone(lab: Lab, provider: SendGrid, mail: Mail) -> None:
    """Nobody listens any more: certainly not sent, once the kept connection is known to be dead."""
    await provider.send(mail)
    await lab.stop()
    outcomes = [await provider.send(mail) for _ in range(2)]
    assert outcomes[-1] == Unavailable("sendgrid: no connection", unknown=False)
