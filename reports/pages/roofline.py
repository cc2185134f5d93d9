"""The predicted cost of the fused kernels on GPUs: tables and log-log drawings of what benchmarks/roofline.py writes. Nothing here is
measured, and every heading says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from html import escape
from math import ceil, floor, log10
from typing import Any

from ..plots import LEFT, RANK_BOTTOM, RANK_HEIGHT, RANK_RIGHT, RANK_WIDTH, STROKES, TOP, decade, few, finite
from . import figures

KIND = "prediction"
MOST_DOTS = 40
Place = Callable[[float], int]


def pages(results: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """``roofline.html`` and its context, from the results whose ``kind`` is "prediction"; empty without one."""
    found = [result for result in results if isinstance(result, dict) and result.get("kind") == KIND]
    if not found:
        return {}
    predictions = [
        {
            "devices": figures.tables([_devices(result)]),
            "tables": figures.tables(result.get("tables") or ()),
            "plots": [
                {"title": str(plot["title"]), "drawn": log_plot(plot)}
                for plot in result.get("plots") or ()
                if drawable(plot)
            ],
        }
        for result in found
    ]
    return {"roofline.html": {"predictions": predictions}}


def measured(results: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The others."""
    return [result for result in results if not (isinstance(result, dict) and result.get("kind") == KIND)]


def _devices(result: dict[str, Any]) -> dict[str, Any]:
    listed = [d for d in result.get("devices") or () if isinstance(d, dict)]
    columns = ["name", "float32", "tf32", "bfloat16", "memory", "multiprocessors", "source"]
    return {
        "title": "Figures assumed of each device: Tflop/s without sparsity, GB/s",
        "columns": [
            "device",
            "float32",
            "TF32",
            "bfloat16",
            "memory",
            "multiprocessors",
            "published in (quoted from memory)",
        ],
        "rows": [[device.get(name) for name in columns] for device in listed],
    }


def drawable(plot: Any) -> bool:
    """Whether it has a title, names of its axes and at least one line whose points are positive numbers."""
    if not isinstance(plot, dict) or not all(isinstance(plot.get(name), str) for name in ("title", "x", "y")):
        return False
    points = _all_points(plot)
    return bool(plot.get("lines")) and bool(points) and all(finite(z) and z > 0 for point in points for z in point)


def _all_points(plot: dict[str, Any]) -> list[tuple[Any, Any]]:
    lines = [(x, y) for line in plot.get("lines") or () for x, y in line["points"]]
    return lines + [(dot["x"], dot["y"]) for dot in plot.get("dots") or ()]


def log_plot(plot: dict[str, Any]) -> str:
    """Lines, told apart by dashes and named below, and named dots, both axes logarithmic.

    Args:
        plot: ``title``, ``x``, ``y``: words; ``lines``: {name, points (x, y) in order}; ``dots``: {name, x, y}. See ``drawable``.
    """
    points = _all_points(plot)
    across, columns = _axis([x for x, _ in points], LEFT, RANK_RIGHT)
    down, rows = _axis([y for _, y in points], RANK_BOTTOM, TOP)
    grid = "".join(f"M{across(10.0**k)} {TOP}V{RANK_BOTTOM}" for k in columns)
    grid += "".join(f"M{LEFT} {down(10.0**k)}H{RANK_RIGHT}" for k in rows)
    words = "".join(f'<text x="{LEFT - 5}" y="{down(10.0**k) + 3}">{decade(k)}</text>' for k in rows)
    ticks = "".join(f'<text x="{across(10.0**k)}" y="{RANK_BOTTOM + 15}">{decade(k)}</text>' for k in columns)
    lines, height = _lines(plot["lines"], across, down)
    dots = (plot.get("dots") or [])[:MOST_DOTS]
    marks = _dots(dots, across, down, height + 6)
    height += 16 * bool(dots)
    told = [f"{line['name']}: from {_pair(line['points'][0])} to {_pair(line['points'][-1])}" for line in plot["lines"]]
    told += [f"{dot['name']}: {_pair((dot['x'], dot['y']))}" for dot in dots]
    return (
        f'<svg class="plot rank" role="img" width="{RANK_WIDTH}" height="{height}" viewBox="0 0 {RANK_WIDTH} {height}">'
        f"<title>{escape(plot['title'])} (prediction)</title><desc>{escape('; '.join(told))}</desc>"
        f'<path class="grid" d="{grid}"/><text class="name" x="{LEFT + 4}" y="14">{escape(plot["y"])}, predicted</text>'
        f'<g text-anchor="end">{words}</g><g text-anchor="middle">{ticks}'
        f'<text class="name" x="{(LEFT + RANK_RIGHT) // 2}" y="{RANK_BOTTOM + 30}">{escape(plot["x"])}</text></g>'
        f"{lines}{marks}</svg>"
    )


def _axis(values: Sequence[float], begin: int, end: int) -> tuple[Place, list[int]]:
    """Where a value stands between ``begin`` and ``end``, and the powers of ten, at most six, that are marked."""
    low, high = floor(log10(min(values))), ceil(log10(max(values)))
    high = max(high, low + 1)

    def place(value: float) -> int:
        return round(begin + (end - begin) * (log10(value) - low) / (high - low))

    step = ceil((high - low) / 6)
    return place, list(range(low, high + 1, step))


def _lines(lines: Sequence[dict[str, Any]], across: Place, down: Place) -> tuple[str, int]:
    drawn = ""
    for k, line in enumerate(lines):
        dash = STROKES[k % len(STROKES)]
        stroke = f' stroke-dasharray="{dash}"' if dash else ""
        path = "M" + "L".join(f"{across(x)} {down(y)}" for x, y in line["points"])
        y = RANK_HEIGHT + 6 + 16 * k
        drawn += (
            f'<path class="curve" d="{path}"{stroke}/><path class="curve" d="M{LEFT} {y}h36"{stroke}/>'
            f'<text x="{LEFT + 42}" y="{y + 4}">{escape(str(line["name"]))}</text>'
        )
    return drawn, RANK_HEIGHT + 16 * len(lines)


def _dots(dots: Sequence[dict[str, Any]], across: Place, down: Place, y: int) -> str:
    """The dots, each with its name, and a line at ``y`` that says which the outermost are."""
    if not dots:
        return ""
    marks = "".join(
        f'<path class="dots" d="M{across(dot["x"])} {down(dot["y"])}h0"><title>{escape(str(dot["name"]))}</title></path>'
        for dot in dots
    )
    first, *_, last = sorted([*dots, dots[-1]], key=lambda dot: float(dot["x"]))
    words = f"cells, from ({first['name']}) at the left to ({last['name']})"
    return f'{marks}<path class="dots" d="M{LEFT + 18} {y}h0"/><text x="{LEFT + 42}" y="{y + 4}">{escape(words)}</text>'


def _pair(point: Sequence[float]) -> str:
    return f"({few(point[0])}, {few(point[1])})"
