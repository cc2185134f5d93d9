"""Proofs of inequalities between functions, as lists of steps that are executed one by one.

A step is one of

    identity      two expressions are equal: exact algebra in generators (`nonnegative`), for all values of their letters
    certificate   an expression is nonnegative: a product of even powers and of polynomials with nonnegative coefficients
    monotone      a function is nonnegative for v >= 0: its value at 0 and its derivative have a certificate
    induction     the same for T_g for every degree g: derivatives lower the degree, and degree -1 has a certificate
    argument      words: a standard fact that no machine checks here; the evidence lists it

`Proof` runs a step when it is added, so that a proof holds executed steps only; a step that fails raises `NotProved`. Derivatives and
values at 0 follow three rules, which are steps of their own where they are used:

    T_g'(x) = T_g(x) - x^g/g! = T_{g-1}(x),  T_g(0) = 1        J_g'(b) = b^g e^b/g!,  J_g(0) = 0        tanh' = 1 - tanh^2
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

import sympy

from almostlinear.theorems.functions import J, T

from .nonnegative import NotRewritten, certificate, is_zero

IDENTITY, CERTIFICATE, MONOTONE, INDUCTION, ARGUMENT = "identity", "certificate", "monotone", "induction", "argument"
LARGEST_FAMILY = 8


class NotProved(ValueError):
    """A step that its check does not confirm; the message names it."""


@dataclass(frozen=True)
class Step:
    """One executed step: its kind, what it says, and what was expanded or certified."""

    kind: str
    says: str
    checked: str = ""


@dataclass
class Proof:
    """Executed steps, in order."""

    steps: list[Step] = field(default_factory=list)

    @property
    def basis(self) -> str:
        """``exact`` if nothing but identities was needed, else ``certificate``."""
        return "exact" if {s.kind for s in self.steps} <= {IDENTITY, ARGUMENT} else "certificate"

    @property
    def is_checked(self) -> bool:
        """Whether a machine executed at least one step."""
        return any(s.kind != ARGUMENT for s in self.steps)

    def detail(self) -> dict[str, Any]:
        """For evidence: the steps, and apart from them what is trusted."""
        checked = [asdict(s) for s in self.steps if s.kind != ARGUMENT]
        return {
            "steps": len(checked),
            "proof": checked,
            "argument": list(dict.fromkeys(s.says for s in self.steps if s.kind == ARGUMENT)),
        }

    def add(self, kind: str, says: str, checked: str = "") -> None:
        """Record an executed step once."""
        step = Step(kind, says, checked)
        if step not in self.steps:
            self.steps.append(step)

    # -- steps -----------------------------------------------------------------------------------------------------
    def argument(self, says: str) -> None:
        self.add(ARGUMENT, says)

    def identity(self, says: str, left: sympy.Expr, right: sympy.Expr) -> None:
        """``left`` and ``right`` are equal.

        Raises:
            NotProved: if their difference does not cancel.
        """
        try:
            equal = is_zero(left - right)
        except NotRewritten as error:
            raise NotProved(f"{says}: {error}") from None
        if not equal:
            raise NotProved(f"{says}: {left} is not {right}")
        self.add(IDENTITY, says, f"{left} = {right}")

    def certify(
        self, says: str, expression: sympy.Expr, split: Iterable[sympy.Symbol] = (), defined: bool = False
    ) -> None:
        """``expression`` is nonnegative (see `nonnegative.certificate`).

        Raises:
            NotProved: without a certificate.
        """
        found = certificate(expression, split, defined)
        if found is None:
            raise NotProved(f"{says}: no certificate that {expression} >= 0")
        self.add(CERTIFICATE, says, f"{expression} = {found}")

    def from_zero(self, says: str, function: sympy.Expr, v: sympy.Symbol, factor: sympy.Expr | int = 1) -> None:
        """``function`` is nonnegative for v >= 0: so are its product with a positive factor at 0, and the derivative of that.

        Raises:
            NotProved: without a certificate of both, for both signs of (-1)^g.
        """
        product = sympy.expand(function * factor)
        slope = sympy.expand(derivative(product, v))
        start = certificate(at_zero(product, v))
        for sign in signs(slope):
            rises = certificate(sympy.expand(sign(slope)))
            if start is None or rises is None:
                raise NotProved(f"{says}: no certificate that {product} is nonnegative from {v} = 0 on")
        for rule in _RULES:
            if product.has(rule):
                self._rule(rule)
        self.argument(
            "a function that is nonnegative at 0 and has a nonnegative derivative is nonnegative (mean value theorem)"
        )
        self.add(MONOTONE, says, f"F = {product}: F(0) = {start}, F' = {rises}")

    def by_degree(self, says: str, function: sympy.Expr, v: sympy.Symbol) -> None:
        """``function``, linear in T of one degree, is nonnegative for v >= 0 and every degree >= 0: by induction on it.

        The derivatives of a finite family of functions of degree q are the family at degree q - 1; all are nonnegative at v = 0 for
        q >= 0, and everywhere for q = -1, where T vanishes.

        Raises:
            NotProved: if the family does not close or a certificate is missing.
        """
        degrees = {t.args[1] for t in function.atoms(T)}
        if len(degrees) != 1 or not next(iter(degrees)).is_nonnegative:
            raise NotProved(f"{says}: {function} has no single degree")
        q = sympy.Dummy("q", integer=True, nonnegative=True)
        start = sympy.expand(function.subs(degrees.pop(), q))
        family: list[sympy.Expr] = []
        waiting = [start]
        while waiting:
            member = waiting.pop()
            if any(sympy.expand(member - known) == 0 for known in family):
                continue
            family.append(member)
            if (
                len(family) > LARGEST_FAMILY
                or certificate(_vanishing(member, q)) is None
                or certificate(at_zero(member, v)) is None
            ):
                raise NotProved(f"{says}: no induction on the degree shows that {function} >= 0")
            waiting.append(sympy.expand(derivative(member, v, lower=True).subs(q, q + 1)))
        self._rule(T)
        self.argument(
            "a function that is nonnegative at 0 and has a nonnegative derivative is nonnegative (mean value theorem)"
        )
        shown = "; ".join(str(member.subs(q, sympy.Symbol("q"))) for member in family)
        self.add(INDUCTION, says, f"closed under d/d{v} with q -> q - 1, >= 0 at 0, and >= 0 for q = -1: {shown}")

    def nonnegative(self, says: str, function: sympy.Expr, v: sympy.Symbol) -> None:
        """``function`` is nonnegative for v >= 0, by the first way that succeeds.

        Raises:
            NotProved: if none does.
        """
        ways: list[Callable[[], None]] = [
            lambda: self.certify(says, function),
            *(lambda m=m: self.from_zero(says, function, v, m) for m in (1, sympy.exp(v), sympy.exp(-v))),
            lambda: self.by_degree(says, function, v),
        ]
        for way in ways:
            try:
                return way()
            except NotProved:
                continue
        raise NotProved(f"{says}: nothing shows that {function} >= 0 for {v} >= 0")

    def _rule(self, function: type) -> None:
        """The rule for the derivative of a function, as steps."""
        if function is T:
            x = sympy.Symbol("x", positive=True)
            j = sympy.Symbol("j", integer=True, positive=True)
            term = x**j / sympy.factorial(j)
            self.identity(
                "d/dx x^j/j! = x^(j-1)/(j-1)!, so T_g' = T_{g-1} = T_g - x^g/g!", term.diff(x), term.subs(j, j - 1)
            )
        elif function is J:
            self.argument(
                "J_g is the integral of v^g e^v/g! from 0, so its derivative is that (fundamental theorem of calculus)"
            )


# -- rules -------------------------------------------------------------------------------------------------------------
def derivative(expression: sympy.Expr, v: sympy.Symbol, lower: bool = False) -> sympy.Expr:
    """d/dv; T_g' is written T_{g-1} if ``lower``, else T_g - x^g/g!."""
    calls = sorted((f for f in expression.atoms(*_RULES) if f.has(v)), key=str)
    stand = {f: sympy.Function(f"f{k}")(v) for k, f in enumerate(calls)}
    found = sympy.diff(expression.subs(stand), v)
    for f, symbol in stand.items():
        x, degree = f.args
        if isinstance(f, J):
            if not x.is_nonnegative:
                raise NotProved(f"J is spoken of for b >= 0, not for {x}")
            outer = x**degree * sympy.exp(x) / sympy.factorial(degree)
        else:
            outer = T(x, degree - 1) if lower else f - x**degree / sympy.factorial(degree)
        found = found.subs(sympy.Derivative(symbol, v), outer * sympy.diff(x, v))
    return found.subs({symbol: f for f, symbol in stand.items()}).doit()


