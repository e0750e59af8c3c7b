"""What a tenant may set as its sender, and Message-IDs that are found again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.core.ids import batch_member_id, new_batch_id, new_notification_id
from heliograph.core.message_ids import Named, message_id, named_by
from heliograph.core.senders import NOBODY, Sender, sender_flaws


@pytest.mark.parametrize(
    "sender",
    [
        NOBODY, Sender("a@acme.example"), Sender("Acme <a@acme.example>", "b@acme.example"),
        Sender('"Acme, Inc." <a@acme.example>'), Sender("Zoë & Söhne <a@acme.example>"),
    ],
)  # fmt: skip
def test_senders_that_may_be_set(sender: Sender) -> None:
    """A mailbox, with a name or without; an address to answer to."""
    assert sender_flaws(sender) == ()


@pytest.mark.parametrize(
    ("sender", "path"),
    [
        (Sender("Acme"), "from"), (Sender(""), "from"), (Sender("a@localhost"), "from"),
        (Sender("Acme\r\nBcc: x@y.example <a@acme.example>"), "from"), (Sender("a@acme.example\n"), "from"),
        (Sender("A\x00 <a@acme.example>"), "from"), (Sender("=?utf-8?q?x?= <a@acme.example>"), "from"),
        (Sender("a@acme.example, b@acme.example"), "from"), (Sender("x" * 101 + " <a@acme.example>"), "from"),
        (Sender(reply_to="Acme <a@acme.example>"), "reply_to"),
        (Sender(reply_to="a@acme.example\r\nBcc: b@c.de"), "reply_to"),
        (Sender(reply_to=""), "reply_to"),
    ],
)  # fmt: skip
def test_senders_that_may_not(sender: Sender, path: str) -> None:
    """Above all, nothing that starts a header of its own."""
    assert [flaw.path for flaw in sender_flaws(sender)] == [path]


@given(
    st.integers(0, 2**47),
    st.none() | st.integers(0, 99_999),
    st.integers(0, 99),
    st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", fullmatch=True),
)
def test_a_message_id_is_found_again(now: int, member: int | None, gen: int, tenant: str) -> None:
    """Of every notification, member of a batch or not, with its brackets and without."""
    name = new_notification_id(now) if member is None else batch_member_id(new_batch_id(now), member)
    made = message_id({"hg_id": name, "hg_gen": str(gen), "hg_tenant": tenant}, "shop.example")
    assert made
    assert named_by(made) == named_by(made[1:-1]) == Named(tenant, name, gen)


@pytest.mark.parametrize("text", ["", "<>", "<abc@x>", "<ntf_1.0.shop@x>", "<ntf_01hzzzzzzzzzzzzzzzzzzzzzzz.0@x>"])
def test_a_foreign_message_id_names_nothing(text: str) -> None:
    """SendGrid's own, or another system's."""
    assert named_by(text) is None


def test_a_mail_that_is_no_delivery_has_none() -> None:
    """It gets a random one."""
    assert message_id({}, "x") is None
    assert message_id({"hg_id": "ntf_1"}, "x") is None
