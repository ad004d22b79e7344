"""A few small curves side by side, as SVG. The x axis is logarithmic, the y axes begin at 0."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT = 280, 200
_LEFT, _TOP, _BOTTOM, _RIGHT = 52, 34, 44, 16
_COLOURS = ("#1f6feb", "#8b949e")
_TICKS = 4


@dataclass(frozen=True)
class Line:
    name: str
    values: Sequence[float]


@dataclass(frozen=True)
class Panel:
    title: str
    unit: str
    lines: Sequence[Line]


def render_plot(x_name: str, x: Sequence[float], panels: Sequence[Panel]) -> str:
    """The whole file. Each line has a value for each x."""
    width = _WIDTH * len(panels)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {_HEIGHT}" width="{width}" height="{_HEIGHT}"',
        ' font-family="sans-serif" font-size="11" fill="#57606a">',
        f'<rect width="{width}" height="{_HEIGHT}" fill="#ffffff"/>',
    ]
    for index, panel in enumerate(panels):
        parts += [f'<g transform="translate({index * _WIDTH} 0)">', *_render_panel(x_name, x, panel), "</g>"]
    return "\n".join([*parts, "</svg>", ""])


def choose_top(value: float) -> float:
    """The first of 1, 2, 4, 5, 8 and their tens that is not below it."""
    ten = 10.0 ** math.floor(math.log10(value)) if value > 0 else 1.0
    return next(step * ten for step in (1, 2, 4, 5, 8, 10) if step * ten >= value)


def _render_panel(x_name: str, x: Sequence[float], panel: Panel) -> list[str]:
    top = choose_top(max(value for line in panel.lines for value in line.values))
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    low, high = math.log10(min(x)), math.log10(max(x))

    def place_x(value: float) -> float:
        return _LEFT + (right - _LEFT) * ((math.log10(value) - low) / (high - low) if high > low else 0.5)

    def place_y(value: float) -> float:
        return bottom - (bottom - _TOP) * value / top

    parts = [f'<text x="{_LEFT}" y="16" font-size="12" fill="#1f2328">{escape(panel.title)}</text>']
    for tick in range(_TICKS + 1):
        value = top * tick / _TICKS
        y = place_y(value)
        parts.append(f'<line x1="{_LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" stroke="#d0d7de"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:g} {escape(panel.unit)}</text>')
    for value in x:
        parts.append(f'<text x="{place_x(value):.1f}" y="{bottom + 16}" text-anchor="middle">{value:,.0f}</text>')
    parts.append(f'<text x="{(_LEFT + right) / 2:.1f}" y="{_HEIGHT - 8}" text-anchor="middle">{escape(x_name)}</text>')
    for line, colour in zip(panel.lines, _COLOURS, strict=False):
        points = [(place_x(a), place_y(b)) for a, b in zip(x, line.values, strict=True)]
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"/>' for a, b in points]
    if len(panel.lines) > 1:
        parts += _render_legend(panel.lines)
    return parts


def _render_legend(lines: Sequence[Line]) -> list[str]:
    named = zip(lines, _COLOURS, strict=False)
    spans = "  ".join(f'<tspan fill="{colour}">{escape(line.name)}</tspan>' for line, colour in named)
    return [f'<text x="{_LEFT}" y="29" xml:space="preserve">{spans}</text>']
