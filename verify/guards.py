"""Guards of a bound: reasons for which a verdict on it would say nothing, whatever an engine finds.

A claim that is among its own hypotheses, hypotheses that nothing meets or next to nothing, and an infinite right side make any proof
empty; instances of one token or feature, or with a zero matrix, are blind to most mistakes.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import islice

import numpy as np
import sympy

from almostlinear.theorems.statement import Bound

from .adversary.confirm import completed
from .adversary.lowering import Sides
from .adversary.search import drawn_points
from .adversary.space import space_of
from .adversary.stack import cells_of
from .confidence import upper_limit
from .engines.enclosure import is_degenerate, satisfies
from .engines.witness import small_problems
from .instances import instances

LEAST_KEPT = 0.01
"""Share of the instances that must meet the hypotheses, or the instances are drawn past them."""
TRIED = 3
"""Instances of each family, and small problems of each size, that are tried for one that meets the hypotheses."""
SEARCHED = 6
"""Cells that are searched for one."""


@dataclass(frozen=True)
class Kept:
    """How many instances met the hypotheses, of how many, and how many of those are degenerate."""

    kept: int
    tried: int
    degenerate: int

    @property
    def share(self) -> float:
        return self.kept / self.tried if self.tried else 0.0


def is_assumed(claim: Bound) -> bool:
    """Whether the claim is among its own hypotheses, up to a positive factor."""
    gap = sympy.expand(claim.right - claim.left)
    for relation in claim.given:
        given = sympy.expand(relation.gts - relation.lts)
        if sympy.expand(gap - given) == 0:
            return True
        factor = sympy.cancel(gap / given) if given != 0 else sympy.S.Zero
        if factor.is_positive and factor.is_number:
            return True
    return False


def is_infinite(claim: Bound) -> bool:
    """Whether the right side, or a given one, holds an infinity or is no number."""
    sides = (claim.right, *(x for g in claim.given for x in (g.lts, g.gts)))
    return any(e.has(sympy.oo, -sympy.oo, sympy.zoo, sympy.nan) for e in sides)


def kept(claim: Bound, seed: int = 0, count: int = TRIED) -> Kept:
    """How many drawn instances surely meet the given relations."""
    drawn = [problem for _, problem in instances(claim, count, seed)]
    met = [problem for problem in drawn if satisfies(claim, problem)]
    return Kept(len(met), len(drawn), sum(map(is_degenerate, met)))


def is_satisfiable(claim: Bound, seed: int = 0) -> bool:
    """Whether some instance surely meets the given relations: drawn, small, or searched for."""
    if not claim.given or kept(claim, seed).kept:
        return True
    for problem in islice(small_problems(claim, TRIED, seed), 200):
        if satisfies(claim, problem):
            return True
    for cell in cells_of(claim, SEARCHED):
        space = space_of(claim, cell)
        nothing = space.rounded(np.zeros((1, space.dimension)))
        points = np.concatenate([nothing, drawn_points(space, TRIED, seed, np.random.default_rng(seed))])
        met = points[np.isfinite(Sides(space, by_margin=True)(points))]
        problems = (completed(space, space.problem(point)) for point in met[:TRIED])
        if any(problem is not None and satisfies(claim, problem) for problem in problems):
            return True
    return False


def objections(claim: Bound, seed: int = 0) -> list[str]:
    """Why a verdict on the claim would be empty; nothing for a claim that is fit to be judged."""
    found = []
    if is_assumed(claim):
        found.append("the claim is among its own hypotheses: leave it out of `given`")
    if is_infinite(claim):
        found.append("a side is infinite or no number: state a finite bound")
        return found
    if not is_satisfiable(claim, seed):
        found.append("no instance meets the hypotheses: they may contradict each other, then anything follows")
    return found


def thin(claim: Bound, seed: int = 0) -> str | None:
    """A warning where next to no drawn instance meets the hypotheses, with the largest share that the count allows."""
    if not claim.given:
        return None
    found = kept(claim, seed)
    if found.share >= LEAST_KEPT:
        return None
    limit = float(upper_limit(found.kept, found.tried, Fraction(1, 1000)))
    return f"{found.kept} of {found.tried} drawn instances meet the hypotheses (at most {limit:.0%} do): instances are drawn past them"
