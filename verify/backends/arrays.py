"""Operations of the formula language on arrays: the last two axes are rows and columns, leading axes are batches.

Works for any array type with +, *, @, indexing, swapaxes and reshape: NumPy arrays of objects (balls, rationals, field elements,
polynomials), torch tensors and midpoint-radius arrays. A kind of number adds `number`, `exp1`, `recip1`, `tanh1`.
"""

from __future__ import annotations

from fractions import Fraction
from math import factorial
from typing import Any

import numpy as np
import sympy

from almostlinear.theorems.formula import Formula
from almostlinear.theorems.sizes import AnyIndex, Index, Pair, at

from ..problems import Problem
from .interpreter import Environment, Interpreter


class NotExact(ArithmeticError):
    """A value cannot be represented in this kind of number (such as exp of 1/3 in rationals)."""


class ArrayBackend:
    """Arrays over one kind of number; subclasses say what a number is."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.sizes = problem.sizes
        self._extents: dict[tuple[sympy.Expr, sympy.Expr], tuple[int, int]] = {}

    # -- what a subclass provides --------------------------------------------------------------------------------------
    def number(self, value: Fraction | int) -> Any:
        """A rational as a number of this kind."""
        raise NotImplementedError

    def load(self, name: str, shape: tuple[int, int], domain: str) -> Any:
        """The value of a named matrix of the problem."""
        raise NotImplementedError

    def exp1(self, a: Any) -> Any:
        raise NotImplementedError

    def recip1(self, a: Any) -> Any:
        raise NotImplementedError

    def tanh1(self, a: Any) -> Any:
        raise NotImplementedError

    def full(self, shape: tuple[int, ...], value: int) -> Any:
        made = np.empty(shape, dtype=object)
        number = self.number(value)
        for where in np.ndindex(shape):
            made[where] = number
        return made

    def lift(self, number: Any) -> Any:
        """A number as a 1 x 1 matrix: NumPy would take apart a number that has a length, such as a polynomial."""
        made = np.empty((1, 1), dtype=object)
        made[0, 0] = number
        return made

    def times_number(self, a: Any, value: int) -> Any:
        """Every entry times an integer."""
        return a * self.lift(self.number(value))

    def join(self, values: list[Any], axis: int) -> Any:
        """New axis ``axis`` (counted from the end) along the values."""
        return np.stack(np.broadcast_arrays(*values), axis=axis)

    # -- sizes, indices and scalars ------------------------------------------------------------------------------------
    def extent(self, shape: tuple[sympy.Expr, sympy.Expr]) -> tuple[int, int]:
        if shape not in self._extents:
            self._extents[shape] = at(shape[0], self.sizes), at(shape[1], self.sizes)
        return self._extents[shape]

    def range_of(self, index: Index) -> range:
        return range(1, at(index.size, self.sizes) + 1)

    def place(self, index: AnyIndex, environment: Environment) -> int:
        """The 0-based position of an index."""
        if isinstance(index, Pair):
            return (environment[index.major] - 1) * at(index.minor.size, self.sizes) + environment[index.minor] - 1
        return environment[index] - 1

    def scalar_symbol(self, name: str, power: int) -> Any:
        """A size or constant to an integer power."""
        value = self.sizes.get(name, self.problem.constants.get(name))
        if value is None:
            raise KeyError(f"no value for the constant {name!r}; give it in the problem's constants")
        return self.number(Fraction(value) ** power)

    def scalar(self, expression: sympy.Expr) -> Any:
        """A SymPy scalar: sums, products and integer powers of rationals, sizes and constants."""
        if expression.is_Rational:
            return self.number(Fraction(int(expression.p), int(expression.q)))
        if expression.is_Symbol:
            return self.scalar_symbol(expression.name, 1)
        if expression.is_Pow and expression.exp.is_Integer and expression.base.is_Symbol:
            return self.scalar_symbol(expression.base.name, int(expression.exp))
        if expression.is_Add or expression.is_Mul:
            first, *rest = (self.scalar(a) for a in expression.args)
            for value in rest:
                first = first + value if expression.is_Add else first * value
            return first
        raise NotExact(f"the scalar {expression} is not a rational function of sizes and constants with integer powers")

    # -- leaves ----------------------------------------------------------------------------------------------------------
    def symbol(self, node: Formula, environment: Environment) -> Any:
        name, domain = node.data
        return self.load(name, self.extent(node.shape), domain)

    def ones(self, node: Formula, environment: Environment) -> Any:
        return self.full(self.extent(node.shape), 1)

    def eye(self, node: Formula, environment: Environment) -> Any:
        return self.diag(node, environment, self.full((self.extent(node.shape)[0], 1), 1))

    def unit(self, node: Formula, environment: Environment) -> Any:
        count = self.extent(node.shape)[0]
        where = self.place(node.data[0], environment)
        zero, one = self.full((1, 1), 0), self.full((1, 1), 1)
        return self.join([(one if k == where else zero)[..., 0, :] for k in range(count)], -2)

    # -- algebra -----------------------------------------------------------------------------------------------------------
    def scale(self, node: Formula, environment: Environment, a: Any) -> Any:
        return a * self.lift(self.scalar(node.data[0]))

    def add(self, node: Formula, environment: Environment, a: Any, b: Any) -> Any:
        return a + b

    def matmul(self, node: Formula, environment: Environment, a: Any, b: Any) -> Any:
        return a @ b

    def transpose(self, node: Formula, environment: Environment, a: Any) -> Any:
        return a.swapaxes(-1, -2)

    def hadamard(self, node: Formula, environment: Environment, a: Any, b: Any) -> Any:
        return a * b

    times = hadamard

    def exp(self, node: Formula, environment: Environment, a: Any) -> Any:
        return self.exp1(a)

    def recip(self, node: Formula, environment: Environment, a: Any) -> Any:
        return self.recip1(a)

    def func(self, node: Formula, environment: Environment, a: Any) -> Any:
        name, order = node.data
        return self.apply(self.problem.functions.get(name, "tanh"), order, a)

    def taylor(self, node: Formula, environment: Environment, a: Any) -> Any:
        return self.taylor_polynomial(self.degree(node), a)

    def degree(self, node: Formula) -> int:
        """The degree of a Taylor polynomial at the problem's sizes."""
        return at(node.data[0], self.sizes)

    def taylor_polynomial(self, degree: int, a: Any) -> Any:
        """T_g(a) by Horner's rule; the zero polynomial for a negative degree."""
        value = self.times_number(a, 0)
        for power in range(degree, -1, -1):
            value = value * a + self.lift(self.number(Fraction(1, factorial(power))))
        return value

    def absolute(self, node: Formula, environment: Environment, a: Any) -> Any:
        return self.absolute1(a)

    def absolute1(self, a: Any) -> Any:
        raise NotExact("absolute values have no meaning in this kind of number")

    def apply(self, kind: str, order: int, a: Any) -> Any:
        """An entrywise function or its derivative: tanh, or a power x^k written ``power:k``."""
        if kind == "tanh" and order in (0, 1):
            t = self.tanh1(a)
            return t if order == 0 else self.times_number(t * t, -1) + self.full((1, 1), 1)
        if kind.startswith("power:"):
            power, factor = int(kind[6:]), 1
            for _ in range(order):
                factor, power = factor * power, power - 1
            value = self.full((1, 1), factor) + self.times_number(a, 0)
            for _ in range(power):
                value = value * a
            return value
        raise NotExact(f"no derivative of order {order} of the function {kind!r}")

    # -- structure ---------------------------------------------------------------------------------------------------------
    def row(self, node: Formula, environment: Environment, a: Any) -> Any:
        k = self.place(node.data[0], environment)
        return a[..., k : k + 1, :].swapaxes(-1, -2)

    def col(self, node: Formula, environment: Environment, a: Any) -> Any:
        k = self.place(node.data[0], environment)
        return a[..., :, k : k + 1]

    def entry(self, node: Formula, environment: Environment, a: Any) -> Any:
        i, j = (self.place(x, environment) for x in node.data)
        return a[..., i : i + 1, j : j + 1]

    def block(self, node: Formula, environment: Environment, a: Any) -> Any:
        height = at(node.data[1], self.sizes)
        start = self.place(node.data[0], environment) * height
        return a[..., start : start + height, :]

    def diag(self, node: Formula, environment: Environment, a: Any) -> Any:
        count = a.shape[-2]
        zero = self.times_number(a, 0)
        columns = [self.join([(a if k == j else zero)[..., k, 0] for k in range(count)], -1) for j in range(count)]
        return self.join(columns, -1)

    def kron(self, node: Formula, environment: Environment, a: Any, b: Any) -> Any:
        product = a[..., :, None, :, None] * b[..., None, :, None, :]
        return product.reshape((*product.shape[:-4], a.shape[-2] * b.shape[-2], a.shape[-1] * b.shape[-1]))

    def rowkron(self, node: Formula, environment: Environment, a: Any, b: Any) -> Any:
        product = b[..., :, :, None] * a[..., :, None, :]
        return product.reshape((*product.shape[:-2], a.shape[-1] * b.shape[-1]))

    def sum(self, node: Formula, environment: Environment, values: list[Any]) -> Any:
        total = values[0]
        for value in values[1:]:
            total = total + value
        return total

    def stack(self, node: Formula, environment: Environment, values: list[Any]) -> Any:
        return self.join([v[..., 0] for v in values], -2)

    def loss(self, node: Formula, environment: Environment, y: Any, upstream: Any) -> Any:
        """The loss <upstream, y>: the general loss to first order at this point."""
        return self.entry_sum(y * upstream)

    def entry_sum(self, a: Any) -> Any:
        left = self.full((1, a.shape[-2]), 1)
        return (left @ a) @ self.full((a.shape[-1], 1), 1)

    # -- derivatives -------------------------------------------------------------------------------------------------------
    def gradient(self, interpreter: Interpreter, node: Formula, environment: Environment) -> Any:
        from .dual import gradient

        return gradient(interpreter, node, environment)

    def directional(self, interpreter: Interpreter, node: Formula, environment: Environment) -> Any:
        from .dual import directional

        return directional(interpreter, node, environment)


