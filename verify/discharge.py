"""Discharge: whether the hypotheses of every statement that another one uses follow where it is used.

What a statement assumes, and what the statements that it uses conclude once their own hypotheses follow, are facts; a quantity without
a fact is bounded by the norm rules. A hypothesis that does not follow is a gap of the printed argument, with an instance: a function of n
inside what is known and outside what is needed.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy

from almostlinear.theorems.asymptotics import REPRESENTATIVE, UNBOUNDED, Growth, NoGrowth, growth_of, member
from almostlinear.theorems.formula import Formula
from almostlinear.theorems.norms import Norm
from almostlinear.theorems.registry import Registry
from almostlinear.theorems.statement import (
    Assumption,
    Asymptotic,
    Bound,
    Cost,
    Factors,
    Holds,
    Statement,
    Within,
    error_of,
    time_of,
)


@dataclass(frozen=True)
class Undischarged:
    """A hypothesis of a used statement that does not follow."""

    used: str
    hypothesis: Assumption
    known: Growth | None

    def __str__(self) -> str:
        text = f"hypothesis of {self.used} not implied: {self.hypothesis}"
        if isinstance(self.hypothesis, Holds):
            return text
        known = f"known is {self.known}" if self.known else "nothing is known of it"
        instance = between(self.known or UNBOUNDED, self.hypothesis.growth)
        return f"{text}; {known}, for instance {self.hypothesis.quantity} = {instance}"


def between(known: Growth, needed: Growth) -> sympy.Expr:
    """An explicit function of n in the class that is known and not in the one that is needed.

    Raises:
        ValueError: if the known class is contained in the needed one.
    """
    for growth, function in REPRESENTATIVE.items():
        if needed < growth <= known:
            return function
    if known <= needed:
        raise ValueError(f"{known} is contained in {needed}")
    return member(known)


class Facts:
    """What is known where a statement uses others."""

    def __init__(self, assumed: tuple[Assumption, ...]) -> None:
        self.growth: dict[sympy.Symbol, Growth] = {}
        self.holding: set[str] = set()
        self.add(assumed)

    def add(self, listed: tuple[Assumption, ...]) -> None:
        for a in listed:
            if isinstance(a, Holds):
                self.holding.add(a.fact)
            else:
                self.growth[a.quantity] = min(a.growth, self.growth.get(a.quantity, a.growth))

    def known(self, quantity: sympy.Expr) -> Growth | None:
        """The class of a quantity, by a fact or by the norm rules; None if neither says anything."""
        try:
            return growth_of(quantity, self.growth)
        except NoGrowth:
            return None

    def imply(self, hypothesis: Assumption) -> bool:
        if isinstance(hypothesis, Holds):
            return hypothesis.fact in self.holding
        known = self.known(hypothesis.quantity)
        return known is not None and known <= hypothesis.growth


def conclusions(made: Statement) -> tuple[Assumption, ...]:
    """The conclusions that some claim of the statement shows; facts in words stand as they are.

    A class of a quantity is shown by a growth claim on it, by a bound on it whose right side has a growth claim or a class from the
    hypotheses, by a factors claim on its error or width; a statement's own time and error, and what it introduces by a name of its own, by
    a cost or growth claim in that class.
    """
    return tuple(a for a in made.concludes if isinstance(a, Holds) or _shown(made, a))


def _shown(made: Statement, conclusion: Within) -> bool:
    quantity, growth = conclusion.quantity, conclusion.growth
    shown = [c for c in made.claims if isinstance(c, Asymptotic) and c.growth <= growth]
    exists = any(isinstance(c, Factors) for c in made.claims)
    if quantity in (time_of(made.id), error_of(made.id)):
        return bool(shown) or exists or any(isinstance(c, Cost) and c.at_most == growth for c in made.claims)
    if _symbols(quantity).isdisjoint(x for c in made.claims for f in c.formulas() for x in _names(f)) and shown:
        return True
    bounds = [c.right for c in made.claims if isinstance(c, Bound) and c.left == quantity]
    if any(c.expression == quantity or c.expression in bounds for c in shown):
        return True
    if exists:
        return True
    assumed = Facts(made.assumed)
    return any((known := assumed.known(right)) is not None and known <= growth for right in bounds)


def _names(formula: Formula) -> set[str]:
    return set(formula.symbols())


def _symbols(quantity: sympy.Symbol) -> set[str]:
    """The matrices of a norm, or the size or constant itself."""
    return _names(quantity.formula) if isinstance(quantity, Norm) else {quantity.name}


def undischarged(made: Statement, registry: Registry, failed: frozenset[str] = frozenset()) -> list[Undischarged]:
    """The hypotheses of the statements that ``made`` names in its uses which do not follow there.

    Args:
        failed: statements that are refuted or a gap: nothing that they conclude counts.
    """
    facts = Facts(made.assumed)
    waiting = [registry[used] for used in made.uses if used in registry]
    while ready := [s for s in waiting if all(facts.imply(a) for a in s.assumed)]:
        waiting = [s for s in waiting if s not in ready]
        for used in ready:
            if used.id not in failed:
                facts.add(conclusions(used))
    return [
        Undischarged(used.id, a, facts.known(a.quantity) if isinstance(a, Within) else None)
        for used in waiting
        for a in used.assumed
        if not facts.imply(a)
    ]
