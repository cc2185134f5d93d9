"""Pages of tables and figures that belong to no single statement: the explicit theorem, performance, history, trust.

Tables are dictionaries with ``title``, ``note`` and ``rows`` (a list of dictionaries with the same keys), or with ``columns`` and rows
that are lists, as benchmarks write them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

from ..plots import depth_panel
from ..verdicts import VERDICTS
from .closeness import rank_figure
from .measured import drawing
from .records import in_words

MOST, MOST_RUNS = 250, 100
"""Rows of a table, and runs, that are shown."""
LARGE = 10**12
"""Integers from which on four digits and a power of ten are shown."""
LONG = 32
"""Characters of a cell above which its column may break lines."""


def tables(listed: Iterable[Any]) -> list[dict[str, Any]]:
    """Tables ready to be shown: names of columns, and rows of words; those without rows are left out."""
    made = []
    for table in listed:
        if not isinstance(table, dict) or not table.get("rows"):
            continue
        rows, count = table["rows"][:MOST], len(table["rows"])
        columns = list(table.get("columns") or rows[0])
        cells = [[_cell(x) for x in (row.values() if isinstance(row, dict) else row)] for row in rows]
        columns_of = [[row[k] for row in cells if k < len(row)] for k in range(len(columns))]
        made.append({
            "title": str(table.get("title", "")), "note": str(table.get("note") or ""), "columns": columns, "rows": cells,
            "left_out": count - len(cells), "drawn": drawing(table),
            "shape": ["n" if all(map(_number, c)) else "long" if max(map(len, c), default=0) > LONG else "" for c in columns_of],
        })  # fmt: skip
    return made


def _cell(value: Any) -> str:
    if isinstance(value, int) and abs(value) >= LARGE:
        digits, power = f"{value:.3e}".split("e+")
        return f"{digits}·10^{int(power)}"
    return "–" if value is None else f"{value:.4g}" if isinstance(value, float) else in_words(value)


def _number(text: str) -> bool:
    return text[:1].isdigit() or text[:1] in "-–." or not text


# -- the explicit theorem --------------------------------------------------------------------------------------------------
def depth_figure(figure: dict[str, Any]) -> dict[str, Any]:
    """The limit exponent against the depth, a curve for each chain, and the rows as a table."""
    rows = figure["rows"]
    curves: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        name = f"{row['chain']}; unit {row['unit of m']}"
        curves.setdefault(name, []).append((float(row["m / unit"]), float(row["limit"])))
    return {
        "title": figure["title"], "note": figure["note"], "panels": [depth_panel(curves)], "degrees": [],
        "table": tables([{"title": figure["title"], "rows": rows}])[0],
    }  # fmt: skip


def ranks(figure: dict[str, Any]) -> dict[str, Any]:
    """`closeness.rank_figure` with its numbers as a table."""
    made = rank_figure(figure)
    return {**made, "table": tables([{"title": made["title"], "rows": made["rows"]}])[0]}


DRAWN: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {"rank": ranks, "depth": depth_figure}


def drawn(listed: Iterable[Any]) -> list[dict[str, Any]]:
    """The figures whose kind is known and that have rows."""
    return [DRAWN[f["kind"]](f) for f in listed if isinstance(f, dict) and f.get("kind") in DRAWN and f.get("rows")]


# -- performance -----------------------------------------------------------------------------------------------------------
def benchmarks(results: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Results as benchmarks write them: targets with whether they are met, tables, machine and settings."""
    made = []
    for result in results:
        targets = [
            {"what": str(t.get("what", "")), "value": _cell(t.get("value")), "must": _cell(t.get("must")),
             "between": f"{_cell(t.get('low'))} to {_cell(t.get('high'))}" if t.get("low") is not None else "",
             "smaller": t.get("smaller") is True, "met": t.get("met") is True, "note": str(t.get("note") or "")}
            for t in result.get("targets") or ()
        ]  # fmt: skip
        made.append({
            "name": str(result.get("name", "")), "machine": _pairs(result.get("machine")),
            "settings": _pairs(result.get("settings")), "targets": targets,
            "tables": tables(result.get("tables") or ()),
        })  # fmt: skip
    return made


def _pairs(given: Any) -> str:
    """``n 1, 2; d 3``."""
    return (
        "; ".join(f"{key} {_cell(value)}" for key, value in given.items())
        if isinstance(given, dict)
        else in_words(given)
    )


# -- history ---------------------------------------------------------------------------------------------------------------
def history(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The runs, the last one first, each with its verdicts counted and what changed since the one before."""
    made = []
    for earlier, run in pairwise([{}, *runs][-MOST_RUNS - 1 :]):
        verdicts, before = run.get("verdicts") or {}, earlier.get("verdicts") or {}
        changed = [
            (name, before.get(name), now) for name, now in verdicts.items() if before and before.get(name) != now
        ]
        tight, tight_before = run.get("tightness") or {}, earlier.get("tightness") or {}
        moved = [
            (name, tight_before[name], now)
            for name, now in tight.items()
            if name in tight_before and _moved(tight_before[name], now)
        ]
        made.append({
            "date": str(run.get("date", "")), "line": _effort(run),
            "counts": {key: list(verdicts.values()).count(key) for key in VERDICTS if key in verdicts.values()},
            "changed": changed, "moved": moved, "errors": sorted(run.get("errors") or {}),
        })  # fmt: skip
    return made[::-1]


def _effort(run: dict[str, Any]) -> list[str]:
    """What the run was and did, each a few words."""
    line = [f"{key} {_cell(run[key])}" for key in ("profile", "seed") if run.get(key) not in (None, "")]
    line += [f"{_cell(run[key])} {word}" for key, word in _EFFORT.items() if run.get(key) is not None]
    return [*line, *(f"{name} {version}" for name, version in (run.get("versions") or {}).items())]


_EFFORT = {"seconds": "s", "claims": "claims", "reused": "of them known from before", "instances": "instances"}


def _moved(before: Any, now: Any) -> bool:
    numbers = isinstance(before, (int, float)) and isinstance(now, (int, float))
    return numbers and abs(now - before) > 1e-3 * max(abs(before), abs(now))
