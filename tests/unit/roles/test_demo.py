"""The demo's back end: a shop's server in small, for pages of its own on this machine only."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from heliograph.cli.demo import mails_of, require
from heliograph.cli.options import Options
from heliograph.core.lanes import INGEST, BatchItem, IngestItem
from heliograph.core.lifecycle import Event
from heliograph.core.model import Key
from heliograph.lab.inbox import Inbox, View
from heliograph.roles import demo
from heliograph.web import application
from tests.unit.roles.api.service import Answer, Service

HOME = {"host": "127.0.0.1:8080"}


class Shop(Service):
    """The service with the demo's routes, a built page and a mailbox."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.mails: list[dict[str, Any]] = []
        (page / "assets").mkdir()
        (page / "index.html").write_text("<!doctype html><title>Shop</title>")
        (page / "assets" / "shop.js").write_text("export {};")
        routes = demo.routes(self.tokens, self.sending.accept, self.store, self.received, self.clock, page)
        self.app = application([*self.handlers, *routes], ready=self.ready, before_metrics=self.refresh)

    def received(self, after: int) -> Sequence[dict[str, Any]]:
        return self.mails[after:]

    async def at_home(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """A request as the demo's own page makes it: no credentials."""
        answer = await self.call(method, path, body, key="", headers={**HOME, **headers})
        await self.sending.drained()
        return answer


@pytest.fixture
async def shop(tmp_path: Path) -> Shop:
    found = Shop(tmp_path)
    await found.open()
    return found


async def test_a_token_is_minted_for_the_people_of_the_demo(shop: Shop) -> None:
    """It opens the inbox of that person, of the tenant whose key is printed, and of nobody else."""
    answer = await shop.at_home("POST", "/demo/api/token", {"user": "demo-ada"})
    assert shop.tokens.verify(answer.json["token"])[0] == Key("default", "demo-ada")
    assert (await shop.call("GET", "/v1/inbox", key=answer.json["token"])).status == 200
    stranger = await shop.at_home("POST", "/demo/api/token", {"user": "anna"})
    assert list(stranger.problem(422, "invalid")) == ["user"]


@pytest.mark.parametrize(
    ("kind", "of_type", "category"),
    [("order", "transactional", "order.placed"), ("alert", "alert", "stock.low")],
)
async def test_an_order_and_an_alert_go_to_one_person(shop: Shop, kind: str, of_type: str, category: str) -> None:
    """Accepted like any send, with the person's address and a link back to the shop."""
    answer = await shop.at_home("POST", "/demo/api/send", {"kind": kind, "to": "demo-ada", "product": "Storm lamp"})
    assert answer.status == 202
    (item,) = shop.waiting(INGEST)
    assert isinstance(item, IngestItem)
    sent = item.notification
    assert answer.json == {"ids": [sent.id]}
    assert (sent.user, sent.type, sent.category) == ("demo-ada", of_type, category)
    assert sent.title.endswith("Storm lamp")
    assert sent.action_url == "http://127.0.0.1:8080/demo#shop"
    (person,) = await shop.store.recipients([Key("default", "demo-ada")])
    assert person.user
    assert (person.user.email, person.user.name) == ("ada@shop.example", "Ada")


async def test_a_campaign_goes_to_everybody(shop: Shop) -> None:
    """One batch of marketing; the ids are those its members will have."""
    answer = await shop.at_home("POST", "/demo/api/send", {"kind": "campaign"})
    (item,) = shop.waiting(INGEST)
    assert isinstance(item, BatchItem)
    assert answer.json == {
        "ids": [f"{item.batch_id}-00000".replace("bat_", "ntf_"), f"{item.batch_id}-00001".replace("bat_", "ntf_")]
    }


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "spam"}, {"kind": "order", "to": "anna"}, {"kind": "order", "product": ""},
        {"kind": "order", "product": "x" * 81}, {"kind": "order", "to": "demo-ada", "product": "a\r\nBcc: b"},
        {"kind": "order", "to": "demo-ada", "title": "mine"}, {},
    ],
)  # fmt: skip
async def test_anything_else_is_refused_and_nothing_is_stored(shop: Shop, body: dict[str, Any]) -> None:
    """Unknown kinds, people and fields; products that can't stand in a title."""
    before = shop.kept
    assert (await shop.at_home("POST", "/demo/api/send", body)).problem(422, "invalid")
    assert shop.kept == before


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://elsewhere.example"}, {"origin": "null"}, {"origin": "http://127.0.0.1:9999"},
        {"host": "rebound.example:8080"}, {"host": ""}, {"host": "127.0.0.1.elsewhere.example"},
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/demo/api/token", {"user": "demo-ada"}), ("POST", "/demo/api/send", {"kind": "campaign"}),
        ("GET", "/demo/api/mails", None), ("GET", "/demo/api/explain?id=ntf_1", None), ("GET", "/demo/", None),
        ("GET", "/demo/assets/shop.js", None),
    ],
)  # fmt: skip
async def test_pages_of_other_origins_are_refused(
    shop: Shop, method: str, path: str, body: Any, headers: dict[str, str]
) -> None:
    """Without credentials, the origin and the host are all that stands between any web page and the demo."""
    (await shop.at_home(method, path, body, **headers)).problem(403, "forbidden")
    assert shop.waiting(INGEST) == []


