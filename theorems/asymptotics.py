"""Growth with n: the classes that the paper speaks of, their order, and the class of an expression.

A class is at most  n^power (log n)^log,  times n^{o(1)} if ``sub``,  o(.) of that if ``little``; classes are ordered by these
exponents from left to right:

    1/poly(n) < O(1) < o(sqrt(log n)) < o(log n) < O(log n) < polylog(n) < n^{o(1)} < n^{1+o(1)} < poly(n) < unbounded

1/poly(n) means: below every polynomial that is asked for; poly(n): below some polynomial, a new one at each occurrence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import total_ordering

import sympy

from .functions import Degree
from .norms import Norm, upper_bound
from .sizes import n

INFINITE = float("inf")


@total_ordering
@dataclass(frozen=True)
class Growth:
    """A class of functions of n; smaller classes are contained in larger ones."""

    power: Fraction | float = Fraction(0)
    sub: bool = False
    log: Fraction | float = Fraction(0)
    little: bool = False

    def __post_init__(self) -> None:
        """One form a class: n^{o(1)} absorbs logarithms, poly(n) both."""
        everything = self.sub and self.log == INFINITE and self.power == INFINITE
        if not everything and (self.sub or abs(self.power) == INFINITE):
            object.__setattr__(self, "log", Fraction(0))
            object.__setattr__(self, "little", False)
            object.__setattr__(self, "sub", self.sub and abs(self.power) != INFINITE)

    @property
    def _key(self) -> tuple[Fraction | float, bool, Fraction | float, bool]:
        return self.power, self.sub, self.log, not self.little

    def __lt__(self, other: Growth) -> bool:
        return self._key < other._key

    def __mul__(self, other: Growth) -> Growth:
        if UNBOUNDED in (self, other):
            return UNBOUNDED
        if NEGLIGIBLE in (self, other):
            return NEGLIGIBLE
        return Growth(
            self.power + other.power, self.sub or other.sub, self.log + other.log, self.little or other.little
        )

    def __pow__(self, exponent: Fraction) -> Growth:
        """A fixed power, at least 0."""
        if self in (UNBOUNDED, NEGLIGIBLE) or exponent == 0:
            return self if exponent else CONSTANT
        return Growth(self.power * exponent, self.sub, self.log * exponent, self.little)

    def __str__(self) -> str:
        return NAMES.get(self) or self._formula()

    def _formula(self) -> str:
        parts = []
        if self.power or self.sub:
            power = "" if not self.power else str(self.power)
            parts.append(f"n^{{{power}{'+' if power and self.sub else ''}{'o(1)' if self.sub else ''}}}")
        if self.log and not self.sub:
            parts.append("log n" if self.log == 1 else f"(log n)^{{{self.log}}}")
        text = " ".join(parts) or "1"
        return text if self.sub else f"{'o' if self.little else 'O'}({text})"


CONSTANT = Growth()
SUBROOT = Growth(log=Fraction(1, 2), little=True)
SUBLOG = Growth(log=Fraction(1), little=True)
LOG = Growth(log=Fraction(1))
POLYLOG = Growth(log=INFINITE)
SUBPOLY = Growth(sub=True)
LINEAR = Growth(power=Fraction(1))
ALMOST_LINEAR = Growth(power=Fraction(1), sub=True)
POLY = Growth(power=INFINITE)
NEGLIGIBLE = Growth(power=-INFINITE)
UNBOUNDED = Growth(power=INFINITE, sub=True, log=INFINITE)
NAMES = {
    CONSTANT: "O(1)", SUBROOT: "o(sqrt(log n))", SUBLOG: "o(log n)", LOG: "O(log n)", POLYLOG: "polylog(n)", SUBPOLY: "n^{o(1)}",
    LINEAR: "O(n)", ALMOST_LINEAR: "n^{1+o(1)}", POLY: "poly(n)", NEGLIGIBLE: "1/poly(n)", UNBOUNDED: "unbounded",
}  # fmt: skip
NAMED = (CONSTANT, SUBROOT, SUBLOG, LOG, POLYLOG, SUBPOLY, ALMOST_LINEAR, POLY)
"""The classes that hypotheses are strengthened to, smallest first."""
LOG_N = sympy.log(n)
REPRESENTATIVE = {
    CONSTANT: sympy.Integer(1), SUBROOT: LOG_N ** sympy.Rational(1, 4), SUBLOG: LOG_N ** sympy.Rational(3, 4),
    LOG: LOG_N, POLYLOG: LOG_N**2, SUBPOLY: sympy.exp(sympy.sqrt(LOG_N)), ALMOST_LINEAR: n * LOG_N, POLY: n**2,
    UNBOUNDED: sympy.exp(n),
}  # fmt: skip
"""A member of each class that is in none of the smaller ones."""


def member(growth: Growth) -> sympy.Expr:
    """A function of n that is in the class, and in no smaller one but where the class is o(.)."""
    if growth in REPRESENTATIVE:
        return REPRESENTATIVE[growth]
    power = 2 if growth.power == INFINITE else growth.power
    log = 2 if growth.log == INFINITE else growth.log * (Fraction(3, 4) if growth.little else 1)
    made = n ** sympy.Rational(Fraction(power)) * LOG_N ** sympy.Rational(Fraction(log))
    return made * sympy.exp(sympy.sqrt(LOG_N)) if growth.sub else made


Facts = Mapping[sympy.Symbol, Growth]


class NoGrowth(ValueError):
    """An expression whose class does not follow; the message names the part, ``quantity`` the symbol without a class."""

    def __init__(self, message: str, quantity: sympy.Symbol | None = None) -> None:
        super().__init__(message)
        self.quantity = quantity


def growth_of(expression: sympy.Expr, facts: Facts) -> Growth:
    """A class that |expression| is in, from the classes of its sizes, constants and norms.

    A norm without a class of its own is bounded by the norms of its formula's symbols (`norms.upper_bound`).

    Raises:
        NoGrowth: if a symbol has no class or an operation no rule.
    """
    e = sympy.sympify(expression)
    if e in facts:
        return facts[e]
    if e == n:
        return LINEAR
    if e.is_number:
        return CONSTANT
    if isinstance(e, Norm):
        return growth_of(_in_entries(e, facts), facts)
    if e.is_Add or isinstance(e, sympy.Max):
        return max(growth_of(a, facts) for a in e.args)
    if e.is_Mul:
        found = CONSTANT
        for a in e.args:
            found = found * growth_of(a, facts)
        return found
    if e.is_Pow or isinstance(e, sympy.exp):
        base, exponent = e.as_base_exp()
        return _power(base, exponent, facts)
    if isinstance(e, sympy.log) and _at_least_one(e.args[0]):
        inside = growth_of(e.args[0], facts)
        if inside <= CONSTANT:
            return CONSTANT
        if inside <= POLY:
            return LOG if inside > POLYLOG else Growth(log=Fraction(1), little=True)
    if isinstance(e, Degree):
        return _degree(*(growth_of(a, facts) for a in e.args))
    if isinstance(e, sympy.binomial):
        return _binomial(growth_of(e.args[0] - e.args[1], facts), growth_of(e.args[1], facts))
    raise NoGrowth(f"no class is known for {e}", e if e.is_Symbol else None)


def _binomial(over: Growth, under: Growth) -> Growth:
    """binom(a + b, b): at most (e (a + b)/b)^b, so n^{o(1)} for a = O(log n), b = o(log n) and the other way round."""
    small, large = sorted((over, under))
    if small <= CONSTANT and large <= POLYLOG:
        return CONSTANT if large <= CONSTANT else POLYLOG
    if small <= SUBLOG and large <= LOG:
        return SUBPOLY
    return POLY if large <= LOG else UNBOUNDED


def _degree(b: Growth, target: Growth) -> Growth:
    """Degree(b, L) is O(b + L); it is o(log n) for b = o(log n), L = O(log n).

    Where b + L = o(log n) that is the first; where b + L >= c log n, (b + L)/b and with it W((b + L)/(e b)) grows without bound.
    """
    return SUBLOG if b <= SUBLOG and target <= LOG else max(b, target)


def _in_entries(norm: Norm, facts: Facts) -> sympy.Expr:
    """A bound on a norm by norms of symbols, and of products whose norms are facts."""
    rows, columns = norm.formula.shape
    known = {q.formula: q for q in facts if isinstance(q, Norm) and q.norm == "max"}
    try:
        entry = upper_bound(norm.formula, known).bound
    except ValueError as error:
        raise NoGrowth(f"no class is known for {norm}: {error}", norm) from None
    if entry == norm:
        raise NoGrowth(f"no class is known for {norm}", norm)
    return entry * {"max": 1, "top": 1, "row": columns, "col": rows, "sum": rows * columns}[norm.norm]


def _at_least_one(e: sympy.Expr) -> bool:
    """Whether an expression is at least 1 by its form, so that its logarithm is not negative."""
    if e.is_Add:
        return all(a.is_nonnegative for a in e.args) and any(_at_least_one(a) for a in e.args)
    if e.is_Mul or isinstance(e, sympy.Max):
        return all(_at_least_one(a) for a in e.args)
    if e.is_Pow:
        return _at_least_one(e.base) and bool(e.exp.is_nonnegative)
    return bool((e.is_number and e >= 1) or (e.is_integer and e.is_positive))


def _power(base: sympy.Expr, exponent: sympy.Expr, facts: Facts) -> Growth:
    if exponent.is_Rational and exponent >= 0:
        return growth_of(base, facts) ** Fraction(int(exponent.p), int(exponent.q))
    if exponent.is_Rational:
        if base == n:
            return Growth(power=Fraction(int(exponent.p), int(exponent.q)))
        if base.is_integer and base.is_positive:
            return CONSTANT
        raise NoGrowth(f"no class is known for {base**exponent}: {base} may be small")
    if not exponent.is_nonnegative:
        raise NoGrowth(f"no class is known for {base**exponent}: the exponent may be negative")
    raised = growth_of(exponent, facts)
    if raised <= CONSTANT:
        inside = growth_of(base, facts)
        return inside if inside in (CONSTANT, POLYLOG, SUBPOLY, POLY) else max(inside, POLY)
    if growth_of(base, facts) <= CONSTANT and raised <= LOG:
        return SUBPOLY if raised < LOG else POLY
    return UNBOUNDED
