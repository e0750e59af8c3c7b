"""SMTP: what each reply means."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest

from heliograph.core.outcomes import Misconfigured, ProviderOutcome, Rejected, Throttled, Unavailable
from heliograph.providers.smtp_codes import (
    BASIC,
    ENHANCED,
    ENHANCED_SUBJECT,
    LOGIN,
    Phase,
    enhanced_code,
    outcome_of,
)

ALONE_AT_ITS_RECIPIENT = {"recipient"}
ALWAYS_ALONE = {"recipient", "data", "content"}
REPLIES: list[tuple[int, str, ProviderOutcome]] = [
    (550, "5.1.1 no such user", Rejected("smtp 550 5.1.1", bad_address=True)),
    (550, "5.1.2 no such domain", Rejected("smtp 550 5.1.2", bad_address=True)),
    (553, "5.1.3 bad syntax", Rejected("smtp 553 5.1.3", bad_address=True)),
    (551, "5.1.6 has moved", Rejected("smtp 551 5.1.6", bad_address=True)),
    (556, "5.1.10 null MX", Rejected("smtp 556 5.1.10", bad_address=True)),
    (550, "5.2.1 mailbox disabled", Rejected("smtp 550 5.2.1", bad_address=True)),
    (452, "4.2.2 mailbox full", Unavailable("smtp 452 4.2.2")),
    (552, "5.2.2 mailbox full", Unavailable("smtp 552 5.2.2")),
    (552, "5.3.4 too big", Rejected("smtp 552 5.3.4")),
    (451, "4.7.1 greylisted", Throttled("smtp 451 4.7.1")),
    (450, "4.7.28 unusual rate", Throttled("smtp 450 4.7.28")),
    (550, "5.7.1 blocked by policy", Rejected("smtp 550 5.7.1")),
    (550, "5.7.26 unauthenticated sender", Rejected("smtp 550 5.7.26")),
    (451, "4.4.1 no answer from host", Unavailable("smtp 451 4.4.1")),
    (550, "5.4.1 no answer from host", Rejected("smtp 550 5.4.1")),
    (421, "4.3.2 shutting down", Throttled("smtp 421 4.3.2")),
    (421, "too many connections", Throttled("smtp 421")),
    (450, "mailbox busy", Throttled("smtp 450")),
    (451, "4.3.0 try later", Throttled("smtp 451 4.3.0")),
    (452, "4.3.1 disk full", Unavailable("smtp 452 4.3.1")),
    (552, "message too big", Rejected("smtp 552")),
    (535, "5.7.8 wrong password", Misconfigured("smtp 535 5.7.8")),
    (530, "5.7.0 log in first", Misconfigured("smtp 530 5.7.0")),
    (534, "5.7.9 mechanism too weak", Misconfigured("smtp 534 5.7.9")),
    (538, "5.7.11 encryption needed", Misconfigured("smtp 538 5.7.11")),
    (454, "4.7.0 temporary authentication failure", Unavailable("smtp 454 4.7.0")),
    # nothing but the class to go by
    (550, "mailbox unavailable", Rejected("smtp 550")),
    (554, "5.6.0 content refused", Rejected("smtp 554 5.6.0")),
    (499, "odd", Unavailable("smtp 499")),
    (250, "a yes where none was due", Unavailable("smtp 250")),
    (-1, "not a reply", Unavailable("smtp: not an SMTP reply")),
    # a text that only looks like a code, or contradicts the reply
    (450, "5.1.1 contradiction", Throttled("smtp 450 5.1.1")),
    (550, "5.1.1.1 is an address", Rejected("smtp 550")),
    (550, "see 5.1.1", Rejected("smtp 550")),
]


@pytest.mark.parametrize(("code", "text", "expected"), REPLIES)
@pytest.mark.parametrize("phase", ["recipient", "data", "content"])
def test_what_a_reply_about_a_mail_means(phase: Phase, code: int, text: str, expected: ProviderOutcome) -> None:
    """Row by row: who is to blame, and whether it may be better later. Only a dead mailbox is suppressed."""
    outcome = outcome_of(phase, code, text)
    if isinstance(outcome, Throttled | Unavailable):
        outcome = msgspec.structs.replace(outcome, alone=False)
    assert outcome == expected


@pytest.mark.parametrize(
    ("code", "text", "phases"),
    [
        (452, "4.2.2 mailbox full", ALWAYS_ALONE),
        (451, "4.1.8 odd sender domain", ALWAYS_ALONE),
        (451, "4.7.1 greylisted", ALONE_AT_ITS_RECIPIENT),
        (450, "mailbox busy", ALONE_AT_ITS_RECIPIENT),
        (451, "4.4.1 no answer from host", ALONE_AT_ITS_RECIPIENT),
        (452, "4.3.1 disk full", set()),
        (421, "4.7.0 too many connections", set()),
        (421, "closing", set()),
    ],
)
def test_whom_a_transient_reply_concerns(code: int, text: str, phases: set[Phase]) -> None:
    """One greylisted recipient must not slow down everybody's mail; a relay whose disk is full must."""
    alone = {phase for phase in get_args(Phase) if getattr(outcome_of(phase, code, text), "alone", False)}
    assert alone == phases


def test_every_row_of_the_tables_is_tested() -> None:
    """A code added to a table needs its row above."""
    codes = {code for code, _, _ in REPLIES}
    enhanced = {enhanced_code(text) for _, text, _ in REPLIES}
    assert codes >= BASIC.keys() | LOGIN.keys()
    assert enhanced >= ENHANCED.keys()
    assert {code.rpartition(".")[0] for code in enhanced} >= ENHANCED_SUBJECT.keys()


@pytest.mark.parametrize("phase", ["connect", "login", "sender"])
@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        (554, "5.7.1 your address is blocked", Misconfigured("smtp 554 5.7.1")),
        (550, "5.1.1 unknown sender", Misconfigured("smtp 550 5.1.1")),
        (553, "not your address", Misconfigured("smtp 553")),
        (421, "4.7.0 too many connections", Throttled("smtp 421 4.7.0")),
        (451, "4.4.1 later", Unavailable("smtp 451 4.4.1")),
        (552, "5.3.4 too big", Rejected("smtp 552 5.3.4")),
    ],
)
def test_a_refusal_of_us_is_no_mails_fault(phase: Phase, code: int, text: str, expected: ProviderOutcome) -> None:
    """Before RCPT no recipient can be wrong: the relay won't have us, so mails wait. Only their size is theirs."""
    assert outcome_of(phase, code, text) == expected
