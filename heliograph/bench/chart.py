"""Latency percentiles as an SVG: one line a measurement, the tail stretched so that p99.9 is as wide as p90.

Pure text. Readable on light and on dark ground; every line ends in its name, so no colour has to be told apart.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Final

Curve = Sequence[tuple[float, float]]
"""(percent, milliseconds), ascending."""

_WIDTH: Final = 860
_HEIGHT: Final = 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 250, 48, 44
_COLOURS: Final = ("#2563eb", "#d97706", "#059669", "#db2777", "#7c3aed", "#64748b", "#dc2626", "#0891b2")
_PERCENTS: Final = (50.0, 90.0, 99.0, 99.9, 99.99)
_LINE: Final = 15
"""Least distance between two names."""
_STYLE: Final = (
    "text{font:12px system-ui,sans-serif;fill:#6b7280}.t{font-size:15px;font-weight:600}"
    "line{stroke:#9ca3af;stroke-opacity:.35}polyline{fill:none;stroke-width:2}"
)


def latency_chart(title: str, curves: Mapping[str, Curve]) -> str:
    """The SVG document. Curves without a point are left out."""
    drawn = {name: curve for name, curve in curves.items() if curve}
    values = [value for curve in drawn.values() for _, value in curve]
    low, high = _decades(min(values, default=1.0), max(values, default=10.0))
    scale = _Scale(low, high, max((curve[-1][0] for curve in drawn.values()), default=99.0))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">',
        f"<style>{_STYLE}</style>",
        f'<text class="t" x="{_LEFT}" y="24">{escape(title)}: latency by percentile</text>',
        *_grid(scale),
        *_lines(drawn, scale),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


class _Scale:
    """Milliseconds, logarithmic, upwards; percentiles by their distance from 100, logarithmic, to the right."""

    def __init__(self, low: float, high: float, last: float) -> None:
        self.low = low
        self.high = high
        self.last = last

    def x(self, percent: float) -> float:
        whole = math.log10(100 / (100 - self.last))
        return round(_LEFT + (_WIDTH - _LEFT - _RIGHT) * math.log10(100 / (100 - percent)) / whole, 1)

    def y(self, milliseconds: float) -> float:
        share = math.log10(max(milliseconds, self.low) / self.low) / math.log10(self.high / self.low)
        return round(_HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * share, 1)


def _decades(low: float, high: float) -> tuple[float, float]:
    bottom = 10.0 ** math.floor(math.log10(max(low, 0.01)))
    return bottom, max(10.0 ** math.ceil(math.log10(max(high, 0.01))), bottom * 10)


def _grid(scale: _Scale) -> Iterator[str]:
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    value = scale.low
    while value <= scale.high * 1.001:
        for factor in (1, 2, 5):
            if value * factor <= scale.high * 1.001:
                y = scale.y(value * factor)
                yield f'<line x1="{_LEFT}" x2="{right}" y1="{y}" y2="{y}"/>'
                yield f'<text x="{_LEFT - 8}" y="{y + 4}" text-anchor="end">{value * factor:g} ms</text>'
        value *= 10
    for percent in _PERCENTS:
        if percent <= scale.last:
            x = scale.x(percent)
            yield f'<line x1="{x}" x2="{x}" y1="{_TOP}" y2="{bottom}"/>'
            yield f'<text x="{x}" y="{bottom + 18}" text-anchor="middle">p{percent:g}</text>'


def _lines(curves: Mapping[str, Curve], scale: _Scale) -> Iterator[str]:
    ends = sorted(curves, key=lambda name: scale.y(curves[name][-1][1]))
    at = -math.inf
    for name in ends:
        colour = _COLOURS[list(curves).index(name) % len(_COLOURS)]
        points = " ".join(f"{scale.x(percent)},{scale.y(value)}" for percent, value in curves[name])
        last_x, last_y = scale.x(curves[name][-1][0]), scale.y(curves[name][-1][1])
        at = max(at + _LINE, last_y)
        yield f'<polyline points="{points}" stroke="{colour}"/>'
        yield f'<line x1="{last_x}" x2="{_WIDTH - _RIGHT + 6}" y1="{last_y}" y2="{at}"/>'
        yield f'<text x="{_WIDTH - _RIGHT + 10}" y="{at + 4}" style="fill:{colour}">{escape(name)}</text>'
