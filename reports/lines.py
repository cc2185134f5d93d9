"""Curves and bars as inline SVG: values against steps, degrees or sizes, on linear or log scales, and one bar for each choice.

Curves differ by dashes and marks and are named below; a bound is drawn as a limit. Coordinates are integers, so a plot is small and the
same each time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

from .plots import STROKES, decade, few, finite

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 400, 52, 390, 24, 218
LEGEND, ROW = 262, 16
MOST_POINTS = 80
BAR_WIDTH, BAR_LEFT, BAR_RIGHT, BAR_ROW = 620, 230, 540, 18
Point = tuple[float, float]
SHAPES = ("M-3 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0", "M-3-3h6v6h-6z", "M0-4l4 7h-8z", "M-4 0l4-4 4 4-4 4z")


@dataclass(frozen=True)
class Curve:
    """Points in the order of x; ``limit``: a bound. ``marks``: points that stand out, each with its word."""

    name: str
    points: Sequence[Point]
    limit: bool = False
    marks: Sequence[tuple[float, float, str]] = ()


@dataclass(frozen=True)
class Axis:
    """Where a value goes, and ticks (value, word)."""

    place: Callable[[float], int]
    ticks: list[tuple[float, str]]


def axis(values: Sequence[float], begin: int, end: int, log: bool, most: int = 6) -> Axis:
    """From ``begin`` to ``end``; a log scale takes positive values and whole powers of ten."""
    if log:
        least = floor(log10(min(values)) + 1e-9)
        greatest = max(least + 1, ceil(log10(max(values)) - 1e-9))
        return Axis(
            lambda x: round(begin + (end - begin) * (min(max(log10(x), least), greatest) - least) / (greatest - least)),
            [(10.0**k, decade(k)) for k in range(least, greatest + 1, ceil((greatest - least) / most))],
        )
    low, high = float(min(values)), float(max(values))
    high = high if high > low else low + (abs(low) or 1.0)
    step = _step((high - low) / most)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    low, high = first * step, last * step
    return Axis(
        lambda x: round(begin + (end - begin) * (x - low) / (high - low)),
        [(k * step, few(k * step)) for k in range(first, last + 1)],
    )


def _step(least: float) -> float:
    """1, 2 or 5 times a power of ten, at least ``least``."""
    power = 10.0 ** floor(log10(least))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= least * (1 - 1e-9))


def chart(
    title: str, across: str, upward: str, curves: Sequence[Curve], *, log_x: bool = False, log_y: bool = False
) -> str:
    """Curves over one pair of axes; what is not finite, or not positive on a log scale, is left out and said in the description."""
    kept = [(c, [p for p in c.points if _drawable(p, log_x, log_y)]) for c in curves]
    kept = [(c, _thinned(points)) for c, points in kept if points]
    if not kept:
        return ""
    every = [p for _, points in kept for p in points]
    x_axis = axis([x for x, _ in every], LEFT, RIGHT, log_x)
    y_axis = axis([y for _, y in every], BOTTOM, TOP, log_y)
    height = LEGEND + ROW * len(kept)
    drawn, told = "", []
    for k, (curve, points) in enumerate(kept):
        drawn += _curve(k, curve, points, x_axis, y_axis, (log_x, log_y))
        told.append(f"{curve.name}: from {few(points[0][1])} to {few(points[-1][1])}")
    grid = "".join(f"M{LEFT} {y_axis.place(v)}H{RIGHT}" for v, _ in y_axis.ticks)
    rows = "".join(f'<text x="{LEFT - 5}" y="{y_axis.place(v) + 3}">{w}</text>' for v, w in y_axis.ticks)
    columns = "".join(f'<text x="{x_axis.place(v)}" y="{BOTTOM + 15}">{w}</text>' for v, w in x_axis.ticks)
    return (
        f'<svg class="plot depth" role="img" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}">'
        f"<title>{escape(title)}</title><desc>{escape('; '.join(told))}</desc>"
        f'<path class="grid" d="{grid}"/><text class="name" x="4" y="13">{escape(upward)}</text><g text-anchor="end">{rows}</g>'
        f'<g text-anchor="middle">{columns}<text class="name" x="{(LEFT + RIGHT) // 2}" y="{BOTTOM + 30}">{escape(across)}</text></g>'
        f"{drawn}</svg>"
    )


def _drawable(point: Point, log_x: bool, log_y: bool) -> bool:
    return all(finite(v) and (not log or v > 0) for v, log in zip(point, (log_x, log_y), strict=True))


def _thinned(points: list[Point]) -> list[Point]:
    """At most MOST_POINTS, the last one among them."""
    step = ceil(len(points) / MOST_POINTS)
    return [*points[:-1:step], points[-1]]


def _curve(k: int, curve: Curve, points: list[Point], x: Axis, y: Axis, logs: tuple[bool, bool]) -> str:
    stroke = f' stroke-dasharray="{STROKES[k % len(STROKES)]}"' if k % len(STROKES) and not curve.limit else ""
    kind, line = "limit" if curve.limit else "curve", LEGEND + ROW * k
    path = "M" + "L".join(f"{x.place(a)} {y.place(b)}" for a, b in points)
    shape = SHAPES[k % len(SHAPES)]
    places = [(x.place(a), y.place(b)) for a, b in points] if len(points) <= 20 and not curve.limit else []
    dots = "".join(
        f'<path class="worst" transform="translate({a} {b})" d="{shape}"/>'
        for a, b in ([*places, (LEFT + 18, line)] if places else [])
    )
    marks = ""
    for a, b, word in (m for m in curve.marks if _drawable((m[0], m[1]), *logs)):
        left, high = min(max(x.place(a), LEFT + 24), RIGHT - 24), y.place(b) - 11 - 11 * (k % 4)
        high = high if high > TOP else y.place(b) + 20 + 11 * (k % 4)
        marks += f'<path class="limit" d="M{x.place(a)} {y.place(b) - 8}v16"/>'
        marks += f'<text class="over" text-anchor="middle" x="{left}" y="{high}">{escape(word)}</text>'
    return (
        f'<path class="{kind}" d="{path}"{stroke}/><path class="{kind}" d="M{LEFT} {line}h36"{stroke}/>'
        f'{"" if curve.limit else dots}<text x="{LEFT + 42}" y="{line + 4}">{escape(curve.name)}</text>{marks}'
    )


def bars(title: str, unit: str, rows: Sequence[tuple[str, float | None, str]], *, log: bool = True) -> str:
    """One horizontal line for each (name, value, note); without a value the note alone, such as "refused"."""
    values = [v for _, v, _ in rows if v is not None and finite(v) and (not log or v > 0)]
    if not values:
        return ""
    scale = axis(values if log else [0.0, *values], BAR_LEFT, BAR_RIGHT, log)
    bottom = 26 + BAR_ROW * len(rows)
    grid = "".join(f"M{scale.place(v)} 20V{bottom}" for v, _ in scale.ticks)
    words = "".join(f'<text x="{scale.place(v)}" y="{bottom + 14}">{w}</text>' for v, w in scale.ticks)
    drawn = ""
    for k, (name, value, note) in enumerate(rows):
        y = 32 + BAR_ROW * k
        drawn += f'<text class="name" text-anchor="end" x="{BAR_LEFT - 8}" y="{y + 3}">{escape(name)}</text>'
        shown = note
        if value is not None and finite(value) and (not log or value > 0):
            end = scale.place(value)
            drawn += f'<path class="gain" d="M{BAR_LEFT} {y}H{end}"/><path class="dots" d="M{end} {y}h0"/>'
            shown = f"{few(value)} {note}".strip()
        elif value is not None and not note:
            shown = few(value) if finite(value) else "not finite"
        drawn += f'<text x="{BAR_RIGHT + 8}" y="{y + 3}">{escape(shown)}</text>'
    return (
        f'<svg class="plot rank bars" role="img" width="{BAR_WIDTH}" height="{bottom + 34}" viewBox="0 0 {BAR_WIDTH} {bottom + 34}">'
        f"<title>{escape(title)}</title><desc>{escape(f'{len(values)} values from {few(min(values))} to {few(max(values))}')}</desc>"
        f'<path class="grid" d="{grid}"/><g text-anchor="middle">{words}'
        f'<text class="name" x="{(BAR_LEFT + BAR_RIGHT) // 2}" y="{bottom + 29}">{escape(unit)}</text></g>{drawn}</svg>'
    )
