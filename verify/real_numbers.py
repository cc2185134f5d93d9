"""SymPy bounds in rigorous numbers: sizes, constants and norms of formulas become balls, and relations are decided.

A comparison of balls has three answers: yes, no, unknown. Nothing is decided in floats.
"""

from __future__ import annotations

from enum import Enum
from fractions import Fraction
from typing import Any

import sympy
from flint import arb, fmpq

from almostlinear.theorems.norms import Norm

from .backends.interpreter import Interpreter


class Answer(Enum):
    """The outcome of a comparison; the value is what a reader sees."""

    YES = "holds"
    NO = "violated"
    UNKNOWN = "undecided: the enclosures overlap"


def at_most(left: arb, right: arb) -> Answer:
    """Whether left <= right, for all points of the two balls."""
    if not (left.is_finite() and right.is_finite()):
        return Answer.UNKNOWN
    if left <= right:
        return Answer.YES
    if left > right:
        return Answer.NO
    return Answer.UNKNOWN


def largest(values: Any) -> arb:
    """The largest absolute value of an array of balls."""
    found = arb(0)
    for value in values.ravel():
        found = found.max(abs(value))
    return found


class Evaluator:
    """SymPy expressions as balls at one problem: norms are evaluated by ``evaluate`` (an interpreter over balls)."""

    def __init__(self, evaluate: Interpreter) -> None:
        self.evaluate = evaluate
        self.problem = evaluate.backend.problem

    def __call__(self, expression: sympy.Expr) -> arb:
        """The value of an expression.

        Raises:
            KeyError: if a symbol has no value.
            NotImplementedError: for a function that has no rule here.
        """
        if isinstance(expression, Norm):
            return largest(self.evaluate(expression.formula))
        if expression.is_Rational:
            return arb(fmpq(int(expression.p), int(expression.q)))
        if expression.is_Symbol:
            return self._symbol(expression.name)
        if expression.is_Add or expression.is_Mul:
            first, *rest = (self(a) for a in expression.args)
            for value in rest:
                first = first + value if expression.is_Add else first * value
            return first
        if expression.is_Pow:
            base, power = self(expression.base), self(expression.exp)
            return base ** int(expression.exp) if expression.exp.is_Integer else base**power
        if expression is sympy.E:
            return arb.const_e()
        rule = FUNCTIONS.get(type(expression).__name__)
        if rule is None:
            raise NotImplementedError(f"no rule evaluates {expression} rigorously")
        return rule(*(self(a) for a in expression.args))

    def _symbol(self, name: str) -> arb:
        value = self.problem.sizes.get(name, self.problem.constants.get(name))
        if value is None:
            raise KeyError(f"no value for the constant {name!r}")
        value = Fraction(value)
        return arb(fmpq(value.numerator, value.denominator))


def _fold(choose: Any) -> Any:
    def rule(first: arb, *rest: arb) -> arb:
        for value in rest:
            first = choose(first, value)
        return first

    return rule


FUNCTIONS = {
    "exp": lambda a: a.exp(),
    "log": lambda a: a.log(),
    "Abs": abs,
    "Max": _fold(lambda a, b: a.max(b)),
    "Min": _fold(lambda a, b: a.min(b)),
    "factorial": lambda a: (a + 1).gamma(),
    "binomial": lambda a, b: (a + 1).gamma() / ((b + 1).gamma() * (a - b + 1).gamma()),
    "tanh": lambda a: a.tanh(),
}
