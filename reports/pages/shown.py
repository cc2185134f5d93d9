"""What the pages of experiments are made of: records of cells as they were written, figures and tables as templates take them."""

from __future__ import annotations

import math
from typing import Any

Record = dict[str, Any]
"""One cell: ``name``, ``parameters``, ``found``."""
Figure = dict[str, Any]
"""``title`` and ``note`` with ``plots`` (SVG), or with ``rows`` (dictionaries of equal keys)."""


def number(value: Any) -> float:
    """What was written as a number, or as the name of an infinite one; NaN for None."""
    return math.nan if value is None else float(value)


def figure(title: str, note: str, *plots: str) -> Figure:
    return {"title": title, "note": note, "plots": [p for p in plots if p]}


def table(title: str, note: str, rows: list[dict[str, Any]]) -> Figure:
    return {"title": title, "note": note, "rows": rows}
