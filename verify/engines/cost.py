"""Costs decided by exact counts: the operations of the printed order as a polynomial in the sizes, against the printed one.

O(e) is shown by a constant C for which C e - count has nonnegative coefficients in shifted sizes (valid for all sizes), or by a monomial
of e for each of the count whose quotient is O(1) under the statement's hypotheses. It is refuted by a family: some sizes grow together,
one that the hypotheses keep small may grow slower than every power of them, all others are 1, and count / e is unbounded. A growth class
is shown by `theorems.asymptotics` from the hypotheses.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, product

import sympy

from almostlinear.theorems.asymptotics import CONSTANT, Growth, NoGrowth, growth_of
from almostlinear.theorems.sizes import n
from almostlinear.theorems.statement import Cost

from ..evidence import GAP, REFUTED, Evidence
from ..operations import NotCounted, operations
from ..problems import Problem
from ..task import Task
from .growth import Facts, Missing, facts_of, missing_hypothesis
from .norms import certificate

ENGINE = "cost"


def constant_of(count: sympy.Expr, at_most: sympy.Expr) -> sympy.Integer | None:
    """A C with count <= C at_most for all sizes, or None if the sum of the count's coefficients is none."""
    if not (count - at_most).is_polynomial(*(count - at_most).free_symbols):
        return None
    coefficients = sympy.Poly(count, *count.free_symbols).coeffs() if count.free_symbols else [count]
    constant = sympy.Integer(max(1, sum(c for c in coefficients if c > 0)))
    return constant if certificate(count, constant * at_most) is not None else None


@dataclass(frozen=True)
class Family:
    """Sizes that grow together, and one that grows slower than every power of them; all others are 1."""

    together: tuple[sympy.Symbol, ...]
    slowly: sympy.Symbol | None = None

    def __str__(self) -> str:
        if not self.together:
            return f"{self.slowly} grows, every other size is 1"
        fast = " = ".join(map(str, self.together))
        grow = "grows" if len(self.together) == 1 else "grow together"
        slow = f", {self.slowly} grows slower than every power of {'it' if len(self.together) == 1 else 'them'}"
        return f"{fast} {grow}{slow if self.slowly else ''}, every other size is 1"

    def order(self, e: sympy.Expr) -> tuple[int, int]:
        """The powers of both in the leading term of a polynomial."""
        t, s = sympy.symbols("t s", positive=True)
        values = {x: t if x in self.together else s if x == self.slowly else 1 for x in e.free_symbols}
        leading = sympy.Poly(e.subs(values, simultaneous=True), t, s).monoms(order="lex")[0]
        return int(leading[0]), int(leading[1])


def unbounded(count: sympy.Expr, at_most: sympy.Expr, facts: Facts | None = None) -> Family | None:
    """A family on which count / ``at_most`` is unbounded; a size with a class among the facts may grow slowly alone.

    Without facts any size may grow in either way.
    """
    sizes = count.free_symbols | at_most.free_symbols
    if not (count - at_most).is_polynomial(*sizes):
        return None
    fast = sorted((s for s in sizes if s not in (facts or {})), key=str)
    slow = sorted((s for s in sizes if facts is None or facts.get(s, CONSTANT) > CONSTANT), key=str)
    for length in range(len(fast) + 1):
        for together in combinations(fast, length):
            for s in (None, *(s for s in slow if s not in together and (n in together or n not in sizes))):
                family = Family(together, s)
                if family.order(count) > family.order(at_most):
                    return family
    return None


def by_monomials(count: sympy.Expr, at_most: sympy.Expr, facts: Facts) -> bool:
    """Whether each monomial of the count is O(.) of one of ``at_most``, whose coefficients are all positive."""
    if not (count - at_most).is_polynomial(*(count - at_most).free_symbols):
        return False
    limits = [term.as_coeff_Mul() for term in sympy.Add.make_args(sympy.expand(at_most))]
    if not all(c > 0 for c, _ in limits):
        return False
    terms = (term.as_coeff_Mul() for term in sympy.Add.make_args(sympy.expand(count)))
    return all(any(_is_bounded(m / limit, facts) for _, limit in limits) for c, m in terms if c > 0)


def _is_bounded(e: sympy.Expr, facts: Facts) -> bool:
    try:
        return growth_of(e, facts) <= CONSTANT
    except NoGrowth:
        return False


def exceeds(count: sympy.Expr, at_most: sympy.Expr, largest: int = 4) -> dict[sympy.Symbol, int] | None:
    """The smallest sizes up to ``largest`` at which count > at_most."""
    names = sorted(count.free_symbols | at_most.free_symbols, key=str)
    for values in sorted(
        product(range(1, largest + 1), repeat=len(names)), key=lambda v: (sum(v), max(v, default=0), v)
    ):
        sizes = dict(zip(names, values, strict=True))
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
    family = unbounded(count, claim.at_most, facts)
    if family is None:
        return _by_classes(task, count, claim.at_most, detail)
    sizes = {s.name: 4 for s in family.together} | ({family.slowly.name: 2} if family.slowly else {})
    text = f"{family}: the count divided by {claim.at_most} is unbounded"
    return _refuted(task, count, sizes, {**detail, "family": text})


def leading(count: sympy.Expr) -> sympy.Expr:
    """The terms with positive coefficients where the count is at least half of them, else the count itself."""
    positive = sympy.Add(*(term for term in sympy.Add.make_args(count) if term.as_coeff_Mul()[0] > 0))
    return positive if certificate(positive / 2, count) is not None else count


def _by_classes(task: Task, count: sympy.Expr, at_most: sympy.Expr, detail: dict) -> Evidence | None:
    """O(.) under the hypotheses: monomial by monomial, or of n alone where the count's class is within it."""
    facts = facts_of(task)
    if by_monomials(count, at_most, facts):
        return task.found(ENGINE, "proved", "exact", ("sympy",), tried=1, detail={**detail, "by": "monomials"})
    if at_most.free_symbols - {n}:
        return None
    try:
        found, limit = growth_of(count, facts), growth_of(at_most, {})
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
        fails = constant_of(count, claim.at_most) is None and unbounded(count, claim.at_most) is not None
    return (_claimed(claim, problem.sizes), str(_at(count, problem.sizes))) if fails else None
