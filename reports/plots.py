"""Plots as inline SVG: small scatter panels of observed / bound, bars on a log scale, and ranks against n.

Coordinates are integers, dots are zero-length strokes of one path, and whatever a colour says a shape or word says as well. What is
drawn is a function of the data alone: dots on integers are moved sideways by multiples of the golden ratio, not at random.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from itertools import pairwise
from math import ceil, floor, log10
from typing import Any

from .svg import spread

WIDTH, HEIGHT = 228, 158
LEFT, RIGHT, TOP, BOTTOM = 42, 218, 24, 120
LOWEST = -6
"""log10 of the smallest ratio that the panels tell apart; smaller ones lie on the lowest line."""
SMALLEST = 1e-3
"""The least value told apart on an axis of entry bounds or scores."""
LARGEST = 1e15
LEFT_NAMED, RIGHT_NAMED = "frame-left", "frame-right"
COUNTED = ("n", "d", "degree")
GOLDEN = 0.6180339887498949
RANK_WIDTH, RANK_HEIGHT, RANK_RIGHT, RANK_BOTTOM = 400, 300, 290, 258
Number = int | float


def decade(power: int) -> str:
    """10^power in words: 1, 10 or with raised digits."""
    raised = str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return {0: "1", 1: "10"}.get(power, f"10{raised}")


def few(value: Number) -> str:
    """A number with three digits."""
    return f"{value:.3g}"


# -- observed / bound ----------------------------------------------------------------------------------------------------
def panel(axis: str, values: Sequence[Number], ratios: Sequence[float], worst: int | None, limit: str = "bound") -> str:
    """One scatter panel: ratios (log scale, clipped below at 10^LOWEST) against the values of one axis.

    Args:
        axis: the axis's name; the values of COUNTED are integers, others are drawn on a log scale.
        worst: the position of the instance that is marked; None where it has no value on this axis.
        limit: what a ratio of 1 is.
    """
    place, ticks = _counted(values) if axis in COUNTED else _logarithmic(values)
    columns = sorted({place(x) for x in values})
    room = min([16.0, *(0.4 * (right - left) for left, right in pairwise(columns))]) if len(columns) > 1 else 0
    dots = [
        (round(place(x) + (2 * (k * GOLDEN % 1) - 1) * room), _height(y))
        for k, (x, y) in enumerate(zip(values, ratios, strict=True))
    ]
    title = f"observed / {limit} against {axis}"
    told = (
        f"{len(dots)} instances, {axis} from {few(min(values))} to {few(max(values))}; "
        f"ratios from {few(min(ratios))} to {few(max(ratios))}"
    )
    marked, frame = "", LEFT_NAMED
    if worst is not None:
        x, y = dots[worst]
        told += f", the closest at {axis} = {few(values[worst])}"
        marked, frame = _mark(x, y), RIGHT_NAMED if x < (LEFT + RIGHT) // 2 else LEFT_NAMED
    ticked = "".join(f'<text x="{round(place(x))}" y="{BOTTOM + 15}">{escape(word)}</text>' for x, word in ticks)
    return (
        f'<svg class="plot" role="img" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}">'
        f"<title>{escape(title)}</title><desc>{escape(told)}</desc>"
        f'<use href="#{frame}"/><g text-anchor="middle">{ticked}'
        f'<text class="name" x="{(LEFT + RIGHT) // 2}" y="{BOTTOM + 32}">{escape(axis)}</text>{marked}</g>'
        f'<path class="dots" d="{_dotted(dots)}"/></svg>'
    )


def _dotted(dots: Iterable[tuple[int, int]]) -> str:
    """A path with a point at each place, each from the one before: short, and drawn as dots by round ends of lines."""
    ordered = sorted(set(dots))
    return "M0 0" + "".join(f"m{x - x0} {y - y0}z" for (x0, y0), (x, y) in pairwise([(0, 0), *ordered]))


def _height(ratio: float) -> int:
    return max(TOP - 10, round(TOP + (BOTTOM - TOP) * log10(max(ratio, 10.0**LOWEST)) / LOWEST))


def _counted(values: Sequence[Number]) -> tuple[Any, list[tuple[Number, str]]]:
    """Where an integer goes, and at most eight ticks."""
    low, high = int(min(values)), int(max(values))
    step = ceil((high - low + 1) / 8)
    inner = (LEFT + 20, RIGHT - 20)
    return (
        lambda x: inner[0] + (inner[1] - inner[0]) * (x - low) / max(1, high - low),
        [(k, str(k)) for k in range(low, high + 1, step)],
    )


def _logarithmic(values: Sequence[Number]) -> tuple[Any, list[tuple[Number, str]]]:
    """Where a positive number goes on a log scale, and ticks: the values if they are few, else powers of ten."""
    low, high = log10(max(SMALLEST, min(values))), log10(max(SMALLEST * 10, *values))
    inner = (LEFT + 20, RIGHT - 20)

    def place(x: Number) -> float:
        return inner[0] + (inner[1] - inner[0]) * max(0.0, log10(max(x, SMALLEST)) - low) / (high - low or 1.0)

    distinct = sorted(set(values))
    if len(distinct) <= 6 and distinct[0] >= SMALLEST:
        return place, [(x, few(x)) for x in distinct]
    clipped = "≤" if distinct[0] < SMALLEST else ""
    powers = range(ceil(low - 1e-9), floor(high + 1e-9) + 1, 1 + int(high - low) // 6)
    if not powers:
        return place, [(x, few(x)) for x in (distinct[0], distinct[-1])]
    return place, [(10.0**k, (clipped if k == powers[0] else "") + decade(k)) for k in powers]


def _mark(x: int, y: int) -> str:
    """A diamond around the worst instance, and the word over it."""
    middle = min(max(x, LEFT + 18), RIGHT - 18)
    return (
        f'<path class="worst" d="M{x - 6} {y}l6-6 6 6-6 6z"/><text class="over" x="{middle}" y="{y - 9}">closest</text>'
    )


def frames() -> str:
    """What all panels share, once a page: the region above 1, lines at powers of 100 and their names; panels refer to it."""
    lines = [(_height(10.0**k), ("≤" if k == LOWEST else "") + decade(k)) for k in range(-2, LOWEST - 1, -2)]
    grid = "".join(f"M{LEFT} {y}H{RIGHT}" for y, _ in lines)
    rows = "".join(f'<text x="{LEFT - 5}" y="{y + 3}">{word}</text>' for y, word in [(TOP, "1"), *lines])
    shared = (
        f'<rect class="beyond" x="{LEFT}" y="2" width="{RIGHT - LEFT}" height="{TOP - 2}"/><path class="grid" d="{grid}"/>'
        f'<path class="limit" d="M{LEFT} {TOP}H{RIGHT}"/><g text-anchor="end">{rows}</g>'
    )
    named = (
        f'<g class="frame" id="{LEFT_NAMED}">{shared}<text x="{LEFT + 4}" y="14">violated</text></g>'
        f'<g class="frame" id="{RIGHT_NAMED}">{shared}<text x="{RIGHT - 4}" y="14" text-anchor="end">violated</text></g>'
    )
    return f'<svg class="shared" width="0" height="0" aria-hidden="true"><defs>{named}</defs></svg>'


# -- best ratios ---------------------------------------------------------------------------------------------------------
def lowest(ratios: Sequence[float]) -> int:
    """The power of ten at which a log scale for these ratios begins, at least LOWEST and at most -1."""
    positive = [r for r in ratios if r > 0]
    return max(LOWEST, min(-1, floor(log10(min(positive))))) if positive else -1


def bar(ratio: float, begin: int) -> str:
    """A line from 10^begin to the ratio with a dot at its end; it stretches with the page, so there is no text in it."""
    grid = "".join(f"M{round(1000 * k / -begin)} 0v20" for k in range(-begin + 1))
    end = round(1000 * (1 - max(log10(max(ratio, 10.0**begin)) / begin, 0.0)))
    return (
        f'<svg class="bar" viewBox="0 0 1000 20" preserveAspectRatio="none" aria-hidden="true"><path class="grid" d="{grid}"/>'
        f'<path class="stem" d="M0 10H{end}"/><path class="dots" d="M{end} 10h0"/></svg>'
    )


# -- rank against n ------------------------------------------------------------------------------------------------------
def rank_panel(d: int, ranks: dict[int, int], top: int) -> str:
    """Rank of degree-g features in d dimensions against n, log-log from 10 to 10^top, with the line rank = n.

    Args:
        ranks: the rank of each degree.
        top: of both axes, a power of ten.
    """

    def across(value: float) -> int:
        return round(LEFT + (RANK_RIGHT - LEFT) * (log10(value) - 1) / (top - 1))

    def down(value: float) -> int:
        return round(RANK_BOTTOM - (RANK_BOTTOM - TOP) * (log10(value) - 1) / (top - 1))

    powers = range(1, top + 1)
    grid = "".join(f"M{across(10.0**k)} {TOP}V{RANK_BOTTOM}M{LEFT} {down(10.0**k)}H{RANK_RIGHT}" for k in powers)
    rows = "".join(f'<text x="{LEFT - 5}" y="{down(10.0**k) + 3}">{decade(k)}</text>' for k in powers)
    columns = "".join(f'<text x="{across(10.0**k)}" y="{RANK_BOTTOM + 15}">{decade(k)}</text>' for k in powers)
    listed = sorted(ranks.items(), key=lambda item: -item[1])
    labels = spread([float(down(rank)) for _, rank in listed], [4.0] * len(listed))
    lines = "".join(
        f'<path class="cost" d="M{LEFT} {down(rank)}H{across(rank)}"/>'
        f'<path class="gain" d="M{across(rank)} {down(rank)}H{RANK_RIGHT}L{RANK_RIGHT + 8} {y:.0f}"/>'
        f'<text x="{RANK_RIGHT + 11}" y="{y + 3:.0f}">g = {g}: {_grouped(rank)}</text>'
        for (g, rank), y in zip(listed, labels, strict=True)
    )
    dots = _dotted((across(rank), down(rank)) for rank in ranks.values())
    told = "; ".join(f"degree {g}: rank {rank}" for g, rank in ranks.items())
    return (
        f'<svg class="plot rank" role="img" width="{RANK_WIDTH}" height="{RANK_HEIGHT}" viewBox="0 0 {RANK_WIDTH} {RANK_HEIGHT}">'
        f"<title>rank against n for d = {d}</title><desc>{told}</desc>"
        f'<path class="grid" d="{grid}"/><path class="limit" d="M{LEFT} {RANK_BOTTOM}L{RANK_RIGHT} {TOP}"/>'
        f'<text class="name" x="{LEFT + 4}" y="14">d = {d}, rank of degree g</text>'
        f'<text class="name" x="{RANK_RIGHT}" y="14" text-anchor="end">rank = n</text>'
        f'<g text-anchor="end">{rows}</g><g text-anchor="middle">{columns}'
        f'<text class="name" x="{(LEFT + RANK_RIGHT) // 2}" y="{RANK_BOTTOM + 32}">n, tokens</text></g>'
        f'{lines}<path class="dots" d="{dots}"/></svg>'
    )


def _grouped(value: int) -> str:
    return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def finite(value: Any) -> bool:
    """Whether a value is a number that can be drawn."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < LARGEST


