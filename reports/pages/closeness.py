"""How close instances come to their bounds: from the evidence's points to plots, and the best ratio of every bound.

Points are what the ledger holds: ``columns`` (family, n, d, degree, a range of entries, mask, then ratios), ``rows``, ``of`` how many
they were drawn from, and for each ratio its ``worst`` row and the text of that instance.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Any, TypeGuard

from ..plots import bar, decade, few, finite, lowest, panel, rank_panel
from .derivation import Constant
from .records import claim_words

NOT_AXES = ("family", "mask")
BOUND = "bound"
LIMITS = {"certified": "certificate"}
"""What a ratio of 1 is, by the last word of the ratio's name, if not the bound."""
LONG = 300


@dataclass(frozen=True)
class Figure:
    """The panels of one bound: a ratio against everything that varies; ``typical`` is the median of the ratios."""

    claim: str
    engine: str
    ratio: str
    limit: str
    best: float
    typical: float
    instance: str
    shown: int
    decided: int
    panels: tuple[str, ...]


@dataclass(frozen=True)
class Best:
    """The best ratio of one bound, drawn as a bar from 10^begin to 1."""

    id: str
    claim: str
    value: float
    bar: str


def figures(found: Iterable[dict[str, Any]], parted: bool) -> list[Figure]:
    """A figure for each ratio of each record that has points, the closest first."""
    made = []
    for record in found:
        points = (record.get("detail") or {}).get("points")
        if _well_formed(points):
            made += [_figure(record, points, ratio, parted) for ratio in points["worst"]]
    return sorted((f for f in made if f.panels), key=lambda f: -f.best)


def _well_formed(points: Any) -> TypeGuard[dict[str, Any]]:
    """Whether points are as described above: a table whose worst rows exist and whose ratios are numbers."""
    if not isinstance(points, dict) or not all(isinstance(points.get(k), list) for k in ("columns", "rows")):
        return False
    columns, rows, worst = points["columns"], points["rows"], points.get("worst")
    if not rows or not all(isinstance(row, list) and len(row) == len(columns) for row in rows):
        return False
    return isinstance(worst, dict) and all(
        name in columns
        and isinstance(at, dict)
        and at.get("row") in range(len(rows))
        and all(finite(row[columns.index(name)]) for row in rows)
        for name, at in worst.items()
    )


def _figure(record: dict[str, Any], points: dict[str, Any], ratio: str, parted: bool) -> Figure:
    columns, rows, worst = points["columns"], points["rows"], points["worst"][ratio]
    column = columns.index(ratio)
    limit = LIMITS.get(ratio.rpartition("/")[2].strip(), BOUND)
    drawn = []
    for k, axis in enumerate(columns):
        if axis in NOT_AXES or axis in points["worst"]:
            continue
        kept = [row for row in rows if finite(row[k])]
        if len({row[k] for row in kept}) > 1:
            marked = rows[worst["row"]]
            place = next((i for i, row in enumerate(kept) if row is marked), None)
            drawn.append(panel(axis, [row[k] for row in kept], [row[column] for row in kept], place, limit))
    instance = str(worst.get("instance", ""))[:LONG]
    best, typical = float(rows[worst["row"]][column]), median(row[column] for row in rows)
    return Figure(
        claim_words(record, parted), str(record.get("engine", "")), ratio, limit, best, typical, instance, len(rows),
        int(points.get("of") or len(rows)), tuple(drawn),
    )  # fmt: skip


def closest(found: Iterable[dict[str, Any]], parted: bool) -> dict[str, float]:
    """The largest observed / bound of each claim, over everything that any engine drew or searched."""
    best: dict[str, float] = {}
    for record in found:
        detail = record.get("detail")
        tightness = detail.get("tightness") if isinstance(detail, dict) else None
        value = tightness.get("best") if isinstance(tightness, dict) else None
        if isinstance(value, (int, float)) and finite(value) and value > 0:
            claim = claim_words(record, parted)
            best[claim] = max(float(value), best.get(claim, 0.0))
    return best


# -- all bounds ----------------------------------------------------------------------------------------------------------
def overview(shown: Iterable[tuple[str, list[Figure]]]) -> dict[str, Any]:
    """Every bound's best ratio, the closest first, in one or two columns, with the marks of their common scale."""
    best: dict[tuple[str, str], float] = {}
    for name, found in shown:
        for f in found:
            if f.limit == BOUND:
                best[name, f.claim] = max(f.best, best.get((name, f.claim), 0.0))
    begin = lowest(list(best.values()))
    ordered = sorted(best.items(), key=lambda item: (-item[1], item[0]))
    rows = [Best(name, claim, value, bar(value, begin)) for (name, claim), value in ordered]
    half = len(rows) if len(rows) <= 12 else (len(rows) + 1) // 2
    marks = [("≤" if k == begin and min(best.values()) < 10.0**k else "") + decade(k) for k in range(begin, 1) if best]
    return {"columns": [c for c in (rows[:half], rows[half:]) if c], "marks": marks, "count": len(rows)}


def given_away(listed: Iterable[tuple[str, Iterable[Constant]]]) -> dict[str, Any]:
    """Of the bounds that the norm rules derive, those that state more than was derived, and how many were derived."""
    derived = [(name, c) for name, constants in listed for c in constants if c.derived]
    return {"loose": [(name, c) for name, c in derived if c.ratio not in ("", "1")], "count": len(derived)}


def rank_figure(figure: dict[str, Any]) -> dict[str, Any]:
    """Panels of ranks against n, one for each d, the degrees by range and target, and the rows as a table."""
    rows = figure["rows"]
    top = max(2, max(len(str(row["rank"])) for row in rows))
    by_width: dict[int, dict[int, int]] = {}
    for row in rows:
        by_width.setdefault(row["d"], {})[row["degree"]] = row["rank"]
    degrees = {(row["b"], row["eps"]): row["degree"] for row in rows}
    table = [
        {"d": row["d"], "b": few(row["b"]), "ε": few(row["eps"]), "degree g": row["degree"], "rank": row["rank"],
         "rank < n from n =": row["rank"] + 1}
        for row in rows
    ]  # fmt: skip
    return {
        "title": figure["title"],
        "note": figure["note"],
        "panels": [rank_panel(d, ranks, top) for d, ranks in by_width.items()],
        "degrees": [f"g = {g} for b = {few(b)}, ε = {few(eps)}" for (b, eps), g in degrees.items()],
        "rows": table,
    }
