"""Which tables of a benchmark are drawn, and how: error against time, and times against n; by the names of their columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..charts import curves, front
from ..plots import finite

ERROR, SECONDS, NAME = "largest error", "s", "what"


def drawing(table: Any) -> str:
    """An SVG element, or nothing for a table that is no such measurement."""
    columns = table.get("columns") if isinstance(table, dict) else None
    if not isinstance(columns, list) or not all(isinstance(name, str) for name in columns):
        return ""
    rows = [row for row in table.get("rows") or () if isinstance(row, list) and len(row) == len(columns)]
    title = str(table.get("title", ""))
    if {NAME, SECONDS, ERROR} <= set(columns):
        name, seconds, error = (columns.index(c) for c in (NAME, SECONDS, ERROR))
        points = [
            (str(row[name]), row[seconds], row[error])
            for row in rows
            if _positive(row[seconds]) and _positive(row[error])
        ]
        return front(points, title) if len(points) > 1 else ""
    timed = [k for k, c in enumerate(columns) if c.endswith(f" {SECONDS}")]
    if columns[:1] == ["n"] and timed:
        lines: dict[str, Sequence[tuple[float, float]]] = {
            columns[k].removesuffix(f" {SECONDS}"): [
                (row[0], row[k]) for row in rows if _positive(row[0]) and _positive(row[k])
            ]
            for k in timed
        }
        lines = {name: points for name, points in lines.items() if len(points) > 1 and points[0][0] < points[-1][0]}
        return curves(lines, "n, tokens", "seconds", title) if lines else ""
    return ""


def _positive(value: Any) -> bool:
    return finite(value) and value > 0
