"""Plots of what something costs as it grows, or stays, as SVG: lines, and nothing to install."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

__all__ = ["Plot", "drawn"]

_WIDTH, _HEIGHT = 430, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 30, 40, 74
_LABELS = 8
_COLOURS = ("#0b6e4f", "#c8553d", "#3d5a80", "#8d6a9f")
# The other lines are dashed, so that they differ without colours, too.
_DASHES = ("", "7 4", "2 4", "9 3 2 3")


@dataclass(frozen=True)
class Plot:
    """Lines over the same numbers.

    Attributes:
        title: What it shows.
        across: What the numbers are.
        up: The unit of the values.
        lines: The values by number, for each name.
        even: Whether both axes are even, and that of the values begins at 0, rather than logarithmic.
    """

    title: str
    across: str
    up: str
    lines: Mapping[str, Mapping[int, float]]
    even: bool = False


def drawn(plots: Sequence[Plot]) -> str:
    """`plots` beside each other, as the text of an SVG file."""
    shapes = [
        f'<g transform="translate({at * _WIDTH} 0)">{_shapes(plot)}</g>'
        for at, plot in enumerate(plots)
    ]
    width = _WIDTH * len(plots)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {_HEIGHT}" width="{width}" '
        f'height="{_HEIGHT}" font-family="sans-serif" font-size="12" fill="#222">\n'
        f'<rect width="{width}" height="{_HEIGHT}" fill="#fff"/>\n'
        + "\n".join(shapes)
        + "\n</svg>\n"
    )


def _shapes(plot: Plot) -> str:
    numbers = sorted({number for line in plot.lines.values() for number in line})
    values = [value for line in plot.lines.values() for value in line.values() if value > 0]
    steps = _even(max(values)) if plot.even else _decades(min(values), max(values))
    between = _between if plot.even else _between_logarithms

    def x(number: float) -> float:
        return between(number, numbers[0], numbers[-1], _LEFT, _WIDTH - _RIGHT)

    def y(value: float) -> float:
        return between(max(value, steps[0]), steps[0], steps[-1], _HEIGHT - _BOTTOM, _TOP)

    shapes = [_text(_LEFT, 20, plot.title, weight="bold")]
    for step in steps:
        shapes.append(_line(_LEFT, y(step), _WIDTH - _RIGHT, y(step), "#ddd"))
        shapes.append(_text(_LEFT - 6, y(step) + 4, f"{step:,.10g}", anchor="end"))
    shapes += [
        _text(x(number), _HEIGHT - _BOTTOM + 16, f"{number:,}", anchor="middle")
        for number in numbers[:: math.ceil(len(numbers) / _LABELS)]
    ]
    shapes.append(_text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 42, plot.across, anchor="middle"))
    middle = (_TOP + _HEIGHT - _BOTTOM) / 2
    shapes.append(_text(14, middle, plot.up, anchor="middle", turned=True))
    for at, (name, line) in enumerate(plot.lines.items()):
        colour, dash = _COLOURS[at % len(_COLOURS)], _DASHES[at % len(_DASHES)]
        points = " ".join(
            f"{x(number):.1f},{y(value):.1f}" for number, value in sorted(line.items())
        )
        shapes.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2" '
            f'stroke-dasharray="{dash}"/>'
        )
        shapes += [
            f'<circle cx="{x(number):.1f}" cy="{y(value):.1f}" r="3" fill="{colour}"/>'
            for number, value in line.items()
        ]
        left = _LEFT + at * (_WIDTH - _LEFT) / len(plot.lines)
        shapes.append(_line(left, _HEIGHT - 16, left + 22, _HEIGHT - 16, colour, dash, 2))
        shapes.append(_text(left + 28, _HEIGHT - 12, name))
    return "".join(shapes)


def _decades(least: float, most: float) -> list[float]:
    low, high = math.floor(math.log10(least)), math.ceil(math.log10(most))
    return [10.0**power for power in range(low, high + 1)]


def _even(most: float) -> list[float]:
    """From 0 to at least `most`, in steps of 1, 2 or 5 times a power of ten."""
    rough = 10.0 ** math.floor(math.log10(most))
    step = next(rough * part for part in (0.1, 0.2, 0.5, 1, 2) if rough * part * 6 >= most)
    return [step * number for number in range(math.ceil(most / step) + 1)]


def _between_logarithms(value: float, low: float, high: float, begin: float, end: float) -> float:
    return _between(math.log10(value), math.log10(low), math.log10(high), begin, end)


def _between(value: float, low: float, high: float, begin: float, end: float) -> float:
    part = 0.5 if high == low else (value - low) / (high - low)
    return begin + part * (end - begin)


def _line(
    x1: float, y1: float, x2: float, y2: float, colour: str, dash: str = "", width: float = 1
) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
        f'stroke-width="{width}" stroke-dasharray="{dash}"/>'
    )


def _text(
    x: float, y: float, text: str, *, anchor: str = "start", weight: str = "", turned: bool = False
) -> str:
    turn = f' transform="rotate(-90 {x:.1f} {y:.1f})"' if turned else ""
    bold = f' font-weight="{weight}"' if weight else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{bold}{turn}>{escape(text)}</text>'
