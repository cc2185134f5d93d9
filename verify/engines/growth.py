"""Growth claims decided by the order of classes: the expression's class from the hypotheses and from what is relied on.

Where the class does not follow, a hypothesis is looked for with which it does: one assumption in a smaller class, or one more
quantity in a class. Then the verdict is a gap that names it, with an instance inside the printed hypotheses and outside that one.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy

from almostlinear.theorems.asymptotics import (
    CONSTANT,
    NAMED,
    NEGLIGIBLE,
    UNBOUNDED,
    Growth,
    NoGrowth,
    growth_of,
)
from almostlinear.theorems.functions import Degree
from almostlinear.theorems.statement import Asymptotic, Within

from ..discharge import between, conclusions
from ..evidence import GAP, Evidence
from ..task import Task

ENGINE = "growth"
Facts = dict[sympy.Symbol, Growth]


def facts_of(task: Task, relies_on: tuple[str, ...] = (), granting: tuple[Within, ...] = ()) -> Facts:
    """The smallest class of each quantity that is assumed, granted by the claim or concluded by what it relies on."""
    concluded = (a for used in task.used if used.id in relies_on for a in conclusions(used))
    listed = [*task.statement.assumed, *granting, *concluded]
    facts: Facts = {}
    for a in listed:
        if isinstance(a, Within):
            facts[a.quantity] = min(a.growth, facts.get(a.quantity, a.growth))
    return facts


@dataclass(frozen=True)
class Missing:
    """Hypotheses with which a growth claim follows, what is assumed instead, and an instance between the two."""

    quantities: tuple[sympy.Symbol, ...]
    needed: Growth
    assumed: Growth | None

    def detail(self) -> dict[str, str]:
        known = self.assumed or UNBOUNDED
        names = [str(q) for q in self.quantities]
        return {
            "missing": " and ".join(f"{name} in {self.needed}" for name in names),
            "assumed": " and ".join(
                f"{name} in {self.assumed}" if self.assumed else f"nothing about {name}" for name in names
            ),
            "instance": f"{names[0]} = {between(known, self.needed)}",
        }


def missing_hypothesis(expression: sympy.Expr, growth: Growth, facts: Facts) -> Missing | None:
    """The weakest hypothesis with which the expression is in the class, or None.

    Either about the quantities of which nothing is known, or about one that is assumed to be in too large a class.
    """
    if not attained(expression):
        return None
    unknown = _unknown(expression, facts)
    candidates = [(unknown, None)] if unknown else [((quantity,), assumed) for quantity, assumed in facts.items()]
    for quantities, assumed in candidates:
        for smaller in reversed([c for c in (NEGLIGIBLE, *NAMED) if c < (assumed or UNBOUNDED)]):
            try:
                if growth_of(expression, {**facts, **dict.fromkeys(quantities, smaller)}) <= growth:
                    return Missing(quantities, smaller, assumed)
            except NoGrowth:
                break
    return None


def attained(expression: sympy.Expr) -> bool:
    """Whether the class of an expression is reached: sums, products and powers that only grow with every quantity in them."""
    e = sympy.sympify(expression)
    if e.is_Symbol or isinstance(e, (sympy.binomial, Degree)):
        return True
    if e.is_number:
        return bool(e > 0)
    if e.is_Add or e.is_Mul or isinstance(e, sympy.Max):
        return all(attained(a) for a in e.args)
    return bool(e.is_Pow and e.exp.is_nonnegative and attained(e.base) and (e.exp.is_number or attained(e.exp)))


def _unknown(expression: sympy.Expr, facts: Facts) -> tuple[sympy.Symbol, ...]:
    """The quantities of which the hypotheses say nothing."""
    found: Facts = {}
    while True:
        try:
            growth_of(expression, {**facts, **found})
            return tuple(found)
        except NoGrowth as error:
            if error.quantity is None or error.quantity in found:
                return ()
            found[error.quantity] = CONSTANT


def examine(task: Task) -> Evidence | None:
    """Proved under the hypotheses and what is relied on, a gap, or None."""
    claim = task.claim
    if not isinstance(claim, Asymptotic):
        return None
    facts = facts_of(task, claim.relies_on, claim.granting)
    try:
        found = growth_of(claim.expression, facts)
    except NoGrowth:
        found = None
    if found is not None and found <= claim.growth:
        return task.found(
            ENGINE, "proved", "exact", ("sympy",), tried=1, relies_on=claim.relies_on, detail={"class": str(found)}
        )
    lacking = missing_hypothesis(claim.expression, claim.growth, facts)
    if lacking is None:
        return None
    return task.found(ENGINE, GAP, "exact", ("sympy",), tried=1, relies_on=claim.relies_on, detail=lacking.detail())
