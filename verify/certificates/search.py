"""Searches for certificates of steps: right - left as a sum of nonnegative multiples of products of the hypotheses.

First by substitution: a hypothesis v <= U replaces a term -m v of the remainder by -m U, until the remainder has nonnegative coefficients
in shifted sizes. Where that fails, by linear programming over Q: multipliers of a bounded degree of all products of at most two
hypotheses. What is found is not trusted: `checker` expands and compares it.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from flint import fmpq

from .. import checker, smt
from ..steps import Step
from .points import refuted

MOST_TERMS = 4000
"""Most replacements, and most unknowns of a linear program."""
DEGREE = 3
"""Largest degree of the products of hypotheses and multipliers in a linear program, unless the conclusion's is larger."""


@dataclass(frozen=True)
class Found:
    """Multipliers with the numbers of the hypotheses that they multiply; none for a shifted polynomial."""

    kind: str
    terms: tuple[tuple[str, tuple[int, ...]], ...]


class Polynomials:
    """The polynomials of one step."""

    def __init__(self, step: Step) -> None:
        self.domains = dict(step.variables)
        self.names = checker.polynomials(self.domains)
        self.listed = [name for name in self.names if name != "0"]
        self.goal = checker.gap(step.conclusion, self.names)
        self.gaps = [checker.gap(h.text, self.names) for h in step.hypotheses]
        self.ring = self.names["0"].context()

    def is_nonnegative(self, p: Any) -> bool:
        return checker.is_nonnegative(p, self.names, self.domains)

    def monomial(self, powers: tuple[int, ...]) -> Any:
        return self.ring.from_dict({powers: 1})


def text_of(polynomial: Any) -> str:
    """A polynomial in the notation of certificates."""
    return str(polynomial).replace("^", "**")


def search(step: Step) -> Found | None:
    """A certificate, or None if none of the searches finds one."""
    return _search(step.bare)


@lru_cache(maxsize=4096)
def _search(step: Step) -> Found | None:
    p = Polynomials(step)
    if p.is_nonnegative(p.goal):
        return Found("shifted-polynomial", ())
    terms = by_substitution(p)
    if terms is None and not refuted(step):
        terms = by_linear_program(p)
    if terms is None:
        return None
    return Found("handelman", tuple((text_of(m), used) for m, used in terms if m != 0))


Terms = list[tuple[Any, tuple[int, ...]]]


def by_substitution(p: Polynomials) -> Terms | None:
    """Replace what a hypothesis bounds by its bound, as long as the remainder has a negative coefficient."""
    remainder, found = p.goal, {k: 0 * p.goal for k in range(len(p.gaps))}
    for _ in range(MOST_TERMS):
        if p.is_nonnegative(remainder):
            return [*((m, (k,)) for k, m in found.items()), (remainder, ())]
        for k, g in enumerate(p.gaps):
            if p.is_nonnegative(remainder - g):
                found[k] += 1
                return [*((m, (k,)) for k, m in found.items()), (remainder - g, ())]
        step = _replaceable(p, remainder)
        if step is None:
            return None
        k, multiplier = step
        found[k] += multiplier
        remainder -= multiplier * p.gaps[k]
    return None


def _replaceable(p: Polynomials, remainder: Any) -> tuple[int, Any] | None:
    """A hypothesis U - c m with one negative term, and the multiplier that cancels a negative term of the remainder with it."""
    for k, g in enumerate(p.gaps):
        bounded = [(m, c) for m, c in g.terms() if c < 0]
        if len(bounded) != 1:
            continue
        ((lead, weight),) = bounded
        for powers, c in remainder.terms():
            rest = tuple(a - b for a, b in zip(powers, lead, strict=True))
            if c < 0 and min(rest, default=0) >= 0:
                multiplier = p.monomial(rest) * (c / weight)
                if p.is_nonnegative(multiplier):
                    return k, multiplier
    return None


def by_linear_program(p: Polynomials) -> Terms | None:
    """Nonnegative rational weights of monomials times products of at most two hypotheses that add up to the goal."""
    signed = [name for name in p.listed if p.domains[name] == "real"]
    degree = max(DEGREE, p.goal.total_degree())
    if math.comb(len(p.listed) + degree, degree) > MOST_TERMS:
        return None
    shift = [p.names[n] - int(p.domains[n] == "size") for n in p.listed]
    products = [
        (),
        *((k,) for k in range(len(p.gaps))),
        *itertools.combinations_with_replacement(range(len(p.gaps)), 2),
    ]
    columns: Terms = []
    for used in products:
        base = p.ring.constant(1)
        for k in used:
            base *= p.gaps[k]
        for powers in _powers(len(p.listed), degree - base.total_degree()):
            if not any(powers[p.listed.index(name)] for name in signed):
                columns.append((p.monomial(powers).compose(*shift) if shift else p.monomial(powers), used))
        if len(columns) > MOST_TERMS:
            return None
    rows: dict[tuple[int, ...], list[tuple[int, Any]]] = {m: [] for m, _ in p.goal.terms()}
    for j, (m, used) in enumerate(columns):
        whole = m
        for k in used:
            whole = whole * p.gaps[k]
        for powers, c in whole.terms():
            rows.setdefault(powers, []).append((j, c))
    wanted = dict(p.goal.terms())
    weights = smt.linear_program(len(columns), [(row, wanted.get(powers, 0)) for powers, row in rows.items()])
    if weights is None:
        return None
    return [(columns[j][0] * fmpq(w.numerator, w.denominator), columns[j][1]) for j, w in weights.items()]


def _powers(count: int, degree: int) -> list[tuple[int, ...]]:
    """All exponents of ``count`` letters of at most a total degree."""
    if degree < 0:
        return []
    if count == 0:
        return [()]
    return [(first, *rest) for first in range(degree + 1) for rest in _powers(count - 1, degree - first)]