# -- depth against the exponent ------------------------------------------------------------------------------------------
STROKES = ("", "7 3", "2 3", "9 3 2 3")


def depth_panel(curves: dict[str, list[tuple[float, float]]]) -> str:
    """The limit of log(rank)/log(n) against the depth in units of the critical one; curves differ by dashes and are named.

    Args:
        curves: by name, points (m / unit, limit), in the order of m.
    """
    right = max((x for points in curves.values() for x, _ in points), default=1.0) or 1.0
    top = max(1.0, *(ceil(10 * y) / 10 for points in curves.values() for _, y in points if finite(y)))

    def across(x: float) -> int:
        return round(LEFT + (RANK_RIGHT - LEFT) * x / right)

    def down(y: float) -> int:
        return round(RANK_BOTTOM - (RANK_BOTTOM - TOP) * min(y, top) / top)

    rows = [k * top / 5 for k in range(6)]
    columns = [k * right / 4 for k in range(5)]
    grid = "".join(f"M{LEFT} {down(y)}H{RANK_RIGHT}" for y in rows)
    words = "".join(f'<text x="{LEFT - 5}" y="{down(y) + 3}">{few(y)}</text>' for y in rows)
    ticks = "".join(f'<text x="{across(x)}" y="{RANK_BOTTOM + 15}">{few(x)}</text>' for x in columns)
    lines, told = "", []
    height = RANK_HEIGHT + 16 * len(curves)
    for k, (name, points) in enumerate(curves.items()):
        kept = [(x, y) for x, y in points if finite(x) and finite(y)]
        stroke = f' stroke-dasharray="{STROKES[k % len(STROKES)]}"' if k % len(STROKES) else ""
        path = "M" + "L".join(f"{across(x)} {down(y)}" for x, y in kept)
        y = RANK_HEIGHT + 6 + 16 * k
        lines += f'<path class="curve" d="{path}"{stroke}/>' if kept else ""
        lines += (
            f'<path class="curve" d="M{LEFT} {y}h36"{stroke}/><text x="{LEFT + 42}" y="{y + 4}">{escape(name)}</text>'
        )
        told.append(f"{name}: from {few(kept[0][1])} to {few(kept[-1][1])}" if kept else f"{name}: no points")
    return (
        f'<svg class="plot depth" role="img" width="{RANK_WIDTH}" height="{height}" viewBox="0 0 {RANK_WIDTH} {height}">'
        f"<title>limit of log(rank)/log(n) against the depth</title><desc>{escape('; '.join(told))}</desc>"
        f'<path class="grid" d="{grid}"/><path class="limit" d="M{LEFT} {down(1.0)}H{RANK_RIGHT}"/>'
        f'<text class="name" x="{LEFT + 4}" y="14">limit of log(rank)/log(n); above 1 of no use</text>'
        f'<g text-anchor="end">{words}</g><g text-anchor="middle">{ticks}'
        f'<text class="name" x="{(LEFT + RANK_RIGHT) // 2}" y="{RANK_BOTTOM + 30}">depth m / unit</text></g>{lines}</svg>'
    )
