"""Exact arithmetic: polynomials in ln 2 over the rationals.

Where W is ln 2 times integers and X has integers, exp(S_ij) is a power of two, so f is rational and a gradient is a
polynomial in ln 2. As ln 2 is transcendental, such a value is zero only if all its coefficients are.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from flint import arb, fmpq, fmpq_poly

from .arrays import NotExact, ObjectBackend

LN2 = "ln2"
LARGEST_POWER = 10**5
"""Beyond it 2^k is not computed: numbers of a file may be of any size."""


class Rationals(ObjectBackend):
    """Q[ln 2]: exp is defined on integer multiples of ln 2, 1/x on rationals."""

    def number(self, value: Fraction | int | float) -> fmpq_poly:
        value = Fraction(value)
        return fmpq_poly([fmpq(value.numerator, value.denominator)])

    def unit_value(self, unit: str) -> Any:
        return fmpq_poly([0, 1]) if unit == LN2 else super().unit_value(unit)

    def exp_one(self, a: fmpq_poly) -> fmpq_poly:
        multiple = a[1]
        if a.degree() > 1 or a[0] != 0 or multiple.q != 1:
            raise NotExact(f"exp({as_text(a)}) is not rational: the argument must be an integer times ln 2")
        if abs(multiple.p) > LARGEST_POWER:
            raise NotExact(
                f"2^{multiple.p} is too large for exact arithmetic; powers up to {LARGEST_POWER} are computed"
            )
        return fmpq_poly([fmpq(2) ** int(multiple.p)])

    def absolute_one(self, a: fmpq_poly) -> fmpq_poly:
        return -a if _sign(a) < 0 else a

    def recip_one(self, a: fmpq_poly) -> fmpq_poly:
        if a.degree() > 0:
            raise NotExact(f"1/({as_text(a)}) is not a polynomial in ln 2")
        if a[0] == 0:
            raise ZeroDivisionError("1/0")
        return fmpq_poly([1 / a[0]])


def _sign(value: fmpq_poly) -> int:
    """The sign, decided in balls; zero only for the zero polynomial."""
    if value.degree() <= 0:
        return (value[0] > 0) - (value[0] < 0)
    ball = as_ball(value)
    if ball.contains(0):
        raise NotExact(f"the sign of {as_text(value)} is not decided at this precision")
    return 1 if ball > 0 else -1


def as_ball(value: fmpq_poly) -> arb:
    """The value as a ball at the current precision."""
    total, ln2 = arb(0), arb.const_log2()
    for coefficient in reversed(value.coeffs()):
        total = total * ln2 + arb(coefficient)
    return total


def as_text(value: fmpq_poly) -> str:
    """Such as ``3/4 - 2 ln2``."""
    parts: list[str] = []
    for power, coefficient in enumerate(value.coeffs()):
        if coefficient != 0:
            name = "" if power == 0 else "ln2" if power == 1 else f"ln2^{power}"
            size = abs(coefficient)
            text = str(size) if not name else name if size == 1 else f"{size} {name}"
            sign = "-" if coefficient < 0 else "+"
            parts.append(f"{sign} {text}" if parts else f"-{text}" if coefficient < 0 else text)
    return " ".join(parts) or "0"
