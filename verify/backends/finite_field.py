"""GF(p), p = 2^61 - 1: random points for identity testing; exp, phi, phi' and T_g are free symbols.

exp(x) is a random element chosen once for each value x, so equal arguments have equal exponentials and nothing else is
assumed of exp; with `free_reciprocals`, so is 1/x. An identity that holds for free symbols holds for the functions; one
that fails here may still hold because of exp(a)exp(b) = exp(a+b), so a failure must be confirmed in real numbers.
"""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Any

import numpy as np
from flint import nmod

from almostlinear.theorems.formula import Formula

from ..problems import Problem
from .arrays import ArrayBackend
from .interpreter import Environment

PRIME = 2**61 - 1


class FiniteField(ArrayBackend):
    """One random point; matrices of the problem are ignored, only its sizes are used.

    Args:
        problem: gives the sizes.
        seed: of the random point.
        free: treat reciprocals, and sizes where they stand as scalars (1/d), as free symbols too: the point is then one of a
            polynomial identity.
    """

    def __init__(self, problem: Problem, seed: int, free: bool = False) -> None:
        super().__init__(problem)
        self.random, self.free = random.Random(seed), free
        self.atoms: dict[tuple, nmod] = {}
        self.reciprocals = 0
        self.vanished = False

    def draw(self) -> nmod:
        return nmod(self.random.randrange(1, PRIME), PRIME)

    def atom(self, *key: Any) -> nmod:
        """The free symbol of this name, drawn at first sight."""
        if key not in self.atoms:
            self.atoms[key] = self.draw()
        return self.atoms[key]

    def number(self, value: Fraction | int) -> nmod:
        value = Fraction(value)
        return nmod(value.numerator % PRIME, PRIME) / nmod(value.denominator % PRIME, PRIME)

    def scalar_symbol(self, name: str, power: int) -> Any:
        if not self.free and name in self.sizes:
            return super().scalar_symbol(name, power)
        return self.atom("scalar", name) ** power

    def load(self, name: str, shape: tuple[int, int], domain: str) -> Any:
        made = np.empty(shape, dtype=object)
        for where in np.ndindex(shape):
            if domain in ("mask", "causal") and not self.free:
                made[where] = nmod(int(where[0] >= where[1]), PRIME)
            else:
                made[where] = self.atom("entry", name, where)
        return made

    def of(self, a: Any, *key: Any) -> Any:
        """A function, named by the key, as one free symbol for each argument; ``vanished``: an argument was zero."""
        self.vanished |= any(int(x) == 0 for x in a.ravel())
        return self.each(lambda x: self.atom(*key, int(x)), a)

    def exp1(self, a: Any) -> Any:
        return self.of(a, "exp")

    def recip1(self, a: Any) -> Any:
        self.reciprocals += a.size
        if self.free:
            return self.of(a, "recip")
        return self.each(lambda x: 1 / x, a)

    def absolute1(self, a: Any) -> Any:
        return self.of(a, "absolute")

    def func(self, node: Formula, environment: Environment, a: Any) -> Any:
        return self.of(a, "func", *node.data)

    def taylor_polynomial(self, degree: int, a: Any) -> Any:
        return self.of(a, "taylor", degree)

    @staticmethod
    def each(function: Any, a: Any) -> Any:
        made = np.empty(a.shape, dtype=object)
        for where, value in np.ndenumerate(a):
            made[where] = function(value)
        return made
