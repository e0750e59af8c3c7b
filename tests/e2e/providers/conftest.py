"""A running lab, and what the providers are given to send."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from heliograph.core.mail import render_mail
from heliograph.core.model import Mail, Notification
from heliograph.lab.server import Lab


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    running = Lab(seed=1)
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
def mail() -> Mail:
    """A mail as the e-mail worker renders it, with what tends to get harmed on the way."""
    notification = Notification(
        id="ntf_1",
        tenant="shop",
        user="u",
        type="alert",
        created_at=0,
        title="Ihre Bestellung Nr. 123 wurde verschickt: größer, schöner, früher – 日本語 🚀 und noch mehr Text dazu",
        body="Zeile eins\n.Punkt am Anfang\n\n  eingerückt <b>kein Markup</b>\n" + "lang " * 400,
        action_url="https://shop.example/o?a=1&b=2",
    )
    return render_mail(notification, "zoe@x.example", "Doe, Zoë")
