"""SymPy bounds in rigorous numbers: sizes, constants and norms of formulas become balls, and relations are decided.

A comparison of balls has three answers: yes, no, unknown. Nothing is decided in floats.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from fractions import Fraction
from typing import Any

import sympy
from flint import arb, fmpq

from almostlinear.theorems.norms import Norm

from .backends.interpreter import Environment, Interpreter
from .spectra import SPECTRAL_OF


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


def _maximum(values: Iterable[arb]) -> arb:
    first, *rest = values
    for value in rest:
        first = first.max(value)
    return first


def _sum(values: Iterable[arb]) -> arb:
    return sum((abs(value) for value in values), arb(0))


NORM_OF = {
    "max": lambda a: _maximum(abs(x) for x in a.ravel()),
    "sum": lambda a: _sum(a.ravel()),
    "row": lambda a: _maximum(_sum(row) for row in a),
    "col": lambda a: _maximum(_sum(column) for column in a.T),
    "top": lambda a: _maximum(a.ravel()),
    **SPECTRAL_OF,
}


class Evaluator:
    """SymPy expressions as balls at one problem and index values; ``evaluate`` is an interpreter over balls."""

    def __init__(self, evaluate: Interpreter, environment: Environment | None = None) -> None:
        self.evaluate, self.environment = evaluate, environment or {}
        self.problem = evaluate.backend.problem
        self._known: dict[Norm, arb] = {}

    def __call__(self, expression: sympy.Expr) -> arb:
        """The value of an expression.

        Raises:
            KeyError: if a symbol has no value.
            NotImplementedError: for a function that has no rule here.
        """
        if isinstance(expression, Norm):
            if expression not in self._known:
                self._known[expression] = NORM_OF[expression.norm](self.evaluate(expression.formula, self.environment))
            return self._known[expression]
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
            return integer_power(base, int(expression.exp)) if expression.exp.is_Integer else base**power
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


def _integer(value: arb) -> int:
    """The integer that a ball surely is.

    Raises:
        NotImplementedError: if it may be another number.
    """
    found = value.unique_fmpz()
    if found is None or (not value.is_exact() and not value.is_integer()):
        raise NotImplementedError(f"{value} is not surely an integer")
    return int(found)


def integer_power(base: arb, exponent: int) -> arb:
    """base^exponent by multiplication: flint's ``**`` is no number where the base may be zero."""
    value, factor, rest = arb(1), base, abs(exponent)
    while rest:
        value, rest = (value * factor if rest & 1 else value), rest >> 1
        factor = factor * factor if rest else factor
    return value if exponent >= 0 else 1 / value


def _ceiling(value: arb) -> arb:
    low, high = value.lower().ceil(), value.upper().ceil()
    return arb(low.unique_fmpz()) if low == high else arb("nan")


def taylor(x: arb, degree: int) -> arb:
    """T_g(x) by Horner's rule; zero for a negative degree."""
    value = arb(0)
    for power in range(degree, -1, -1):
        value = value * x + 1 / arb(power + 1).gamma()
    return value


def _taylor_error(b: arb, g: arb) -> arb:
    """J_g(b) = |e^b T_g(-b) - 1|, by T_g(x) e^{-x} = 1 - int_0^x t^g e^{-t} / g! dt at x = -b."""
    return abs(b.exp() * taylor(-b, _integer(g)) - 1)


def _degree(b: arb, target: arb) -> arb:
    """ceil((b + L)/W((b + L)/(e b))) - 1."""
    whole = b + target
    return _ceiling(whole / (whole / (arb.const_e() * b)).lambertw()) - 1


def _bessel_tail(b: arb, g: arb) -> arb:
    """By e^b = I_0(b) + 2 sum_{k >= 1} I_k(b)."""
    head = sum((2 * b.bessel_i(arb(k)) for k in range(1, _integer(g) + 1)), b.bessel_i(arb(0)))
    return (b.exp() - head) / 2


def _chebyshev(x: arb, b: arb, g: arb) -> arb:
    """I_0(b) + 2 sum_{k <= g} I_k(b) T_k(x/b), T_k by its recurrence."""
    t = x / b
    before, now, value = arb(1), t, b.bessel_i(arb(0))
    for k in range(1, _integer(g) + 1):
        value += 2 * b.bessel_i(arb(k)) * now
        before, now = now, 2 * t * now - before
    return value


def _alternation(b: arb, g: arb) -> arb:
    """|sum_j mu_j e^{y_j}| / sum_j |mu_j| e^{y_j}, mu_j the weights of the divided difference at y_j = b cos(j pi/(g+1)).

    mu annihilates polynomials of degree g, so any p of that degree has |p(y_j) - e^{y_j}| at least so large relative to
    e^{y_j} at some j.
    """
    count = _integer(g) + 2
    points = [b * (arb.pi() * j / (count - 1)).cos() for j in range(count)]
    signed, size = arb(0), arb(0)
    for j, y in enumerate(points):
        weight = arb(1)
        for i, other in enumerate(points):
            if i != j:
                weight /= y - other
        signed, size = signed + weight * y.exp(), size + abs(weight) * y.exp()
    return abs(signed) / size


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
    "LambertW": lambda a: a.lambertw(),
    "ceiling": _ceiling,
    "T": lambda x, g: taylor(x, _integer(g)),
    "J": _taylor_error,
    "Degree": _degree,
    "BesselTail": _bessel_tail,
    "Chebyshev": _chebyshev,
    "Alternation": _alternation,
}
