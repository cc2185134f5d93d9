"""Log-log charts as inline SVG for whole pages: error against time with its front, and times against n with their slopes.

Each thing that is drawn is named beside it and told in the description; filled and hollow dots, full and dashed lines say what colours do.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import pairwise
from math import ceil, floor, log10

from .plots import decade, few
from .svg import spread

WIDTH, HEIGHT = 636, 340
LEFT, RIGHT, TOP, BOTTOM = 62, 430, 26, 292
LETTERS = 32
"""Characters of a name beside a chart."""
DASHES = ("", "6 3", "2 3", "9 3 2 3")


class Axes:
    """Log scales that hold all points, from power of ten to power of ten."""

    def __init__(self, points: Sequence[tuple[float, float]]) -> None:
        self.across, self.down = ([log10(p[k]) for p in points] for k in (0, 1))
        self.x0, self.x1 = floor(min(self.across)), max(floor(min(self.across)) + 1, ceil(max(self.across)))
        self.y0, self.y1 = floor(min(self.down)), max(floor(min(self.down)) + 1, ceil(max(self.down)))

    def x(self, value: float) -> int:
        return round(LEFT + (RIGHT - LEFT) * (log10(value) - self.x0) / (self.x1 - self.x0))

    def y(self, value: float) -> int:
        return round(BOTTOM - (BOTTOM - TOP) * (log10(value) - self.y0) / (self.y1 - self.y0))

    def drawn(self, across: str, down: str) -> str:
        """Lines at powers of ten with their numbers, and the names of both axes."""
        columns, rows = range(self.x0, self.x1 + 1), range(self.y0, self.y1 + 1, 1 + (self.y1 - self.y0) // 9)
        grid = "".join(f"M{self.x(10.0**k)} {TOP}V{BOTTOM}" for k in columns)
        grid += "".join(f"M{LEFT} {self.y(10.0**k)}H{RIGHT}" for k in rows)
        under = "".join(f'<text x="{self.x(10.0**k)}" y="{BOTTOM + 16}">{decade(k)}</text>' for k in columns)
        beside = "".join(f'<text x="{LEFT - 6}" y="{self.y(10.0**k) + 4}">{decade(k)}</text>' for k in rows)
        return (
            f'<path class="grid" d="{grid}"/><g text-anchor="end">{beside}</g><g text-anchor="middle">{under}'
            f'<text class="name" x="{(LEFT + RIGHT) // 2}" y="{BOTTOM + 36}">{escape(across)}</text></g>'
            f'<text class="name" x="{LEFT}" y="14">{escape(down)}</text>'
        )


def framed(title: str, told: str, inside: str) -> str:
    size = f'width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
    return f'<svg class="plot chart" role="img" {size}><title>{escape(title)}</title><desc>{escape(told)}</desc>{inside}</svg>'


def _named(places: Sequence[tuple[int, int]], names: Sequence[str]) -> str:
    """A name at the right of each place, with a line to it; names are moved apart and stay in the order of the places."""
    order = sorted(range(len(places)), key=lambda k: (places[k][1], places[k][0]))
    heights = spread([float(places[k][1]) for k in order], [5.0] * len(order))
    low = max(0.0, heights[-1] - BOTTOM) if heights else 0.0
    made = ""
    for k, height in zip(order, heights, strict=True):
        (x, y), at, name = places[k], height - low, names[k]
        shown = name if len(name) <= LETTERS else f"{name[: LETTERS - 1]}…"
        made += f'<path class="leader" d="M{x + 5} {y}L{RIGHT + 8} {at:.0f}h6"/>'
        made += f'<text x="{RIGHT + 18}" y="{at + 4:.0f}">{escape(shown)}</text>'
    return made


def front(points: Sequence[tuple[str, float, float]], title: str) -> str:
    """Error against time: filled dots are those that no other one beats in both, with the line of what is attainable through them.

    Args:
        points: (name, seconds, error), both positive.
    """
    axes = Axes([(seconds, error) for _, seconds, error in points])
    best = {
        k
        for k, (_, s, e) in enumerate(points)
        if not any((t <= s and f <= e) and (t, f) != (s, e) for _, t, f in points)
    }
    places = [(axes.x(s), axes.y(e)) for _, s, e in points]
    stairs = sorted(places[k] for k in best)
    line = "".join(f"H{x}V{y}" for (_, _), (x, y) in pairwise(stairs))
    path = f'<path class="front" d="M{stairs[0][0]} {TOP}V{stairs[0][1]}{line}H{RIGHT}"/>'
    dots = "".join(
        f'<circle class="{"best" if k in best else "beaten"}" cx="{x}" cy="{y}" r="4.5"/>'
        for k, (x, y) in enumerate(places)
    )
    told = "; ".join(
        f"{name}: {few(s)} s, error {few(e)}{', on the front' if k in best else ''}"
        for k, (name, s, e) in enumerate(points)
    )
    inside = (
        axes.drawn("seconds, forward and backward", "largest error")
        + path
        + _named(places, [p[0] for p in points])
        + dots
    )
    return framed(title, told, inside)


def curves(lines: dict[str, Sequence[tuple[float, float]]], across: str, down: str, title: str) -> str:
    """Curves through positive points, each named at its last one with its slope, where it has two points or more."""
    axes = Axes([p for points in lines.values() for p in points])
    drawn, places, names, told = "", [], [], []
    for k, (name, points) in enumerate(lines.items()):
        path = "L".join(f"{axes.x(x)} {axes.y(y)}" for x, y in points)
        drawn += f'<path class="curve" d="M{path}" stroke-dasharray="{DASHES[k % len(DASHES)]}"/>'
        drawn += "".join(f'<circle class="best" cx="{axes.x(x)}" cy="{axes.y(y)}" r="2.5"/>' for x, y in points)
        places.append((axes.x(points[-1][0]), axes.y(points[-1][1])))
        names.append(name + (f", slope {slope(points):.2f}" if len(points) > 1 else ""))
        told.append(
            f"{names[-1]}: from {few(points[0][1])} at {few(points[0][0])} to {few(points[-1][1])} at {few(points[-1][0])}"
        )
    return framed(title, "; ".join(told), axes.drawn(across, down) + drawn + _named(places, names))


def slope(points: Sequence[tuple[float, float]]) -> float:
    """The exponent between the middle and the last point: what small sizes cost does not count."""
    (x0, y0), (x1, y1) = points[(len(points) - 1) // 2], points[-1]
    return log10(y1 / y0) / log10(x1 / x0)
