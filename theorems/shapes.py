"""Shapes and operands: what fits together, what a size may be, and what is said of a thing that is no formula or no number."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import sympy

from .sizes import AnyIndex, Index, Pair, letters_of

Shape = tuple[sympy.Expr, sympy.Expr]
ONE = sympy.Integer(1)


class ShapeError(ValueError):
    """Two shapes that must agree do not; the message names the operation and both shapes."""


class OperandError(TypeError):
    """Something that is no formula, no index or no size where one is needed; the message says what to write instead."""


def same(left: sympy.Expr, right: sympy.Expr) -> bool:
    return left == right or sympy.expand(left - right) == 0


def fits(left: Shape, right: Shape) -> bool:
    return same(left[0], right[0]) and same(left[1], right[1])


def shape_text(shape: Shape) -> str:
    return f"{shape[0]} x {shape[1]}"


def require(condition: bool, operation: str, left: Shape, right: Shape) -> None:
    if not condition:
        raise ShapeError(f"{operation}: shapes {shape_text(left)} and {shape_text(right)} do not fit")


def index_name(index: AnyIndex) -> str:
    """The letter of an index, or both of a pair.

    Raises:
        OperandError: if it is no index.
    """
    if not isinstance(index, (Index, Pair)):
        raise OperandError(
            f'{index!r} is no index: entries and rows are taken at letters, i, j = tokens("i j") over [n] or features("k l") over [d]'
        )
    return index.name if isinstance(index, Index) else f"({index.major.name},{index.minor.name})"


def extent(size: Any) -> sympy.Expr:
    """A size as SymPy; an integer is checked, a product must be one of positive integer powers.

    Raises:
        OperandError: for text.
        ShapeError: for anything else that is no size.
    """
    if isinstance(size, str):
        raise OperandError(f"the size {size!r} is text; use n, d, or declare it: {_word(size)} = size({size!r})")
    found = sympy.sympify(size)
    if found.is_Symbol or (found.is_Integer and found > 0):
        return found
    if found.is_number and not (found.is_Integer and found > 0):
        raise ShapeError(f"the size {found} is no positive integer")
    try:
        letters_of(found)
    except ValueError as error:
        raise ShapeError(str(error)) from None
    return found


def _word(text: str) -> str:
    return text if text.isidentifier() else "k"


def no_formula(value: Any, where: str) -> OperandError:
    """What to say where a formula is needed and something else was given."""
    kind = type(value).__name__
    if isinstance(value, str):
        why = f'{value[:40]!r} is text; declare the matrices, X = symbol("X", n, d), and write the formula in Python'
    elif type(value).__module__.partition(".")[0] in ("torch", "numpy", "jax"):
        why = f'the {kind} holds the numbers of one matrix, and a formula speaks of all: declare X = symbol("X", n, d)'
    elif isinstance(value, (int, float, sympy.Basic, Fraction)):
        why = (
            f"{value} is a number and no matrix; c * ones(n, d) is the matrix with all entries c, and functions of numbers "
            "are those of SymPy, such as sympy.exp"
        )
    else:
        why = f'a {kind} is no formula; formulas are made of symbol("X", n, d), + - * @ .T and functions such as exp'
    return OperandError(f"{where}: {why}")


def as_fraction(value: float) -> str:
    """How a float that was meant as a short decimal is written exactly."""
    found = Fraction(str(value)) if value == value and abs(value) < 1e300 else Fraction(0)
    return f"sympy.Rational({found.numerator}, {found.denominator})"


def exact_scalar(factor: Any) -> sympy.Expr:
    """A number that multiplies a formula, as SymPy.

    Raises:
        OperandError: if it is no number.
        ShapeError: if it is a float or not finite.
    """
    if isinstance(factor, float):
        raise ShapeError(f"the scalar {factor} is a float; write it as a fraction: {as_fraction(factor)}")
    if not isinstance(factor, (int, Fraction, sympy.Expr)):
        raise no_formula(factor, "entrywise product")
    exact = sympy.sympify(factor)
    if exact.atoms(sympy.Float):
        raise ShapeError(f"the scalar {factor} has a float; write it as a fraction, such as sympy.Rational(1, 2)")
    if exact.is_finite is False or exact is sympy.nan:
        raise ShapeError(f"the scalar {factor} is no finite number")
    return exact


DOMAINS = ("real", "positive", "unit", "mask", "causal", "onehot")


def check_name(name: Any, domain: Any) -> None:
    """Refuse a symbol whose name is no text or whose domain is unknown."""
    if not isinstance(name, str) or domain not in DOMAINS:
        known = ", ".join(DOMAINS)
        raise OperandError(
            f'symbol({name!r}, ..., domain={domain!r}): write symbol("X", n, d); the domain is one of {known}'
        )


class Refusals:
    """What operators of a formula say of operands that are none, whichever side they stand on."""

    __slots__ = ()
    __array_ufunc__ = None  # NumPy leaves its operators to these

    def scaled(self, factor: Any) -> Any:
        raise NotImplementedError

    def __truediv__(self, other: Any) -> Any:
        """Division by a SymPy scalar; by a matrix it is a product with ``recip``."""
        if isinstance(other, Refusals):
            raise OperandError("division by a matrix: multiply by recip(A), entry by entry, or by diag(recip(v))")
        return self.scaled(1 / sympy.sympify(other) if isinstance(other, (int, sympy.Expr)) else other)

    def __pow__(self, other: Any) -> Any:
        raise OperandError("power: write A * A for the entries squared, A @ A for the product of matrices")

    def __radd__(self, other: Any) -> Any:
        raise no_formula(other, "sum")

    def __rsub__(self, other: Any) -> Any:
        raise no_formula(other, "difference")

    def __rmatmul__(self, other: Any) -> Any:
        raise no_formula(other, "product")
