"""A notification as a mail: what the person sees, and what can't get into it."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.core.headers import header_flaw, mail_flaw
from heliograph.core.mail import render_mail
from heliograph.core.model import Mail, Notification


class Page(HTMLParser):
    """The visible text of an HTML mail, block by block, its links and its elements."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: list[str] = []
        self.blocks: dict[str, list[str]] = {"h1": [], "p": [], "a": [], "title": [], "div": []}
        self._open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "a":
            self.links.append(dict(attrs)["href"] or "")
        if tag == "br":
            self.blocks["p"][-1] += "\n"
        if tag in self.blocks:
            self._open.append(tag)
            self.blocks[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        if self._open and self._open[-1] == tag:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if self._open:
            self.blocks[self._open[-1]][-1] += data


def mail_of(title: str = "Title", body: str | None = "Body", url: str | None = None, name: str | None = None) -> Mail:
    notification = Notification(
        id="ntf_1", tenant="shop", user="u", type="alert", created_at=0, title=title, body=body, action_url=url
    )
    return render_mail(notification, "zoe@x.example", name, attempt=3, gen=2)


def test_carries_the_names_of_its_attempt() -> None:
    """A provider's webhook finds notification, target, replay and attempt again."""
    assert mail_of().args == {
        "hg_id": "ntf_1",
        "hg_tenant": "shop",
        "hg_target": "email",
        "hg_gen": "2",
        "hg_attempt": "3",
    }


def test_shows_title_body_and_action() -> None:
    """Both forms of the mail say everything the notification says."""
    mail = mail_of("Shipped 🚀", "It left.\n\nSee you", "https://shop.example/o?a=1&b=2", "Zoë")
    page = Page(mail.html)
    assert (mail.to, mail.to_name, mail.subject) == ("zoe@x.example", "Zoë", "Shipped 🚀")
    assert page.blocks["title"] == page.blocks["h1"] == ["Shipped 🚀"]
    assert page.blocks["p"] == ["It left.", "See you"]
    assert page.links == ["https://shop.example/o?a=1&b=2"]
    assert mail.text == "Shipped 🚀\n\nIt left.\n\nSee you\n\nhttps://shop.example/o?a=1&b=2"


def test_content_is_text_never_markup() -> None:
    """Tags, attributes, entities and template syntax arrive as the characters they are."""
    nasty = """<script>alert(1)</script><img src=x onerror="a()"> &amp; {{ 7*7 }} {% raw %} </p></html>"""
    page = Page(mail_of(nasty, nasty).html)
    plain = Page(mail_of().html)
    assert page.tags == plain.tags
    assert page.blocks["p"] == page.blocks["h1"] == page.blocks["title"] == [nasty]


def test_keeps_lines_paragraphs_and_indentation() -> None:
    """A log excerpt or a poem keeps its form."""
    body = "one\n  two\n\tthree\n\nfour\n\n\nfive"
    mail = mail_of(body=body)
    assert Page(mail.html).blocks["p"] == ["one\n  two\n\tthree", "four", "\nfive"]
    assert "white-space:pre-wrap" in mail.html
    assert body in mail.text


@pytest.mark.parametrize("line_break", ["\r\n", "\r", "\x0b", "\x0c", "\x85", "\u2028"])
def test_every_kind_of_line_break_is_one(line_break: str) -> None:
    """What breaks a line anywhere breaks one here, as a plain \\n."""
    mail = mail_of(body=f"a{line_break}b")
    assert Page(mail.html).blocks["p"] == ["a\nb"]
    assert "a\nb" in mail.text


def test_control_characters_are_left_out() -> None:
    """Nothing invisible reaches a terminal or a mail client."""
    mail = mail_of(title="a\x1b[31mb\0", body="c\x07d\x9be\ud800")
    assert mail.subject == "a[31mb"
    assert mail.text.endswith("cde")


def test_bare_urls_in_the_body_are_no_links() -> None:
    """Only the action is a link: text of third parties can't become one."""
    page = Page(mail_of(body="see https://evil.example/login and www.evil.example").html)
    assert page.links == []


@pytest.mark.parametrize(
    "url",
    [
        *(
            "javascript:alert(1)",
            "data:text/html,x",
            "//shop.example/x",
            "/orders/1",
            "myapp://orders/1",
            "mailto:a@b.c",
        ),
        *(
            "https://",
            "https:///x",
            " https://a.example",
            "https://a.example/ b",
            'https://a.example/"x',
            "ftp://a.example",
        ),
        *("https://a.example/\r\nx", "https://a.example\\@evil.example", "java\nscript:x", "https://a.example/<b>"),
    ],
)
def test_only_http_urls_are_linked(url: str) -> None:
    """Anything else is neither a link nor shown."""
    mail = mail_of(url=url)
    assert Page(mail.html).links == []
    assert url not in mail.html + mail.text


@pytest.mark.parametrize("url", ["http://a.example", "HTTPS://a.example/ä?q=1#f", "https://a.example:8443/{x}|'y'"])
def test_http_urls_are_linked_as_they_are(url: str) -> None:
    """The link is the caller's, character by character."""
    assert Page(mail_of(url=url).html).links == [url]


@pytest.mark.parametrize(
    ("title", "body", "subject"),
    [
        ("T", "B", "T"),
        ("", "\n\n  first line \nsecond", "first line"),
        ("", "x" * 300, "x" * 200),
        ("", "a\tb\x07", "a b"),
        ("", "=?utf-8?q?Bcc?=", "= ?utf-8?q?Bcc?="),
        ("", "", "Notification"),
        ("", None, "Notification"),
        ("", " \n ", "Notification"),
        ("é" * 200, "", "é" * 200),
    ],
)
def test_the_subject(title: str, body: str | None, subject: str) -> None:
    """The title, else the body's first line; one line, at most 200 characters, never empty."""
    mail = mail_of(title, body)
    assert mail.subject == subject
    assert mail.text


def test_the_preview_is_the_body_not_the_markup() -> None:
    """Clients show the body beside the subject, from a block that isn't seen in the mail itself."""
    mail = mail_of(body="first\nsecond " + "x" * 500)
    preheader = Page(mail.html).blocks["div"][0]
    assert preheader.startswith("first second xxx")
    assert len(preheader) == 140
    assert "display:none" in mail.html


def test_parts_without_content_are_left_out() -> None:
    """No empty heading, paragraph or button."""
    page = Page(mail_of(title="", body="just this").html)
    assert page.blocks["h1"] == []
    assert "a" not in page.tags
    assert Page(mail_of(title="just this", body="").html).blocks["p"] == []


def test_reads_well_for_machines_and_in_the_dark() -> None:
    """A language, a title, layout tables that say so, and colours for both modes."""
    html = mail_of(url="https://a.example").html
    page = Page(html)
    assert html.startswith('<!doctype html>\n<html lang="')
    assert html.count("<table") == html.count('<table role="presentation"') + html.count(
        '<table class="hg-action" role="pr'
    )
    assert page.tags.count("h1") == 1
    assert "prefers-color-scheme: dark" in html
    assert '<meta name="color-scheme" content="light dark">' in html


def test_a_persons_name_is_cleaned() -> None:
    """A name from anywhere can't break the header it stands in."""
    assert mail_of(name="Zoë\r\nBcc: x").to_name == "Zoë Bcc: x"
    assert mail_of(name=" \n").to_name is None
    assert mail_of(name="").to_name is None


@settings(max_examples=300, deadline=None, database=None)
@given(st.text(), st.text(), st.none() | st.text(max_size=20))
def test_no_text_makes_a_flawed_mail(title: str, body: str, name: str | None) -> None:
    """Whatever the store holds, every provider can take the mail, and the body's words are in it."""
    mail = mail_of(title[:200], body, name=name)
    assert mail_flaw(mail) is None
    assert header_flaw(mail.subject) is None
    assert 0 < len(mail.subject) <= 200
    assert mail.html.encode()
    assert all(word in mail.text for word in body.split() if word.isprintable())
