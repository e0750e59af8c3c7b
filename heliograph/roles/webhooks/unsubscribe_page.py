"""The unsubscribe page: one small HTML document in three states, without a script, a cookie or anything loaded.

Reads the state and the address; the style's hash stands in its Content-Security-Policy.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Final

from jinja2 import Environment
from markupsafe import Markup

_STYLE: Final = """
:root { color-scheme: light dark; --page: #f2f3f5; --card: #fff; --line: #dfe2e7; --title: #15181d; --text: #3a404a;
  --button: #1b56c4; --label: #fff; }
@media (prefers-color-scheme: dark) { :root { --page: #14161a; --card: #1f2228; --line: #343943; --title: #f4f5f7;
  --text: #d5d8de; --button: #8ab4ff; --label: #0b1a33; } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 24px 16px; background: var(--page);
  color: var(--text); font: 17px/1.5 -apple-system, BlinkMacSystemFont, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; }
main { width: 100%; max-width: 480px; padding: 32px; background: var(--card); border: 1px solid var(--line);
  border-radius: 12px; }
h1 { margin: 0 0 12px; font-size: 24px; line-height: 1.3; color: var(--title); }
p { margin: 0; overflow-wrap: anywhere; }
form { margin-top: 24px; }
button { width: 100%; min-height: 48px; padding: 12px 24px; border: 0; border-radius: 8px; background: var(--button);
  color: var(--label); font: inherit; font-weight: 600; cursor: pointer; }
button:focus-visible { outline: 3px solid var(--title); outline-offset: 3px; }
"""  # noqa: E501
_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
CSP: Final = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

_PAGE: Final = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{{ title }}</title>
<style>{{ style }}</style>
</head>
<body>
<main>
<h1>{{ title }}</h1>
{% if state == "ask" %}
<p>{{ address }} will get no more mail from this sender, except for what an account needs, such as receipts and
sign-in links.</p>
<form method="post"><input type="hidden" name="List-Unsubscribe" value="One-Click">
<button type="submit">Unsubscribe</button></form>
{% elif state == "done" %}
<p role="status">{{ address }} will get no more mail from this sender, except for what an account needs, such as
receipts and sign-in links. You can close this page.</p>
{% else %}
<p>This link is not complete. Please open it from the mail once more, or copy all of it.</p>
{% endif %}
</main>
</body>
</html>
"""
_TITLES: Final = {"ask": "Unsubscribe?", "done": "You are unsubscribed", "unknown": "This link doesn’t work"}
_TEMPLATE: Final = Environment(autoescape=True, trim_blocks=True).from_string(_PAGE)


def page(state: str, address: str = "") -> bytes:
    """`state`: `ask`, `done` or `unknown`."""

    style = Markup(_STYLE)  # noqa: S704 - ours
    return _TEMPLATE.render(state=state, title=_TITLES[state], address=address, style=style).encode()