async def test_its_own_page_is_answered(shop: Shop) -> None:
    """The origin that a browser sends with a POST is the page's own."""
    answer = await shop.at_home("POST", "/demo/api/send", {"kind": "campaign"}, origin="http://127.0.0.1:8080")
    assert answer.status == 202
    named = await shop.at_home("GET", "/demo/", host="localhost:8080")
    assert named.status == 200


async def test_the_page_may_run_its_own_scripts_only(shop: Shop) -> None:
    """A strict Content-Security-Policy, on the page and on its assets; a slash at the end is the same page."""
    page = await shop.at_home("GET", "/demo")
    assert (await shop.at_home("GET", "/demo/")).body == page.body
    assert page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    script = await shop.at_home("GET", "/demo/assets/shop.js")
    assert script.body == b"export {};"
    assert "javascript" in script.headers["content-type"]
    assert script.headers["x-content-type-options"] == "nosniff"
    (await shop.at_home("GET", "/demo/assets/../../secret")).problem(404, "not_found")


async def test_the_mailbox_shows_what_is_new(shop: Shop) -> None:
    """`after` is the id of the last mail that the page has."""
    shop.mails = [{"id": "lab_1", "title": "one"}, {"id": "lab_2", "title": "two"}]
    assert (await shop.at_home("GET", "/demo/api/mails")).json == {"mails": shop.mails}
    assert (await shop.at_home("GET", "/demo/api/mails?after=lab_1")).json == {"mails": shop.mails[1:]}
    assert (await shop.at_home("GET", "/demo/api/mails?other=1")).problem(422, "invalid")


async def test_the_mailbox_has_mails_to_the_people_of_the_demo_only() -> None:
    """Accepted by either mail provider, oldest first; pushes and other people's mails are left out."""

    class Text:
        def view(self) -> View:
            return View(title="Hello", body="It works")

    inbox = Inbox()
    inbox.add("smtp", "grace@shop.example", Text(), accepted=True, status=250)
    inbox.add("sendgrid", "anna@acme.example", Text(), accepted=True, status=202)
    inbox.add("fcm", "ada@shop.example", Text(), accepted=True, status=200)
    inbox.add("sendgrid", "ada@shop.example", Text(), accepted=False, status=500)
    inbox.add("sendgrid", "ada@shop.example", Text(), accepted=True, status=202)
    found = mails_of(inbox)(0)
    assert [(one["id"], one["to"]) for one in found] == [("lab_1", "grace@shop.example"), ("lab_5", "ada@shop.example")]
    assert (found[0]["title"], found[0]["body"], set(found[0])) == (
        "Hello",
        "It works",
        {"id", "at", "to", "title", "body"},
    )
    assert [one["id"] for one in mails_of(inbox)(1)] == ["lab_5"]


async def test_why_it_went_where_it_went(shop: Shop) -> None:
    """The routing in words, for the demo's notifications only."""
    sent = (await shop.at_home("POST", "/demo/api/send", {"kind": "order", "to": "demo-ada"})).json["ids"][0]
    routed = Event(
        tenant="default", notification_id=sent, at=shop.clock(), kind="routed", detail="the user is offline",
        plan=("email",),
    )  # fmt: skip
    await shop.store.record([routed])
    shown = (await shop.at_home("GET", f"/demo/api/explain?id={sent}")).json
    assert shown["summary"] == "Routed to email because the user is offline."
    other = await shop.send(to="anna")
    (await shop.at_home("GET", f"/demo/api/explain?id={other['id']}")).problem(404, "not_found")
    (await shop.at_home("GET", "/demo/api/explain")).problem(404, "not_found")


def test_a_demo_that_cant_be_served_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything starts: no page was built, or the API would run in other processes."""
    monkeypatch.setattr(demo, "PAGE", tmp_path)
    with pytest.raises(ValueError, match="make demo"):
        require(Options((), tmp_path, 8080, demo=True))
    (tmp_path / "index.html").touch()
    require(Options((), tmp_path, 8080, demo=True))
    with pytest.raises(ValueError, match="--api"):
        require(Options((), tmp_path, 8080, api=2, demo=True))
