"""SMTP's provider against the lab's relay, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from email import message_from_string, policy

import pytest

from heliograph.core.model import Mail
from heliograph.core.outcomes import Delivered, Misconfigured, Rejected, Throttled, Unavailable
from heliograph.lab.faults import Fault
from heliograph.lab.server import Lab
from heliograph.providers.smtp import Smtp

SENDER = "Shop, The <no-reply@shop.example>"


@pytest.fixture
async def provider(lab: Lab) -> AsyncIterator[Smtp]:
    smtp = Smtp(lab.smtp_url, SENDER, timeout_s=0.5)
    yield smtp
    await smtp.close()


async def test_a_mail_arrives_unharmed(lab: Lab, provider: Smtp, mail: Mail) -> None:
    """Subject, both bodies and recipient, as another program's parser reads them, and our id in a header."""
    outcome = await provider.send(mail)
    record = lab.inbox.select(provider="smtp")[0].as_json()
    assert outcome == Delivered("<ntf_1.0@shop.example>")
    assert (record["title"], record["body"], record["html"]) == (mail.subject, mail.text, mail.html)
    message = message_from_string(record["payload"], policy=policy.default)
    assert [(box.display_name, box.addr_spec) for box in message["To"].addresses] == [("Doe, Zoë", "zoe@x.example")]
    assert (message["Message-ID"], message["X-Heliograph-Id"]) == (outcome.provider_id, "ntf_1")
    assert message["From"].addresses[0].display_name == "Shop, The"


async def test_connections_are_reused(lab: Lab, mail: Mail) -> None:
    """A hundred mails, one after the other, cost one connection."""
    seen: set[int] = set()
    smtp = Smtp(lab.smtp_url, SENDER)
    for _ in range(100):
        assert isinstance(await smtp.send(mail), Delivered)
        seen |= {id(session) for session in lab._relay.sessions}
    await smtp.close()
    assert len(seen) == 1


async def test_a_burst_shares_the_pool(lab: Lab, mail: Mail) -> None:
    """Many mails at once, few connections, every mail arrives once."""
    smtp = Smtp(lab.smtp_url, SENDER, connections=4)
    outcomes = await asyncio.gather(*(smtp.send(mail) for _ in range(100)))
    assert all(isinstance(outcome, Delivered) for outcome in outcomes)
    assert len(lab.inbox.select(provider="smtp")) == 100
    assert len(lab._relay.sessions) <= 4
    await smtp.close()


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault("down"), Unavailable("smtp: no connection")),
        (Fault("hang"), Unavailable("smtp: no answer in time")),
        (Fault("error"), Throttled("smtp 451 4.3.0")),
        (Fault("error", status=452), Unavailable("smtp 452 4.3.1")),
        (Fault("error", status=554), Rejected("smtp 554 5.6.0")),
        (Fault("error", status=550), Rejected("smtp 550 5.7.1")),
        (Fault("flaky", fraction=1.0), Throttled("smtp 451 4.3.0")),
    ],
)
@pytest.mark.parametrize("warm", [False, True])
async def test_every_way_to_fail(
    lab: Lab, provider: Smtp, mail: Mail, fault: Fault, expected: object, warm: bool
) -> None:
    """Each fault of the lab becomes its outcome, on a new connection and on a kept one; the next mail gets through."""
    if warm:
        await provider.send(mail)
    lab.set_fault("smtp", fault)
    assert await provider.send(mail) == expected
    lab.set_fault("smtp", Fault())
    assert isinstance(await provider.send(mail), Delivered)


async def test_too_fast(lab: Lab, provider: Smtp, mail: Mail) -> None:
    """A relay says "slow down" by 451 4.7.1, without a time."""
    lab.set_fault("smtp", Fault("throttle", rate_per_s=0.01))
    assert isinstance(await provider.send(mail), Delivered)
    assert await provider.send(mail) == Throttled("smtp 451 4.7.1")


async def test_flaky_tells_each_mail_its_own(lab: Lab, provider: Smtp, mail: Mail) -> None:
    """Half fail, half arrive."""
    lab.set_fault("smtp", Fault("flaky", fraction=0.5))
    outcomes = await asyncio.gather(*(provider.send(mail) for _ in range(40)))
    delivered = sum(isinstance(outcome, Delivered) for outcome in outcomes)
    assert 0 < delivered < 40
    assert delivered == len(lab.inbox.select(provider="smtp"))


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("bounce", Rejected("smtp 550 5.1.1", bad_address=True)),
        ("moved", Rejected("smtp 551 5.1.6", bad_address=True)),
        ("blocked", Rejected("smtp 554 5.7.1")),
        ("full", Unavailable("smtp 452 4.2.2", alone=True)),
        ("busy", Throttled("smtp 450 4.2.1", alone=True)),
        ("too_large", Rejected("smtp 552 5.3.4")),
        ("closing", Throttled("smtp 421 4.3.2")),
        ("lost_answer", Unavailable("smtp: connection lost", unknown=True)),
    ],
)
async def test_what_recipients_draw(lab: Lab, provider: Smtp, mail: Mail, word: str, expected: object) -> None:
    """A recipient's fate at the door; a connection that was kept gives no other answer than a new one."""
    lab.set_fault("smtp", Fault(tokens={mail.to: word}))
    assert await provider.send(mail) == expected
    assert await provider.send(mail) == expected


async def test_greylisting_passes_at_the_second_try(lab: Lab, provider: Smtp, mail: Mail) -> None:
    """451 4.7.1 first, then taken."""
    lab.set_fault("smtp", Fault(tokens={mail.to: "greylist"}))
    assert await provider.send(mail) == Throttled("smtp 451 4.7.1", alone=True)
    assert isinstance(await provider.send(mail), Delivered)


@pytest.mark.parametrize(("password", "works"), [("p%40ss", True), ("wrong", False)])
async def test_login(mail: Mail, password: str, works: bool) -> None:
    """AUTH with the URL's credentials; a wrong password makes mails wait, not die."""
    lab = Lab(smtp_login=("us", "p@ss"))
    await lab.start()
    smtp = Smtp(lab.smtp_url.replace("smtp://", f"smtp://us:{password}@"), SENDER)
    outcome = await smtp.send(mail)
    await smtp.close()
    await lab.stop()
    assert isinstance(outcome, Delivered if works else Misconfigured)


async def test_a_relay_that_is_gone(lab: Lab, provider: Smtp, mail: Mail) -> None:
    """Nobody listens any more: certainly not sent, kept connections or not."""
    await provider.send(mail)
    await lab.stop()
    assert await provider.send(mail) == Unavailable("smtp: no connection", unknown=False)
