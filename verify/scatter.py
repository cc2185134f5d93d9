"""Points of a scatter plot: how close each decided instance comes to its bound, and at which sizes and entries.

A ratio is observed / bound, without unit: 1 is the bound itself. Points are kept as rows of plain data, few and short, since they
go into a ledger; the closest call of every ratio is always among them, with the text that draws its instance again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from .problems import FULL, Problem, parse

AXES = ("family", "n", "d", "degree", "entry bound", "mask")
MOST = 150
"""Points kept of one claim, at most."""
GOLDEN = 0.6180339887498949
Row = tuple[Any, ...]


@dataclass
class Scatter:
    """Points of one claim with one or more ratios each; ``ratios`` are their names, ``range_name`` that of the range of entries."""

    ratios: tuple[str, ...] = ("observed / bound",)
    range_name: str = "entry bound"
    rows: list[Row] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def add(self, place: Row, found: tuple[float, ...], text: str) -> None:
        """Keep an instance: its values on AXES, its ratios and its text. One with a ratio that is no number is left out."""
        if all(isfinite(ratio) for ratio in found):
            self.rows.append((*place, *found))
            self.texts.append(text)

    def detail(self) -> dict[str, Any]:
        """``columns``, ``rows`` with three digits, ``of`` how many, and for each ratio the row and text of its ``worst`` instance."""
        columns = [self.range_name if name == "entry bound" else name for name in AXES]
        closest = {
            name: max(range(len(self.rows)), key=lambda k: self.rows[k][column])
            for column, name in enumerate(self.ratios, len(AXES))
        }
        kept = thinned(len(self.rows), set(closest.values()))
        return {
            "columns": [*columns, *self.ratios],
            "rows": [[short(value) for value in self.rows[k]] for k in kept],
            "of": len(self.rows),
            "worst": {name: {"row": kept.index(k), "instance": self.texts[k]} for name, k in closest.items()},
        }


def thinned(count: int, always: set[int], most: int = MOST) -> list[int]:
    """At most ``most`` of the positions 0..count-1, in order, spread evenly, those of ``always`` among them.

    Multiples of the golden ratio spread evenly without falling into step with masks and entry bounds, which alternate.
    """
    if count <= most:
        return list(range(count))
    others = sorted((k for k in range(count) if k not in always), key=lambda k: k * GOLDEN % 1)
    return sorted([*others[: most - len(always)], *always])


def short(value: Any) -> Any:
    """A float with three digits, anything else as it is."""
    return float(f"{value:.3g}") if isinstance(value, float) else value


def place_of(family: str, problem: Problem, masked: bool) -> Row:
    """A drawn problem's values on AXES; None where its claim has no such size, or a trained model no drawn entry bound."""
    bound = None if family == "real" else parse(problem.text)[2]
    mask = None if not masked else "full" if problem.text.endswith(FULL) else "causal"
    return (family, *(problem.sizes.get(name) for name in ("n", "d", "g")), bound, mask)