class ObjectBackend(ArrayBackend):
    """NumPy arrays of Python objects; the problem's rationals are converted by `number`."""

    def load(self, name: str, shape: tuple[int, int], domain: str) -> Any:
        values = self.problem.matrix(name, shape)
        unit = self.unit_of(name)
        made = np.empty(shape, dtype=object)
        for where, value in np.ndenumerate(values):
            made[where] = self.number(value) if unit is None else self.number(value) * unit
        return made

    def unit_of(self, name: str) -> Any:
        unit = self.problem.units.get(name)
        return None if unit is None else self.unit_value(unit)

    def unit_value(self, unit: str) -> Any:
        raise NotExact(f"the unit {unit!r} is not known to this kind of number")

    def exp1(self, a: Any) -> Any:
        return self.each(self.exp_one, a)

    def recip1(self, a: Any) -> Any:
        return self.each(self.recip_one, a)

    def tanh1(self, a: Any) -> Any:
        return self.each(self.tanh_one, a)

    def absolute1(self, a: Any) -> Any:
        return self.each(self.absolute_one, a)

    @staticmethod
    def each(function: Any, a: Any) -> Any:
        made = np.empty(a.shape, dtype=object)
        for where, value in np.ndenumerate(a):
            made[where] = function(value)
        return made

    def exp_one(self, a: Any) -> Any:
        raise NotExact("exp has no value in this kind of number")

    def recip_one(self, a: Any) -> Any:
        return self.number(1) / a

    def absolute_one(self, a: Any) -> Any:
        return abs(a)

    def tanh_one(self, a: Any) -> Any:
        raise NotExact("tanh has no value in this kind of number")
