"""Lab: orders to send SendGrid events, as the control API takes them.

Reads an order and the journal, answers the events to send and the URL to send them to. Sends nothing itself.
"""

from __future__ import annotations

import time
from random import Random
from typing import Annotated

from msgspec import Meta, Struct

from heliograph.lab.events import DETAILS, Event, build_event, new_event_id
from heliograph.lab.inbox import Inbox, Received
from heliograph.lab.problems import ProblemError
from heliograph.lab.sendgrid import SendGridMail
from heliograph.lab.webhook import is_local


class EventOrder(Struct, forbid_unknown_fields=True):
    """Body of `POST /lab/events/sendgrid`: ready-made events, or a sequence of kinds about recorded mail.

    url          where to; without it the webhook URL set before
    events       sent as they are; sg_event_id and timestamp are added where missing
    message_id   a journal id or an X-Message-Id (then all its recipients)
    to           the newest mail to this address
    sequence     kinds of events about the mail (keys of events.DETAILS)
    duplicate    every event twice, with the same sg_event_id
    shuffle      in random order
    posts        in so many posts, one after the other, instead of one; with shuffle their order is no story's either
    """

    url: str | None = None
    events: list[Event] | None = None
    message_id: str | None = None
    to: str | None = None
    sequence: tuple[str, ...] = ("processed", "delivered")
    duplicate: bool = False
    shuffle: bool = False
    posts: Annotated[int, Meta(ge=1, le=100)] = 1


class WebhookSetting(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Body of `PUT /lab/events/sendgrid`: what becomes of the events that follow every accepted mail.

    webhook_url  where they go; null = nowhere
    duplicates   this share of them comes again later, with the same sg_event_id
    shuffle      in random order
    """

    webhook_url: str | None
    duplicates: Annotated[float, Meta(ge=0, le=1)] = 0.0
    shuffle: bool = False


def url_for(order: EventOrder, default: str | None) -> str:
    """The URL of an order that makes sense. Raises ProblemError 422."""
    wrong = [("sequence", f"Unknown event {kind!r}") for kind in order.sequence if kind not in DETAILS]
    if sum(what is not None for what in (order.events, order.message_id, order.to)) != 1:
        wrong.append(("", "Exactly one of events, message_id and to is needed"))
    url = order.url or default or ""
    if not is_local(url):
        wrong.append(("url", "An http URL of this machine is needed, here or as webhook_url"))
    if wrong:
        raise ProblemError(422, "invalid_event_order", "The order is not understood", wrong)
    return url


def events_for(order: EventOrder, inbox: Inbox, random: Random) -> list[Event]:
    """The events to send, duplicated and shuffled as ordered. Raises ProblemError 404 if no mail matches."""
    now = time.time()
    if order.events is not None:
        events = [{"timestamp": int(now), "sg_event_id": new_event_id()} | event for event in order.events]
    else:
        mails = _subjects(order, inbox)
        events = [build_event(kind, mail, now) for mail in mails for kind in order.sequence]
    if order.duplicate:
        events = [event for event in events for _ in range(2)]
    if order.shuffle:
        random.shuffle(events)
    return events


def portions(events: list[Event], posts: int) -> list[list[Event]]:
    """In order, all about the same size; no empty ones."""
    size = -(-len(events) // posts)
    return [events[start : start + size] for start in range(0, len(events), size or 1)]


def _subjects(order: EventOrder, inbox: Inbox) -> list[Received]:
    if order.to is not None:
        found = inbox.select(provider="sendgrid", to=order.to)[-1:]
    else:
        mails = inbox.select(provider="sendgrid")
        found = [mail for mail in mails if order.message_id in (mail.id, mail.provider_id)]
    found = [mail for mail in found if isinstance(mail.content, SendGridMail)]
    if not found:
        raise ProblemError(404, "unknown_message", "No accepted SendGrid mail matches")
    return found
