"""A line chart as SVG, without a library: two axes, a few series. Pure."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

Points = Sequence[tuple[float, float]]

_WIDTH: Final = 640
_HEIGHT: Final = 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 40, 40, 50
_COLOURS: Final = ("#0b6e4f", "#c0392b", "#2c5f9e", "#8e6c00")
_TICKS: Final = 5


def _round_up(value: float) -> float:
    """The next of 1, 2, 5, 10, ... so that ticks are round."""
    power = 10 ** math.floor(math.log10(value))
    return next(power * step for step in (1, 2, 2.5, 5, 10) if power * step >= value)


def _tick(value: float) -> str:
    return f"{value:,.0f}" if value >= _TICKS or value == int(value) else f"{value:g}"


def line_chart(title: str, across: str, up: str, series: Mapping[str, Points], *, logarithmic: bool = False) -> str:
    """The series over one another, from zero up; `logarithmic` is about the axis across.

    Args:
        title: Above it.
        across: What the horizontal axis is, with its unit.
        up: What the vertical axis is, with its unit.
        series: Points by name, each in order.
        logarithmic: Whether equal steps across are equal factors.
    """

    def place(value: float) -> float:
        return math.log2(value) if logarithmic else value

    places = sorted({x for points in series.values() for x, _ in points})
    start = place(places[0]) if logarithmic else 0.0
    span = place(places[-1]) - start or 1.0
    top = _round_up(max(y for points in series.values() for _, y in points))
    wide, high = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def at(x: float, y: float) -> str:
        return f"{_LEFT + wide * (place(x) - start) / span:.1f},{_TOP + high * (1 - y / top):.1f}"

    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" '
            'font-size="12">'
        ),
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        f'<text x="{_LEFT}" y="20" font-size="14">{escape(title)}</text>',
        f'<text x="{_LEFT + wide / 2}" y="{_HEIGHT - 10}" text-anchor="middle">{escape(across)}</text>',
        (
            f'<text x="16" y="{_TOP + high / 2}" text-anchor="middle" '
            f'transform="rotate(-90 16 {_TOP + high / 2})">{escape(up)}</text>'
        ),
    ]
    for step in range(_TICKS + 1):
        value = top * step / _TICKS
        y = _TOP + high * (1 - step / _TICKS)
        parts.append(f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_tick(value)}</text>')
    marks = places if logarithmic else [places[-1] * step / _TICKS for step in range(_TICKS + 1)]
    for mark in marks:
        x = at(mark, 0).split(",")[0]
        parts.append(f'<text x="{x}" y="{_TOP + high + 18}" text-anchor="middle">{_tick(mark)}</text>')
    for number, (name, points) in enumerate(series.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        line = " ".join(at(x, y) for x, y in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="{_LEFT + 10}" y="{_TOP + 14 + 16 * number}" fill="{colour}">{escape(name)}</text>')
    return "\n".join([*parts, "</svg>", ""])
