"""Sparse polynomials over the rationals: entries, exp(S_ij), 1/alpha_i, phi and phi' are variables.

A formula becomes a polynomial in its free symbols, so that an identity is decided exactly: both sides are the same polynomial or
not. exp of equal polynomials is the same variable.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from flint import Ordering, fmpq, fmpq_mpoly_ctx

from almostlinear.theorems.formula import Formula

from ..problems import Problem
from .arrays import ArrayBackend
from .finite_field import FiniteField
from .interpreter import Environment

MOST_TERMS = 6_000_000
"""Products of terms in one expansion, at most: twice what the largest statement takes."""


def lengths(a: Any) -> Any:
    """How many terms each entry has."""
    return np.vectorize(len, otypes=[float])(a)


class Polynomials(ArrayBackend):
    """Polynomials in up to ``capacity`` variables, named as they appear.

    ``vanished`` says whether a function of the zero polynomial stood somewhere: then the step to all sizes is not sound.
    """

    def __init__(self, problem: Problem, capacity: int = 256) -> None:
        super().__init__(problem)
        self.ring = fmpq_mpoly_ctx.get([f"x{k}" for k in range(capacity)], Ordering.lex)
        self.capacity = capacity
        self.variables: dict[tuple, Any] = {}
        self.vanished = False
        self.spent = 0.0

    def variable(self, *key: Any) -> Any:
        if key not in self.variables:
            if len(self.variables) == self.capacity:
                raise OverflowError(f"more than {self.capacity} variables in an expansion; use smaller sizes")
            self.variables[key] = self.ring.gen(len(self.variables))
        return self.variables[key]

    def number(self, value: Fraction | int) -> Any:
        value = Fraction(value)
        return self.ring.constant(fmpq(value.numerator, value.denominator))

    def scalar_symbol(self, name: str, power: int) -> Any:
        return self.variable("scalar", name, power > 0) ** abs(power)

    def load(self, name: str, shape: tuple[int, int], domain: str) -> Any:
        made = np.empty(shape, dtype=object)
        for where in np.ndindex(shape):
            made[where] = self.variable("entry", name, where)
        return made

    def matmul(self, node: Formula, environment: Environment, a: Any, b: Any) -> Any:
        self._require_few(lengths(a) @ lengths(b))
        return a @ b

    def hadamard(self, node: Formula, environment: Environment, a: Any, b: Any) -> Any:
        self._require_few(lengths(a) * lengths(b))
        return a * b

    times = hadamard

    def _require_few(self, terms: Any) -> None:
        self.spent += float(terms.sum())
        if self.spent > MOST_TERMS:
            raise OverflowError(f"more than {MOST_TERMS} products of terms in an expansion; use smaller sizes")

    def of(self, a: Any, *key: Any) -> Any:
        """A function, named by the key, as one free symbol for each argument."""
        self.vanished |= any(x == 0 for x in a.ravel())
        return self.each(lambda x: self.variable(*key, str(x)), a)

    def exp1(self, a: Any) -> Any:
        return self.of(a, "exp")

    def recip1(self, a: Any) -> Any:
        return self.of(a, "recip")

    def absolute1(self, a: Any) -> Any:
        return self.of(a, "absolute")

    def func(self, node: Formula, environment: Environment, a: Any) -> Any:
        return self.of(a, "func", *node.data)

    def taylor_polynomial(self, degree: int, a: Any) -> Any:
        return self.of(a, "taylor", degree)

    each = staticmethod(FiniteField.each)
