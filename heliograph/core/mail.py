"""Mail rendering: a notification becomes an HTML mail with a plain-text alternative. Pure.

Reads the notification and the address, writes a `Mail`. Title and body are text, never markup; nothing but an http(s)
`action_url` becomes a link. Used by the e-mail worker. Never looks anything up and never sends.
"""

from __future__ import annotations

import re
from typing import Final

from jinja2 import Environment
from markupsafe import Markup, escape

from heliograph.core.mail_templates import HTML
from heliograph.core.model import Mail, Notification
from heliograph.core.senders import NOBODY, Sender

MAX_SUBJECT: Final = 200
"""Characters; the longest title that the contract allows."""
PREHEADER: Final = 140
"""Characters of body that clients show beside the subject; the longest previews are about that."""
NO_SUBJECT: Final = "Notification"
ONE_CLICK: Final = "List-Unsubscribe=One-Click"

_TEMPLATE: Final = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(HTML)

# Every code point that Python, a mail server or a mail client takes for a line break or can't show, but \n and \t.
_INVISIBLE: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_LINE_BREAKS: Final = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_WHITE: Final = re.compile(r"\s+")
# Any scheme but these two could run something. A quote, a space or a backslash in a URL is a trick or a mistake.
_LINK: Final = re.compile('https?://[^\\s\x00-\x20\x7f-\x9f<>"\\\\/?#][^\\s\x00-\x20\x7f-\x9f<>"\\\\]*', re.IGNORECASE)


def render_mail(
    notification: Notification, address: str, name: str | None, attempt: int = 1, gen: int = 0,
    *, sender: Sender = NOBODY, unsubscribe: str | None = None,
) -> Mail:  # fmt: skip
    """The mail for one delivery.

    Args:
        notification: with its body; a heavy one was loaded before.
        address: where it goes.
        name: the person's, shown beside the address.
        attempt: which attempt of this delivery it is, from 1.
        gen: how many times the delivery was replayed.
        sender: the tenant's own From and Reply-To.
        unsubscribe: the link that ends such mails: for the person in the mail itself, for the mailbox's own button in
            two headers (RFC 8058 section 3).

    `Mail.args` name the attempt, so that a provider's webhook finds it again.
    """
    title, body = _one_line(notification.title), _text(notification.body or "")
    subject = _subject(title, body)
    link = notification.action_url if _is_link(notification.action_url) else None
    paragraphs = [_paragraph(part) for part in body.split("\n\n") if part.strip()]
    preheader = _one_line(body[: 2 * PREHEADER])[:PREHEADER]
    html = _html({
        "subject": subject, "title": title, "preheader": preheader, "paragraphs": paragraphs, "link": link,
        "unsubscribe": unsubscribe,
    })  # fmt: skip
    last = f"Unsubscribe: {unsubscribe}" if unsubscribe else None
    return Mail(
        to=address,
        to_name=(_subject_safe(_one_line(name)) or None) if name else None,
        subject=subject,
        text="\n\n".join(part for part in (title, body, link, last) if part) or subject,
        html=html,
        args={
            "hg_id": notification.id,
            "hg_tenant": notification.tenant,
            "hg_target": "email",
            "hg_gen": str(gen),
            "hg_attempt": str(attempt),
        },
        headers={"List-Unsubscribe": f"<{unsubscribe}>", "List-Unsubscribe-Post": ONE_CLICK} if unsubscribe else {},
        sender=sender.sender,
        reply_to=sender.reply_to,
    )


def _html(variables: dict[str, object]) -> str:
    """What `Template.render` answers, without its copy of Jinja's globals for every mail: this template uses none."""
    return "".join(_TEMPLATE.root_render_func(_TEMPLATE.new_context(variables, shared=True)))


def _subject(title: str, body: str) -> str:
    first = title or _one_line(body.lstrip().partition("\n")[0])
    return _subject_safe(first)[:MAX_SUBJECT].rstrip() or NO_SUBJECT


def _subject_safe(line: str) -> str:
    """Without the opening of an encoded word, which readers would decode (see core/headers.py)."""
    return line.replace("=?", "= ?")


def _one_line(text: str) -> str:
    if text.isprintable():  # by far the most, and much faster to see
        return text.strip()
    return _WHITE.sub(" ", _text(text)).strip()


def _text(text: str) -> str:
    """With \\n for every kind of line break, and without control characters and the blank lines around it."""
    if not text.isprintable():
        text = _INVISIBLE.sub("", _LINE_BREAKS.sub("\n", text))
    return text.strip("\n")


def _paragraph(part: str) -> Markup:
    """Line breaks as <br>, because the newline itself is kept too (pre-wrap) where a client knows how."""
    return Markup(str(escape(part)).replace("\n", "<br>"))  # noqa: S704 - escaped just here


def _is_link(url: str | None) -> bool:
    return url is not None and _LINK.fullmatch(url) is not None
