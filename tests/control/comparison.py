"""What a control finds, and whether a recorded verdict agrees with it.

A control is a function of a `Draw` that yields gaps: how far the two sides of an identity are apart, or by how much a
quantity exceeds its bound, in parts of the larger side. It holds if no gap of any instance is above 1e-9, and fails if one is
above 1e-6; between them nothing is concluded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

from .instances import Array, Draw, instances

HOLDS, FAILS, UNCLEAR = "holds", "fails", "unclear"
TOLERANCE, CLEAR = 1e-9, 1e-6
TRUE_VERDICTS = ("proved", "proved-at-size", "enclosed")
Control = Callable[[Draw], Iterable[float]]


def equal(left: Array | float, right: Array | float) -> float:
    """The gap of an identity; differences of small numbers count absolutely, as they stand for cancelled larger ones."""
    left, right = np.asarray(left), np.asarray(right)
    if left.shape != right.shape:
        raise ValueError(f"shapes {left.shape} and {right.shape} differ")
    scale = max(1.0, float(np.max(np.abs(left))), float(np.max(np.abs(right))))
    return float(np.max(np.abs(left - right))) / scale


def at_most(value: Array | float, bound: Array | float) -> float:
    """The gap of a bound, entry by entry."""
    value, bound = np.asarray(value), np.asarray(bound)
    return float(np.max((value - bound) / np.maximum(np.abs(bound), 1e-3)))


@dataclass(frozen=True)
class Finding:
    """The largest gap of a control, where it was found, and on how many instances there was something to look at."""

    gap: float
    at: Draw | None
    decided: int

    @property
    def outcome(self) -> str:
        if self.gap > CLEAR:
            return FAILS
        return HOLDS if self.gap <= TOLERANCE and self.decided else UNCLEAR


@cache
def examine(control: Control) -> Finding:
    """Evaluate a control on all instances, once."""
    worst, where, decided = float("-inf"), None, 0
    for draw in instances():
        gaps = list(_finite(control(draw), draw))
        decided += bool(gaps)
        if gaps and max(gaps) > worst:
            worst, where = max(gaps), draw
    return Finding(worst, where, decided)


def _finite(gaps: Iterable[float], draw: Draw) -> Iterator[float]:
    for gap in gaps:
        if not np.isfinite(gap):
            raise ArithmeticError(f"a gap of {gap} at {draw}")
        yield gap


def disagreement(verdict: str, control: Control) -> str | None:
    """Why a verdict and a control cannot both be right; None if they agree."""
    found = examine(control)
    wanted = HOLDS if verdict in TRUE_VERDICTS else FAILS if verdict == "refuted" else None
    if wanted is None:
        return f"nothing can be compared with the verdict {verdict!r}"
    if found.outcome == wanted:
        return None
    return f"the verdict is {verdict}, the control {found.outcome}: largest gap {found.gap:.3g} at {found.at}"
