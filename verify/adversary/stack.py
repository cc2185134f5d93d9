"""The adversary stack on one bound: every cell is searched, what is found is confirmed in balls, and the closest call is kept small.

Cells go over the sizes, the largest entry, the degree and the mask. A stored maximum (see `maxima`) is evaluated again as it is, and the
search of a cell of its sizes goes on from it. What the search finds without it is reported apart, so that a weaker search is noticed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import count as counted
from typing import Any

import numpy as np

from almostlinear.theorems.sizes import at
from almostlinear.theorems.statement import Bound

from ..engines.enclosure import closest
from ..instances import is_masked, symbols_of
from ..problems import Problem
from ..real_numbers import Answer
from .confirm import Confirmed, confirm
from .lowering import Sides
from .search import Effort, hunt
from .space import Cell, Space, names_of, space_of

SHAPES = ((4, 2), (2, 2), (2, 4), (3, 3), (8, 2), (4, 4), (6, 3), (1, 1))
"""n and d of the cells, in this order."""
DEGREES = (2, 1, 4, 3, 6)
OTHERS = (2, 3, 1)
"""Values of every other size."""
BOUNDS = (1.0, 4.0, 0.25)
MOST_ENTRIES = 700
"""A cell with more entries than this is left out: a witness of that size would not be checked by hand."""
KEPT = 1 - 1e-6
"""Share of a ratio that is kept where its numbers are made simpler."""
ATTAINED = 1 - 1e-6
"""A bound that is reached so far is attained."""


@dataclass(frozen=True)
class Plan:
    """How many cells, how much each is searched, and the name under which maxima are compared.

    ``known`` is the effort in the first cell, the only one then, where a stored maximum attains the bound: there is no more to find
    unless the bound changed, which its ratio there tells.
    """

    name: str
    cells: int
    effort: Effort
    known: Effort | None = None


PLANS = {
    "quick": Plan(
        "quick",
        2,
        Effort(drawn=2, walkers=3, moves=12, kicks=2, steps=30, powell=0, most=10_000),
        known=Effort(drawn=1, walkers=2, moves=8, kicks=0, steps=0, powell=0, most=3_000),
    ),
    "ci": Plan("ci", 5, Effort(drawn=4, walkers=6, moves=30, kicks=2, steps=60, powell=4, most=60_000)),
    "thorough": Plan(
        "thorough", 16, Effort(drawn=8, walkers=10, moves=60, kicks=12, steps=200, powell=8, most=400_000)
    ),
}
"""By the name of the profile."""


@dataclass(frozen=True)
class Searched:
    """One cell: the largest confirmed ratio and what each stage reached in floats."""

    cell: Cell
    ratio: float
    stages: dict[str, float]


@dataclass
class Closest:
    """What the stack found on one bound.

    Attributes:
        found: the largest confirmed ratio that the search reached by itself.
        again: the ratio at the stored maximum, evaluated now; None if there is none.
        best: where the largest ratio of all is reached.
        violation: a problem on which the claim surely fails, if one was met.
    """

    found: float = 0.0
    again: float | None = None
    best: Confirmed | None = None
    cells: list[Searched] = field(default_factory=list)
    tried: int = 0
    violation: Problem | None = None

    @property
    def ratio(self) -> float:
        return max(self.found, self.again or 0.0)


def cells_of(claim: Bound, most: int) -> Iterator[Cell]:
    """At most so many distinct cells of a claim, the telling ones first."""
    names, named = names_of(claim), symbols_of(claim)
    both = is_masked(named)
    seen: set[str] = set()
    for k in counted():
        if k >= 4 * len(SHAPES) or len(seen) == most:
            return
        n, d = SHAPES[k % len(SHAPES)]
        other = OTHERS[k % len(OTHERS)]
        sizes = {x: {"n": n, "d": d, "g": DEGREES[k % len(DEGREES)]}.get(x, other) for x in names}
        entries = sum(at(s.shape[0], sizes) * at(s.shape[1], sizes) for s in named)
        cell = Cell(sizes, BOUNDS[k % len(BOUNDS)] if named else 1.0, not both or k % 2 == 0)
        if entries <= MOST_ENTRIES and str(cell) not in seen:
            seen.add(str(cell))
            yield cell


def attack(claim: Bound, plan: Plan, seed: int, stored: Problem | None = None) -> Closest:
    """Search every cell of a claim.

    Args:
        stored: a maximum found before.
    """
    made = Closest()
    if stored is not None:
        _again(made, claim, stored)
    attained = plan.known is not None and (made.again or 0.0) >= ATTAINED
    effort = plan.known if attained and plan.known else plan.effort
    for cell in cells_of(claim, 1 if attained else plan.cells):
        if made.violation is not None:
            break
        _search(made, space_of(claim, cell), effort, seed, stored)
    return made


def _again(made: Closest, claim: Bound, stored: Problem) -> None:
    answer, ratio = closest(claim, stored)
    if answer is None:
        return
    made.again, made.best = ratio, Confirmed(stored, answer, ratio)
    if answer is Answer.NO:
        made.violation = stored


def _search(made: Closest, space: Space, effort: Effort, seed: int, stored: Problem | None) -> None:
    sides = Sides(space)
    by_itself = hunt(sides, effort, seed)
    hunts = [(by_itself, True)]
    if not len(by_itself.points):
        sides.by_margin = True
        hunts = [(hunt(sides, effort, seed), True)]
    elif stored is not None and stored.sizes == space.cell.sizes:
        hunts.append((hunt(sides, replace(effort, drawn=0), seed, [space.point(stored)]), False))
    made.tried += sides.tried
    reached = 0.0
    for hunted, alone in hunts:
        for point in hunted.points:
            found = confirm(space, space.problem(point))
            if found is None:
                continue
            if found.answer is Answer.NO:
                made.violation = found.problem
                return
            reached = max(reached, found.ratio)
            if alone:
                made.found = max(made.found, found.ratio)
            if made.best is None or found.ratio > made.best.ratio:
                made.best = found
            break
    made.cells.append(Searched(space.cell, reached, by_itself.reached))


# -- simple numbers --------------------------------------------------------------------------------------------------------
def simplified(claim: Bound, found: Confirmed) -> Confirmed:
    """The same closest call with entries of as few binary digits as keep its ratio."""
    for digits in (1, 2, 4, 8, 16):
        values = {name: _rounded(value, digits) for name, value in found.problem.values.items()}
        problem = replace(found.problem, values=values)
        answer, ratio = closest(claim, problem)
        if answer is not None and ratio >= KEPT * found.ratio:
            return Confirmed(problem, answer, ratio)
    return found


def _rounded(value: Any, digits: int) -> Any:
    made = np.empty(value.shape, dtype=object)
    for where, x in np.ndenumerate(value):
        mantissa, exponent = np.frexp(float(x))
        made[where] = Fraction(round(float(mantissa) * 2**digits)) * Fraction(2) ** (int(exponent) - digits)
    return made