def at_zero(expression: sympy.Expr, v: sympy.Symbol) -> sympy.Expr:
    """The value at v = 0, for degrees >= 0."""

    def value(f: sympy.Expr) -> sympy.Expr:
        if f.args[0].subs(v, 0) != 0:
            return f.subs(v, 0)
        if not f.args[1].is_nonnegative:
            raise NotProved(f"the degree {f.args[1]} may be negative")
        return sympy.Integer(1) if isinstance(f, T) else sympy.Integer(0)

    calls = {f: value(f) for f in expression.atoms(*_RULES)}
    return sympy.sympify(expression.subs(calls)).subs(v, 0)


def _vanishing(expression: sympy.Expr, q: sympy.Symbol) -> sympy.Expr:
    """The expression at degree q = -1, where T is zero."""
    return expression.subs({t: 0 for t in expression.atoms(T)}).subs(q, -1)


def signs(expression: sympy.Expr) -> list[Callable[[sympy.Expr], sympy.Expr]]:
    """For every way in which the parities of the exponents may fall, the substitution of (-1)^g by 1 or -1."""
    bases = sorted({p.exp for p in _flat(expression).atoms(sympy.Pow) if p.base == -1 and p.exp.free_symbols}, key=str)
    letters = sorted({s for e in bases for s in e.free_symbols}, key=str)
    if not letters:
        return [lambda e: e]
    return [_parity(dict(zip(letters, odd, strict=True))) for odd in itertools.product((0, 1), repeat=len(letters))]


def _flat(expression: sympy.Expr) -> sympy.Expr:
    """(-v)^g is written (-1)^g v^g."""

    def split(base: sympy.Expr, exponent: sympy.Expr) -> sympy.Expr:
        return sympy.Pow(-1, exponent) * (-base) ** exponent

    return expression.replace(
        lambda p: p.is_Pow and p.exp.is_integer and p.base.is_Mul and p.base.could_extract_minus_sign(),
        lambda p: split(p.base, p.exp),
    )


def _parity(odd: dict[sympy.Symbol, int]) -> Callable[[sympy.Expr], sympy.Expr]:
    def apply(expression: sympy.Expr) -> sympy.Expr:
        return _flat(expression).replace(
            lambda p: p.is_Pow and p.base == -1 and p.exp.is_integer,
            lambda p: sympy.Integer(-1) ** (sympy.expand(p.exp).subs(odd) % 2),
        )

    return apply


_RULES = (T, J)
