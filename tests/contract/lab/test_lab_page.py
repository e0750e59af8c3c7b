"""The lab's page: what arrived is shown as it would look, a mail can do nothing, and the switches switch."""

from __future__ import annotations

import asyncio
import smtplib
from email.message import EmailMessage

import httpx
import pytest

from heliograph.lab.faults import Fault
from heliograph.lab.inbox import View
from heliograph.lab.server import Lab

EVIL = '<html><head><title>x</title></head><body><script>alert(1)</script><b>Hi</b><a href="https://x.example">go</a>'


async def mail(api: httpx.AsyncClient, to: str = "bob@example.com", subject: str = "Hello", html: str = EVIL) -> str:
    document = {
        "personalizations": [{"to": [{"email": to}]}], "from": {"email": "shop@example.com"}, "subject": subject,
        "headers": {"List-Unsubscribe": "<https://x.example/u>"},
        "content": [{"type": "text/plain", "value": "Hi in text"}, {"type": "text/html", "value": html}],
    }  # fmt: skip
    await api.post("/sendgrid/v3/mail/send", json=document, headers={"Authorization": "Bearer SG.x"})
    return str((await api.get("/lab/messages", params={"all": "true"})).json()["messages"][-1]["id"])


async def page(api: httpx.AsyncClient, **query: str) -> str:
    answer = await api.get("/lab", params=query)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    return answer.text


def policy(answer: httpx.Response) -> dict[str, str]:
    parts = (part.strip().partition(" ") for part in answer.headers["content-security-policy"].split(";"))
    return {name: value for name, _, value in parts}


async def test_the_newest_come_first_and_can_be_filtered(api: httpx.AsyncClient, lab: Lab) -> None:
    """By provider and by recipient; refused ones when asked for."""
    assert "Nothing has arrived yet" in await page(api)
    await mail(api, "a@example.com", "First")
    await mail(api, "b@example.com", "Second <b>&")
    lab.set_fault("sendgrid", Fault(mode="error"))
    await mail(api, "c@example.com", "Refused one")
    text = await page(api)
    assert text.index("Second &lt;b&gt;&amp;") < text.index("First")
    assert "Refused one" not in text
    assert "Refused one" in await page(api, all="true")
    assert "First" not in await page(api, to="B@example.com")
    assert "Nothing has arrived here yet" in await page(api, provider="smtp")


async def test_a_mail_has_four_faces(api: httpx.AsyncClient) -> None:
    """As it looks, as text, its headers, and the request as it came."""
    name = await mail(api)
    shown = await page(api, id=name)
    assert f'src="/lab/messages/{name}/mail"' in shown
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in shown
    assert "Hi in text" in await page(api, id=name, tab="text")
    assert "List-Unsubscribe" in await page(api, id=name, tab="headers")
    assert "personalizations" in await page(api, id=name, tab="source")
    assert "<script>alert" not in shown + await page(api, id=name, tab="source")


async def test_a_mail_by_smtp_is_shown_too(api: httpx.AsyncClient, lab: Lab) -> None:
    """One without HTML begins with its text."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "shop@example.com", "zoe@example.com", "Plain"
    message.set_content("Only text")
    await asyncio.to_thread(_hand_in, lab.smtp_port, message)  # the relay answers on this very loop
    (record,) = (await api.get("/lab/messages")).json()["messages"]
    shown = await page(api, id=record["id"])
    assert "Only text" in shown
    assert "<iframe" not in shown


async def test_a_shown_mail_can_do_nothing(api: httpx.AsyncClient) -> None:
    """No script, nothing loaded, no form, framed by the page alone; its links open elsewhere."""
    name = await mail(api)
    answer = await api.get(f"/lab/messages/{name}/mail")
    rules = policy(answer)
    assert rules["default-src"] == rules["form-action"] == "'none'"
    assert "script-src" not in rules
    assert rules["img-src"] == "data:"
    assert "allow-scripts" not in rules["sandbox"]
    assert "allow-same-origin" not in rules["sandbox"]
    assert rules["frame-ancestors"] == "'self'"
    assert '<head><base target="_blank"><title>' in answer.text
    other = await mail(api, html="<p>no head</p>")
    assert (await api.get(f"/lab/messages/{other}/mail")).text == '<base target="_blank"><p>no head</p>'
    assert (await api.get("/lab/messages/lab_99/mail")).status_code == 404


async def test_the_page_itself_runs_only_its_own_script(api: httpx.AsyncClient) -> None:
    """Nothing inline, nothing from elsewhere, in nobody's frame."""
    answer = await api.get("/lab")
    rules = policy(answer)
    assert (rules["default-src"], rules["script-src"], rules["style-src"]) == ("'none'", "'self'", "'self'")
    assert rules["frame-ancestors"] == "'none'"
    assert "style=" not in answer.text
    for path, kind in (("/lab/page/page.js", "text/javascript"), ("/lab/page/page.css", "text/css")):
        assert path in answer.text
        assert (await api.get(path)).headers["content-type"].startswith(kind)


async def test_a_push_is_a_card(api: httpx.AsyncClient, lab: Lab) -> None:
    """With its title, its text and its data."""
    lab.inbox.add("fcm", "token-1", _Push(), accepted=True, status=200)
    shown = await page(api, id="lab_1")
    assert 'class="push"' in shown
    assert "Android" in shown
    for text in ("Table ready", "Come soon", "order_id", "123"):
        assert text in shown
    assert "<iframe" not in shown


