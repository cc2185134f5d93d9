"""Real balls (python-flint's arb): every value is a rigorous enclosure. Complex balls give an independent derivative.

Precision is process-global in python-flint; evaluate inside ``with precision(bits)``.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from flint import acb, acb_mat, arb, arb_mat, ctx, fmpq

from almostlinear.theorems.formula import Formula

from ..problems import Problem
from .arrays import ObjectBackend
from .interpreter import Environment, Interpreter

DEFAULT_BITS = 169


def precision(bits: int) -> Any:
    """A context in which balls carry this many bits."""
    return ctx.workprec(bits)


class Balls(ObjectBackend):
    """arb: real balls; derivatives by dual numbers."""

    kind: Any = arb
    matrix: Any = arb_mat

    def number(self, value: Fraction | int | float) -> Any:
        if isinstance(value, float):
            return self.kind(value)
        value = Fraction(value)
        return self.kind(arb(fmpq(value.numerator, value.denominator)))

    def unit_value(self, unit: str) -> Any:
        return self.kind(arb.const_log2()) if unit == "ln2" else super().unit_value(unit)

    def matmul(self, node: Formula, environment: Environment, a: Any, b: Any) -> Any:
        if a.ndim > 2 or b.ndim > 2:
            return self._many(node, environment, a, b)
        product = self.matrix(a.tolist()) * self.matrix(b.tolist())
        made = np.empty((a.shape[0], b.shape[1]), dtype=object)
        made.ravel()[:] = product.entries()
        return made

    def _many(self, node: Formula, environment: Environment, a: Any, b: Any) -> Any:
        leading = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        a, b = np.broadcast_to(a, leading + a.shape[-2:]), np.broadcast_to(b, leading + b.shape[-2:])
        made = np.empty((*leading, a.shape[-2], b.shape[-1]), dtype=object)
        for where in np.ndindex(leading):
            made[where] = self.matmul(node, environment, a[where], b[where])
        return made

    def exp_one(self, a: Any) -> Any:
        return a.exp()

    def tanh_one(self, a: Any) -> Any:
        return a.tanh()


STEP_BITS = 400


class ComplexStep(Balls):
    """acb: a directional derivative is the imaginary part of the value at X + ihV, over h.

    Shares with the dual numbers only the forward evaluation. The truncation, of order h^2, is not enclosed: it is a
    second opinion on a derivative, not a certificate.
    """

    kind, matrix = acb, acb_mat

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.shift: tuple[str, Any] | None = None
        self.moved: dict[tuple, Interpreter] = {}

    def gradient(self, interpreter: Interpreter, node: Formula, environment: Environment) -> Any:
        raise NotImplementedError("the complex step gives derivatives along one direction")

    def directional(self, interpreter: Interpreter, node: Formula, environment: Environment) -> Any:
        body, variable, direction = node.args
        step = arb(2) ** -STEP_BITS
        place = tuple((i, environment[i]) for i in sorted(direction.free, key=str))
        key = (variable, direction, place)
        if key not in self.moved:
            beside = ComplexStep(self.problem)
            beside.shift = (variable.data[0], interpreter(direction, environment) * self.lift(acb(0, step)))
            self.moved[key] = Interpreter(beside)
        value = self.moved[key](body, environment)
        return self.each(lambda z: acb(z.imag / step), value)

    def load(self, name: str, shape: tuple[int, int], domain: str) -> Any:
        value = super().load(name, shape, domain)
        return value + self.shift[1] if self.shift and self.shift[0] == name else value
