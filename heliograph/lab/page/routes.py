"""Lab page: its routes. The forms do what the control API does, and only for a page of our own origin.

A mail is a document of its own in a sandboxed frame: no scripts, nothing loaded from anywhere, links open elsewhere.
"""

from __future__ import annotations

import asyncio
import re
import time
from importlib.resources import files
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec
from jinja2 import Environment, Template
from litestar import MediaType, Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.response import Redirect

from heliograph.lab.events import DETAILS, build_event
from heliograph.lab.faults import Fault, InvalidFaultError, parse_fault
from heliograph.lab.gate import Gate
from heliograph.lab.inbox import Inbox, Received
from heliograph.lab.page.view import LABELS, SHOWN, Asked, asked, detail, faults, listed, selected, version
from heliograph.lab.problems import ProblemError
from heliograph.lab.webhook import EventWebhook

PAGE_CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; frame-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
MAIL_CSP: Final = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; "
    "img-src data:; form-action 'none'; frame-ancestors 'self'"
)
_HEAD: Final = re.compile(r"<head[^>]*>", re.IGNORECASE)
_NUMBERS: Final = ("status", "rate_per_s", "latency_ms", "latency_p99_ms", "fraction", "retry_after_s")
AnyRequest = Request[Any, Any, Any]


def _file(name: str) -> str:
    return files("heliograph.lab.page").joinpath(name).read_text("utf-8")


def page_routes(inbox: Inbox, gates: dict[str, Gate], webhook: EventWebhook) -> list[HTTPRouteHandler]:
    return [*_looking(inbox, gates, webhook), *_doing(inbox, gates, webhook), *_files()]


def _looking(inbox: Inbox, gates: dict[str, Gate], webhook: EventWebhook) -> list[HTTPRouteHandler]:
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.globals |= {
        "labels": LABELS,
        "shown": SHOWN,
        "modes": ("ok", "down", "hang", "error", "throttle", "flaky"),
    }
    template = environment.from_string(_file("page.html"))

    async def render(ask: Asked, *, part: str = "", note: str = "") -> bytes:
        record = inbox.find(ask.id) if ask.id and not part else None
        given = {
            "ask": ask, "part": part, "note": note, "providers": [name for name in gates if name != "oauth2"],
            "faults": faults(gates), "gone": bool(ask.id) and record is None, "webhook_url": webhook.url,
        }  # fmt: skip
        return await asyncio.to_thread(_rendered, template, selected(inbox, ask), record, given)

    @get("/lab")
    async def page(request: AnyRequest) -> Response[bytes]:
        query = dict(request.query_params)
        return _html(await render(asked(query, gates), note=query.get("note", "")[:300]), PAGE_CSP)

    @get("/lab/page/list")
    async def live_list(request: AnyRequest) -> Response[bytes]:
        ask = asked(dict(request.query_params), gates)
        tag = version(inbox, gates, ask)
        if request.headers.get("if-none-match") == tag:
            return Response(b"", status_code=304, headers={"ETag": tag})
        return _html(await render(ask, part="list"), PAGE_CSP, {"ETag": tag})

    @get("/lab/messages/{message_id:str}/mail")
    async def mail(message_id: FromPath[str]) -> Response[bytes]:
        return _html(_for_frame(_known(inbox, message_id).content.view().html).encode(), MAIL_CSP)

    return [page, live_list, mail]


def _rendered(template: Template, found: list[Received], record: Received | None, given: dict[str, Any]) -> bytes:
    ask: Asked = given["ask"]
    chosen = detail(record, ask) if record else None
    return template.render(**given, chosen=chosen, **listed(found, ask)).encode()


def _doing(inbox: Inbox, gates: dict[str, Gate], webhook: EventWebhook) -> list[HTTPRouteHandler]:
    @post("/lab/page/faults/{provider:str}")
    async def set_fault(request: AnyRequest, provider: FromPath[str]) -> Redirect:
        form = await _form(request)
        if provider not in gates:
            raise ProblemError(404, "unknown_provider", f"No provider {provider!r} here")
        try:
            gates[provider].put(_fault(form, gates[provider]))
        except InvalidFaultError as error:
            return _back(form, f"Nothing changed: {error.path or 'fault'}: {error.message}")
        return _back(form)

    @post("/lab/page/clear")
    async def clear(request: AnyRequest) -> Redirect:
        await _form(request)
        inbox.clear()
        webhook.forget_bounces()
        return Redirect("/lab", status_code=303)

    @post("/lab/page/events/{message_id:str}/{kind:str}")
    async def send_event(request: AnyRequest, message_id: FromPath[str], kind: FromPath[str]) -> Redirect:
        form, record = await _form(request), _known(inbox, message_id)
        if kind not in DETAILS or record.provider != "sendgrid":
            raise ProblemError(404, "unknown_event", f"No event {kind!r} of such a message")
        if webhook.url is None:
            return _back(form, "No webhook URL is set: PUT /lab/events/sendgrid")
        try:
            status = await webhook.post(webhook.url, [build_event(kind, record, time.time())])
        except OSError as error:
            return _back(form, f"{kind}: {error}")
        return _back(form, f"{kind}: answered {status}")

    return [set_fault, clear, send_event]


def _files() -> list[HTTPRouteHandler]:
    nosniff = {"X-Content-Type-Options": "nosniff"}

    @get("/lab/page/page.css", media_type="text/css", response_headers=nosniff)
    async def style() -> str:
        return _file("page.css")

    @get("/lab/page/page.js", media_type="text/javascript", response_headers=nosniff)
    async def script() -> str:
        return _file("page.js")

    return [style, script]


def _html(body: bytes, policy: str, headers: dict[str, str] | None = None) -> Response[bytes]:
    own = {
        "Content-Security-Policy": policy, "Cache-Control": "no-store", "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
    }  # fmt: skip
    return Response(body, media_type=MediaType.HTML, headers=own | (headers or {}))


def _for_frame(html: str) -> str:
    """The mail, its links leading out of the frame."""
    base = '<base target="_blank">'
    return _HEAD.sub(lambda head: head[0] + base, html, count=1) if _HEAD.search(html) else base + html


def _known(inbox: Inbox, message_id: str) -> Received:
    record = inbox.find(message_id)
    if record is None:
        raise ProblemError(404, "unknown_message", "No such message (any more)")
    return record


async def _form(request: AnyRequest) -> dict[str, str]:
    """The fields of a form of this very page. A foreign page could post one as well; browsers then tell its origin."""
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise ProblemError(403, "foreign_page", "Only the lab's own page may do that")
    return dict(parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True))


def _fault(form: dict[str, str], gate: Gate) -> Fault:
    """The fields that are filled in, read as the control API reads them; behaviours of tokens stay."""
    given: dict[str, Any] = {"mode": form.get("mode", "ok"), "tokens": gate.fault.tokens}
    for name in _NUMBERS:
        text = form.get(name, "").strip()
        if text:
            try:
                number = float(text)
            except ValueError as error:
                raise InvalidFaultError(name, "Not a number") from error
            given[name] = int(number) if name == "status" and number.is_integer() else number
    return parse_fault(msgspec.json.encode(given), gate.dialect)


def _back(form: dict[str, str], note: str = "") -> Redirect:
    """To where the form stood; only ever to this page."""
    to = form.get("back", "/lab")
    parts = urlsplit(to)
    query = parse_qsl(parts.query) if parts.path == "/lab" and not parts.netloc else []
    asked_for = asked(dict(query), dict.fromkeys(LABELS))
    href = asked_for.href()
    if note:
        href += ("&" if "?" in href else "?") + urlencode({"note": note})
    return Redirect(href, status_code=303)