def _hand_in(port: int, message: EmailMessage) -> None:
    with smtplib.SMTP("127.0.0.1", port) as client:
        client.send_message(message)


class _Push:
    def view(self) -> View:
        return View(title="Table ready", body="Come soon", data={"order_id": "123"}, payload={"message": {}})


async def test_the_list_is_told_once_until_it_changes(api: httpx.AsyncClient, lab: Lab) -> None:
    """304 while there is nothing new; a message, a clearing and a fault are news."""
    seen = (await api.get("/lab/page/list")).headers["etag"]
    for change in (lambda: mail(api), lambda: api.delete("/lab/messages"),
                   lambda: api.put("/lab/faults/smtp", json={"mode": "down"})):  # fmt: skip
        same = await api.get("/lab/page/list", headers={"If-None-Match": seen})
        assert (same.status_code, same.content) == (304, b"")
        await change()
        fresh = await api.get("/lab/page/list", headers={"If-None-Match": seen})
        assert fresh.status_code == 200
        seen = fresh.headers["etag"]
    assert "is down" in fresh.text


async def test_faults_are_switched_from_the_page(api: httpx.AsyncClient, lab: Lab) -> None:
    """Empty fields are the usual values, behaviours of tokens stay, and a wrong one changes nothing."""
    lab.set_fault("sendgrid", Fault(tokens={"a@example.com": "bounce"}))
    form = {"mode": "flaky", "status": "", "fraction": "0.2", "latency_ms": "40", "latency_p99_ms": "300",
            "back": "/lab?provider=sendgrid"}  # fmt: skip
    answer = await api.post("/lab/page/faults/sendgrid", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/lab?provider=sendgrid")
    fault = (await api.get("/lab/faults/sendgrid")).json()
    assert (fault["mode"], fault["status"], fault["fraction"], fault["latency_p99_ms"]) == ("flaky", 500, 0.2, 300)
    assert fault["tokens"] == {"a@example.com": "bounce"}
    for wrong in ({"fraction": "7"}, {"status": "many"}, {"mode": "broken"}):
        told = await api.post("/lab/page/faults/sendgrid", data=form | wrong)
        assert "note=Nothing+changed" in told.headers["location"]
        assert (await api.get("/lab/faults/sendgrid")).json() == fault
    assert 'role="alert">Nothing changed' in await page(api, note="Nothing changed: x")
    assert (await api.post("/lab/page/faults/none", data=form)).status_code == 404


@pytest.mark.parametrize("back", ["https://evil.example/", "//evil.example/lab", "/elsewhere", "javascript:x"])
async def test_a_form_leads_back_to_the_page_only(api: httpx.AsyncClient, back: str) -> None:
    """Whatever stands in it."""
    answer = await api.post("/lab/page/faults/smtp", data={"mode": "ok", "back": back})
    assert answer.headers["location"] == "/lab"


async def test_foreign_pages_cannot_use_the_forms(api: httpx.AsyncClient, lab: Lab) -> None:
    """A browser tells where a form came from."""
    name = await mail(api)
    for path in ("/lab/page/clear", "/lab/page/faults/smtp", f"/lab/page/events/{name}/open"):
        for origin in ("https://evil.example", "null"):
            assert (await api.post(path, data={"mode": "down"}, headers={"Origin": origin})).status_code == 403
    assert len(lab.inbox) == 1
    assert (await api.post("/lab/page/clear", headers={"Origin": lab.base_url})).status_code == 303
    assert len(lab.inbox) == 0


async def test_events_are_sent_from_the_page(api: httpx.AsyncClient, lab: Lab) -> None:
    """And what came of it is told."""
    name = await mail(api)
    told = await api.post(f"/lab/page/events/{name}/open", data={"back": f"/lab?id={name}"})
    assert "No+webhook+URL" in told.headers["location"]
    lab.webhook_url = f"{lab.base_url}/lab/nobody"
    told = await api.post(f"/lab/page/events/{name}/open", data={"back": f"/lab?id={name}"})
    assert told.headers["location"] == f"/lab?id={name}&note=open%3A+answered+404"
    assert (await api.post(f"/lab/page/events/{name}/explode")).status_code == 404


async def test_a_message_that_is_gone_is_told(api: httpx.AsyncClient) -> None:
    """After clearing, say."""
    assert "isn’t here any more" in await page(api, id="lab_99", tab="nonsense", provider="nobody", all="perhaps")


async def test_its_files_are_what_they_say(api: httpx.AsyncClient) -> None:
    """No browser guesses that a style is a script; the page names its own files only."""
    for name, kind in (("page.css", "text/css"), ("page.js", "text/javascript")):
        answer = await api.get(f"/lab/page/{name}")
        assert answer.headers["content-type"].startswith(kind)
        assert answer.headers["x-content-type-options"] == "nosniff"
    answer = await api.get("/lab")
    assert policy(answer)["default-src"] == policy(answer)["frame-ancestors"] == "'none'"
    assert policy(answer)["script-src"] == "'self'"
    assert (answer.headers["x-content-type-options"], answer.headers["referrer-policy"]) == ("nosniff", "same-origin")
