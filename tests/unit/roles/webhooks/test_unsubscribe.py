"""Unsubscribe links (RFC 8058): GET asks, POST does, forged ones are unknown, a repeat changes nothing."""

from __future__ import annotations

import re
from typing import Any

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.core.model import Key
from heliograph.roles.webhooks import unsubscribe
from heliograph.unsubscribing import AUDIENCE, PATH, UnsubscribeLinks, Unsubscription, unsubscribe_secret
from heliograph.web import application
from tests.unit.given import T0, TENANT
from tests.unit.roles.api.service import Answer, call
from tests.unit.roles.world import World

SECRET = "a-secret-of-at-least-32-bytes-for-links"
LINKS = UnsubscribeLinks(SECRET, "https://notify.acme.example/")
ADDRESS = "anna+news@acme.example"
ONE_CLICK = {"content-type": "application/x-www-form-urlencoded"}


def token(tenant: str = TENANT, address: str = ADDRESS, notification_id: str = "ntf_1") -> str:
    link = LINKS.link(tenant, address, notification_id)
    assert link
    return link.removeprefix(f"https://notify.acme.example{PATH}")


def signed(secret: str = SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    return jwt.encode({"aud": AUDIENCE, "t": TENANT, "a": ADDRESS, "n": "ntf_1", **claims}, secret, algorithm)


class Desk(World):
    def __init__(self) -> None:
        super().__init__()
        self.app = application(
            unsubscribe.routes(self.store, self.clock, LINKS), ready=self._nothing, before_metrics=self._refresh
        )

    async def _nothing(self) -> dict[str, Any]:
        return {}

    async def _refresh(self) -> None:
        """No gauge here."""

    async def get(self, path: str) -> Answer:
        return await call(self.app, "GET", PATH + path)

    async def click(self, path: str, body: bytes = b"List-Unsubscribe=One-Click") -> Answer:
        return await call(self.app, "POST", PATH + path, [body], ONE_CLICK)

    async def reasons(self) -> tuple[str, ...]:
        return (await self.store.suppressed([Key(TENANT, ADDRESS)]))[0]


async def test_getting_the_link_changes_nothing() -> None:
    """Scanners follow every link of a mail; the page asks, with a form that works without a script."""
    desk = Desk()
    await desk.accept(type="marketing")
    for _ in range(3):
        page = await desk.get(token())
    assert page.status == 200
    text = page.body.decode()
    assert '<form method="post">' in text
    assert '<button type="submit">' in text
    assert ADDRESS.replace("+", "&#43;") in text or ADDRESS in text
    assert "<script" not in text
    assert await desk.reasons() == ()
    assert len((await desk.history()).events) == 0


async def test_one_click_is_enough() -> None:
    """The address is on the list, the timeline tells it once, and repeating it is answered alike."""
    desk = Desk()
    await desk.accept(type="marketing")
    first = await desk.click(token())
    desk.clock.forward(60)
    again = await desk.click(token())
    assert (first.status, first.body) == (again.status, again.body) == (200, first.body)
    assert "location" not in first.headers
    assert "set-cookie" not in first.headers
    assert await desk.reasons() == ("unsubscribe",)
    assert await desk.kinds() == ["unsubscribed email"]
    (found,) = desk.store._kept.suppressed.values()
    assert found.at == T0


@pytest.mark.parametrize("body", [b"", b"List-Unsubscribe=One-Click", b"--x\r\nContent-Disposition: form-data\r\n"])
async def test_whatever_form_a_mailbox_sends(body: bytes) -> None:
    """Form-encoded, multipart or nothing: the token alone says what to do."""
    desk = Desk()
    assert (await desk.click(token(), body)).status == 200
    assert await desk.reasons() == ("unsubscribe",)


async def test_a_link_works_for_years() -> None:
    """Also after the notification, and even its tenant's sends, are long gone."""
    desk = Desk()
    desk.clock.forward(5 * 365 * 86_400)
    assert (await desk.click(token())).status == 200
    assert await desk.reasons() == ("unsubscribe",)


FORGED = {
    "nothing of ours": "x",
    "another secret": signed("another-secret-of-at-least-32-bytes-xx"),
    "no signature": jwt.encode({"aud": AUDIENCE, "t": TENANT, "a": ADDRESS, "n": "x"}, None, "none"),
    "another algorithm": signed("a-secret-of-at-least-32-bytes-for-links" * 2, "HS512"),
    "a user token": signed(aud="heliograph"),
    "no audience": jwt.encode({"t": TENANT, "a": ADDRESS, "n": "x"}, SECRET, "HS256"),
    "no address": signed(a=None),
    "an address that is none": signed(a="anna"),
    "a tenant that is none": signed(t="a/b"),
    "a number": signed(n=5),
    "cut off": token()[:-3],
    "endless": "x" * 5_000,
}


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED)
async def test_a_forged_link_is_unknown(forged: str) -> None:
    """404 for both methods, all alike, and nothing changes."""
    desk = Desk()
    unknown = await desk.get("unknown")
    for answer in (await desk.get(forged), await desk.click(forged)):
        assert (answer.status, answer.body) == (404, unknown.body)
    assert not desk.store._kept.suppressed


@settings(max_examples=60, deadline=None, database=None)
@given(st.integers(0, len(token()) - 1), st.sampled_from("AQgwxyz019-_."))
def test_a_changed_character_breaks_it(at: int, character: str) -> None:
    """Wherever it stands: no other address can be made of a link. (The last bits of base64 mean nothing.)"""
    made = token()
    changed = made[:at] + character + made[at + 1 :]
    assert LINKS.read(changed) in (None, Unsubscription(TENANT, ADDRESS, "ntf_1"))


@pytest.mark.parametrize("answered", ["get", "click", "unknown"])
async def test_the_page_can_do_nothing_but_its_form(answered: str) -> None:
    """No script, no frame around it, nothing loaded from anywhere; the style is the one that its hash names."""
    desk = Desk()
    page = await (desk.click if answered == "click" else desk.get)("x" if answered == "unknown" else token())
    policy = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["form-action"] == "'self'"
    assert policy["style-src"].startswith("'sha256-")
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert not re.search(rb"(src|href)=", page.body)
    assert b'<html lang="en">' in page.body


async def test_an_address_is_text() -> None:
    """What stands before the @ may look like markup's beginning; the page shows it as it is."""
    page = await Desk().get(token(address="a&b'c@acme.example"))
    assert b"a&amp;b&#39;c@acme.example" in page.body


async def test_a_long_form_is_refused() -> None:
    """Nobody needs more than one field."""
    (await Desk().click(token(), b"x" * 5_000)).problem(413, "too_large")


def test_without_a_public_url_there_is_no_link() -> None:
    """Better none than one that leads nowhere."""
    assert UnsubscribeLinks(SECRET, "").link(TENANT, ADDRESS, "ntf_1") is None


async def test_the_secret_is_made_once() -> None:
    """And kept in the store, so that old links go on working and every process reads them."""
    store = World().store
    assert await unsubscribe_secret(store, "first") == "first"
    assert await unsubscribe_secret(store, "second") == "first"
