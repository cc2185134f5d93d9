"""Costs decided by exact counts: the operations of the printed order as a polynomial in the sizes, against the printed one.

O(e) is shown by a constant C for which C e - count has nonnegative coefficients in shifted sizes (valid for all sizes); it is
refuted where the count has a higher power of some size than e, the other sizes being 1. A growth class is shown by
`theorems.asymptotics` from the statement's hypotheses.
"""

from __future__ import annotations

from collections.abc import Iterable

import sympy

from almostlinear.theorems.asymptotics import Growth, NoGrowth, growth_of
from almostlinear.theorems.sizes import n
from almostlinear.theorems.statement import Cost

from ..evidence import GAP, REFUTED, Evidence
from ..operations import NotCounted, operations
from ..problems import Problem
from ..task import Task
from .growth import Missing, facts_of, missing_hypothesis
from .norms import certificate

ENGINE = "cost"


def constant_of(count: sympy.Expr, at_most: sympy.Expr) -> sympy.Integer | None:
    """A C with count <= C at_most for all sizes, or None if the sum of the count's coefficients is none."""
    if not (count - at_most).is_polynomial(*(count - at_most).free_symbols):
        return None
    coefficients = sympy.Poly(count, *count.free_symbols).coeffs() if count.free_symbols else [count]
    constant = sympy.Integer(max(1, sum(c for c in coefficients if c > 0)))
    return constant if certificate(count, constant * at_most) is not None else None


def higher_power(count: sympy.Expr, at_most: sympy.Expr, bounded: Iterable[sympy.Symbol] = ()) -> sympy.Symbol | None:
    """A size, none of the bounded ones, in which the count grows faster than ``at_most``, all other sizes being 1."""
    if not (count - at_most).is_polynomial(*(count - at_most).free_symbols):
        return None
    for size in sorted(count.free_symbols - set(bounded), key=str):
        others = {s: 1 for s in (count.free_symbols | at_most.free_symbols) - {size}}
        powers = [sympy.degree(e.subs(others), size) for e in (count, at_most)]
        if powers[0] > powers[1]:
            return size
    return None


def exceeds(count: sympy.Expr, at_most: sympy.Expr, largest: int = 4) -> dict[sympy.Symbol, int] | None:
    """Sizes up to ``largest`` at which count > at_most, all equal."""
    for value in range(1, largest + 1):
        sizes = {s: value for s in count.free_symbols | at_most.free_symbols}
        if count.subs(sizes) > at_most.subs(sizes):
            return sizes
    return None


def examine(task: Task) -> Evidence | None:
    """Proved, refuted, a gap (with the hypothesis that is missing), or None."""
    claim = task.claim
    if not isinstance(claim, Cost):
        return None
    try:
        count = operations(claim.lines, claim.given)
    except NotCounted:
        return None
    detail = {"operations": str(count)}
    if isinstance(claim.at_most, Growth):
        return _within_class(task, count, claim.at_most, detail)
    if claim.constant:
        found = certificate(count, claim.at_most) if claim.at_most.is_polynomial(*claim.at_most.free_symbols) else None
        if found is not None:
            return task.found(
                ENGINE, "proved", "exact", ("sympy",), tried=1, detail={**detail, "right - left": str(found)}
            )
        sizes = exceeds(count, claim.at_most)
        return None if sizes is None else _refuted(task, count, {s.name: v for s, v in sizes.items()}, detail)
    constant = constant_of(count, claim.at_most)
    if constant is not None:
        return task.found(
            ENGINE, "proved", "exact", ("sympy",), tried=1, detail={**detail, "constant of O": int(constant)}
        )
    facts = facts_of(task)
    size = higher_power(count, claim.at_most, facts)
    if size is None:
        return _by_classes(task, count, claim.at_most, detail)
    family = f"{size} grows, every other size is 1: the count divided by {claim.at_most} is unbounded"
    return _refuted(task, count, {size.name: 4}, {**detail, "family": family})


def leading(count: sympy.Expr) -> sympy.Expr:
    """The terms with positive coefficients where the count is at least half of them, else the count itself."""
    positive = sympy.Add(*(term for term in sympy.Add.make_args(count) if term.as_coeff_Mul()[0] > 0))
    return positive if certificate(positive / 2, count) is not None else count


def _by_classes(task: Task, count: sympy.Expr, at_most: sympy.Expr, detail: dict) -> Evidence | None:
    """O(.) of n alone: proved where the count's class is within it."""
    if at_most.free_symbols - {n}:
        return None
    try:
        found, limit = growth_of(count, facts_of(task)), growth_of(at_most, {})
    except NoGrowth:
        return None
    if not found <= limit:
        return None
    return task.found(ENGINE, "proved", "exact", ("sympy",), tried=1, detail={**detail, "class": str(found)})


def _within_class(task: Task, count: sympy.Expr, growth: Growth, detail: dict) -> Evidence | None:
    facts = facts_of(task)
    try:
        found = growth_of(count, facts)
    except NoGrowth:
        found = None
    if found is not None and found <= growth:
        return task.found(ENGINE, "proved", "exact", ("sympy",), tried=1, detail={**detail, "class": str(found)})
    alone = count.subs({s: 1 for s in count.free_symbols - {n}})
    if alone.is_polynomial(n) and growth_of(alone, {}) > growth:
        family = f"n grows, every other size is 1: {alone} operations, not {growth}"
        return _refuted(task, count, {"n": 4}, {**detail, "family": family})
    lacking: Missing | None = missing_hypothesis(leading(count), growth, facts)
    if lacking is None:
        return None
    return task.found(ENGINE, GAP, "exact", ("sympy",), tried=1, detail={**detail, **lacking.detail()})


def _at(expression: sympy.Expr, sizes: dict[str, int]) -> sympy.Expr:
    return expression.subs({s: sizes.get(s.name, s) for s in expression.free_symbols})


def _refuted(task: Task, count: sympy.Expr, sizes: dict[str, int], detail: dict) -> Evidence:
    claim = task.claim
    assert isinstance(claim, Cost)
    named = count.free_symbols | (set() if isinstance(claim.at_most, Growth) else claim.at_most.free_symbols)
    values = {s.name: sizes.get(s.name, 1) for s in named}
    witness = {
        "schema": 1, "statement": task.statement.id, "part": claim.part, "reading": claim.reading,
        **dict(sorted(values.items())), "inputs": {}, "claimed": _claimed(claim, values), "actual": str(_at(count, values)),
        "arithmetic": "exact", **detail,
    }  # fmt: skip
    return task.found(ENGINE, REFUTED, "exact", ("sympy",), tried=1, detail=detail, witness=witness)


def _claimed(claim: Cost, sizes: dict[str, int]) -> str:
    if isinstance(claim.at_most, Growth):
        return f"{claim.at_most} operations"
    value = _at(claim.at_most, sizes)
    return f"at most {value}" if claim.constant else f"O({claim.at_most}), that is {value} times a constant"


def recheck(claim: Cost, problem: Problem) -> tuple[str, str] | None:
    """(claimed, actual) at a problem's sizes if the count exceeds the claim, for O(.) in the family of its witness."""
    count = operations(claim.lines, claim.given)
    if isinstance(claim.at_most, Growth):
        fails = growth_of(count.subs({s: 1 for s in count.free_symbols - {n}}), {}) > claim.at_most
    elif claim.constant:
        fails = _at(count, problem.sizes) > _at(claim.at_most, problem.sizes)
    else:
        fails = constant_of(count, claim.at_most) is None and higher_power(count, claim.at_most) is not None
    return (_claimed(claim, problem.sizes), str(_at(count, problem.sizes))) if fails else None
