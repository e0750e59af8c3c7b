"""Who a tenant's mails come from: its own From and Reply-To, if it set them. Pure: reads texts, names their flaws."""

from __future__ import annotations

import msgspec

from heliograph.core.errors import Flaw
from heliograph.core.headers import address_flaw, parse_mailbox


class Sender(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """`sender` as `Name <addr>` or `addr`; None = the installation's. `reply_to` is an address; None = no header."""

    sender: str | None = msgspec.field(default=None, name="from")
    reply_to: str | None = None


NOBODY = Sender()


def sender_flaws(sender: Sender) -> tuple[Flaw, ...]:
    """Why these can't stand in a mail's head: above all, whatever could start a header of its own."""
    flaws = []
    if sender.sender is not None:
        try:
            mailbox = parse_mailbox(sender.sender)
            if flaw := address_flaw(mailbox.addr_spec):
                flaws.append(Flaw("from", f"the address {flaw}"))
            if len(mailbox.display_name) > 100:
                flaws.append(Flaw("from", "the name is longer than 100 characters"))
        except ValueError as error:
            flaws.append(Flaw("from", str(error)))
    if sender.reply_to is not None and (flaw := address_flaw(sender.reply_to)):
        flaws.append(Flaw("reply_to", flaw))
    return tuple(flaws)
