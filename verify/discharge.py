"""Discharge: whether the hypotheses of every statement that another one uses follow where it is used.

What a statement assumes, and what the statements that it uses conclude once their own hypotheses follow, are facts; a quantity without
a fact is bounded by the norm rules. A hypothesis that does not follow is a gap of the printed argument, with an instance: a function of n
inside what is known and outside what is needed.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy

from almostlinear.theorems.asymptotics import REPRESENTATIVE, UNBOUNDED, Growth, NoGrowth, growth_of
from almostlinear.theorems.registry import Registry
from almostlinear.theorems.statement import Assumption, Holds, Statement, Within


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
    for growth, member in REPRESENTATIVE.items():
        if needed < growth <= known:
            return member
    raise ValueError(f"{known} is contained in {needed}")


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

    def known(self, quantity: sympy.Symbol) -> Growth | None:
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


def undischarged(made: Statement, registry: Registry) -> list[Undischarged]:
    """The hypotheses of the statements that ``made`` names in its uses which do not follow there."""
    facts = Facts(made.assumes)
    waiting = [registry[used] for used in made.uses if used in registry]
    while ready := [s for s in waiting if all(facts.imply(a) for a in s.assumes)]:
        waiting = [s for s in waiting if s not in ready]
        for used in ready:
            facts.add(used.concludes)
    return [
        Undischarged(used.id, a, facts.known(a.quantity) if isinstance(a, Within) else None)
        for used in waiting
        for a in used.assumes
        if not facts.imply(a)
    ]
