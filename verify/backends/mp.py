"""mpmath: a second, independent point evaluation (no enclosure), with its own arithmetic and elementary functions."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import mpmath

from ..problems import Problem
from .arrays import ObjectBackend


class Points(ObjectBackend):
    """mpf numbers of the given number of bits."""

    def __init__(self, problem: Problem, bits: int = 169) -> None:
        super().__init__(problem)
        self.context = mpmath.MPContext()
        self.context.prec = bits

    def number(self, value: Fraction | int | float) -> Any:
        value = Fraction(value)
        return self.context.mpf(value.numerator) / value.denominator

    def unit_value(self, unit: str) -> Any:
        return self.context.ln2 * 1 if unit == "ln2" else super().unit_value(unit)

    def exp_one(self, a: Any) -> Any:
        return self.context.exp(a)

    def tanh_one(self, a: Any) -> Any:
        return self.context.tanh(a)
