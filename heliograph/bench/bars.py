"""Rates as an SVG: one bar a measurement. For scenarios that know no latencies. Pure text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Final

_WIDTH: Final = 860
_LEFT, _TOP, _ROW = 330, 48, 26
_LONGEST: Final = 400
_STYLE: Final = "text{font:12px system-ui,sans-serif;fill:#6b7280}.t{font-size:15px;font-weight:600}rect{fill:#2563eb}"


def rate_chart(title: str, rates: Mapping[str, float]) -> str:
    """The SVG document: rates a second, the longest bar for the highest."""
    height = _TOP + _ROW * len(rates) + 16
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">',
        f"<style>{_STYLE}</style>",
        f'<text class="t" x="16" y="24">{escape(title)}</text>',
        *_bars(rates),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _bars(rates: Mapping[str, float]) -> Iterator[str]:
    highest = max([*rates.values(), 1e-9])
    for row, (name, rate) in enumerate(rates.items()):
        y, length = _TOP + row * _ROW, round(_LONGEST * rate / highest, 1)
        yield f'<text x="{_LEFT - 8}" y="{y + 13}" text-anchor="end">{escape(name)}</text>'
        yield f'<rect x="{_LEFT}" y="{y}" width="{length}" height="18"/>'
        yield f'<text x="{_LEFT + length + 8}" y="{y + 13}">{rate:,.0f}/s</text>'
