"""What a newcomer reads after `heliograph up`: where it is, the key, and a first send that works."""

from __future__ import annotations

from rich.console import Console

from heliograph.cli.options import Options
from heliograph.lab.server import Lab
from heliograph.settings import Settings


def show(console: Console, options: Options, settings: Settings, key: str, lab: Lab | None, took_s: float) -> None:
    """Prints plain lines (no wrapping), so that the curl can be copied and a script can read them."""
    roles = ", ".join(options.roles)
    if not options.bundled:
        where = f" on port {options.port}" if options.port is not None else ""
        console.print(f"heliograph run: {roles} ready{where} after {took_s:.1f} s", soft_wrap=True, highlight=False)
        return
    console.print(f"[bold green]Heliograph is up[/] after {took_s:.1f} s: {roles}", soft_wrap=True, highlight=False)
    url = settings.public_url or f"http://{settings.host}:{options.port}"
    curl = (
        f"curl -X POST {url}/v1/send -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json'"
        """ -d '{"to": {"id": "user-1", "email": "user-1@example.com"}, "title": "Hello", "body": "It works"}'"""
    )
    lines = [
        f"  URL   {url}",
        *([f"  Demo  {url}/demo  (two people, a shop and a mailbox)"] if options.demo else []),
        f"  Key   {key}",
        f"  Data  {options.folder}",
        *([f"  Lab   {lab.base_url}  (SMTP on {lab.smtp_port}; see {lab.base_url}/lab/messages)"] if lab else []),
        "",
        "Send a first notification:",
        "",
        f"  {curl}",
        "",
        *_hints(settings, lab),
    ]
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False, markup=False)


def _hints(settings: Settings, lab: Lab | None) -> list[str]:
    sends_mail = settings.sendgrid_api_key.get_secret_value() or settings.smtp_url.get_secret_value()
    if lab or sends_mail:
        return []
    return [
        "No e-mail provider is configured: add --lab (make up ARGS=--lab) to see mails arrive in a local mailbox.",
        "",
    ]
