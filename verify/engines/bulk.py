"""Identities on many drawn instances at once, enclosed in float64 midpoint-radius arithmetic.

Wider than balls and some hundred times faster: what it cannot tell apart (a residual within its radius) it counts as consistent only
if the radius is below 1e-6 of the sides.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from almostlinear.theorems.statement import Identity

from ..backends.arrays import NotExact
from ..backends.interpreter import Interpreter
from ..backends.midrad import MidRadBackend
from ..contract import DIRECTION, contracted, pointwise
from ..evidence import Evidence
from ..extent import extent, representatives
from ..instances import symbols_of
from ..problems import FAMILIES, Problem, describe, draw
from ..task import Task

ENGINE = "bulk"
WIDE = 1e-6


def batch(claim: Identity, family: str, sizes: dict[str, int], count: int, seed: int) -> Problem:
    """``count`` problems of one family and size, stacked along a leading axis."""
    named = symbols_of(claim)
    drawn = []
    for k in range(count):
        values: dict[str, Any] = {}
        for node in named:
            kind = "uniform" if node.data[0] == DIRECTION else family
            values |= draw([node], describe(kind, sizes, 1.0, seed * 100_003 + k)).values
        drawn.append(values)
    stacked = {name: np.stack([values[name] for values in drawn]) for name in drawn[0]}
    first = draw([], describe(family, sizes, 1.0, seed))
    return replace(first, values=stacked)


def examine(task: Task) -> Evidence | None:
    """``enclosed`` on the instances whose radius is small enough, or None if one violates or none is decided."""
    claim = task.claim
    if not isinstance(claim, Identity):
        return None
    scalar = contracted(claim)
    flat = pointwise(scalar)
    names = extent(scalar).sizes
    decided, widest, worst = 0, 0.0, ""
    for number, family in enumerate(FAMILIES):
        rng = np.random.default_rng([task.seed, number])
        sizes = {name: int(rng.integers(2, 6)) for name in names}
        problem = batch(scalar, family, sizes, task.profile.bulk, task.seed)
        evaluate = Interpreter(MidRadBackend(problem))
        for environment in representatives(scalar, sizes):
            try:
                with np.errstate(invalid="ignore"):  # infinite radii times zero: not finite, so never decided
                    left, right = evaluate(flat.left, environment), evaluate(flat.right, environment)
            except NotExact:
                return None
            gap, radius, size = _gap(left, right)
            if np.any(gap > radius):
                return None
            fine = np.isfinite(radius) & (radius <= WIDE * size)
            decided += int(np.count_nonzero(fine))
            ratio = float(np.max(np.where(fine & (size > 0), radius / np.where(size > 0, size, 1), 0.0), initial=0.0))
            if ratio > widest:
                widest, worst = ratio, family
    if not decided:
        return None
    detail = {"families": list(FAMILIES), "widest radius": widest, "widest in": worst}
    return task.found(ENGINE, "enclosed", "ball", ("numpy",), tried=decided, seed=task.seed, detail=detail)


def _gap(left: Any, right: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """|mid(left) - mid(right)| rounded down, the sum of radii rounded up, and the size of the sides."""
    gap = np.abs(left.mid - right.mid) * (1 - 2.0**-50)
    radius = (left.rad + right.rad) * (1 + 2.0**-50)
    size = np.maximum(np.abs(left.mid), np.abs(right.mid))
    return gap, radius, size
