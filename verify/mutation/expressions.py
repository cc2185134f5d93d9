"""Planted mistakes in SymPy expressions of sizes, constants and norms: the sides of bounds, ranks and counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import sympy

from almostlinear.theorems.functions import Alternation, BesselTail, Chebyshev, J, T
from almostlinear.theorems.norms import OF_KIND, Norm, top
from almostlinear.theorems.sizes import d, n

from .formulas import HALF, exchanged

Mistake = tuple[str, sympy.Expr]
OF_DEGREE = (J, BesselTail, Chebyshev, Alternation, T)
"""Functions whose last argument is a degree."""
NORM_NAMES = {"max": "max", "row": "row", "col": "col", "sum": "sum"}


def mutants(e: sympy.Expr) -> Iterator[Mistake]:
    """Every mistake in an expression, at every place of it, each with the name of its operator."""
    yield "constant halved", e * HALF
    yield from _everywhere(e)


def _everywhere(e: sympy.Expr) -> Iterator[Mistake]:
    yield from _here(e)
    for k, argument in enumerate(e.args):
        for operator, new in _everywhere(argument):
            yield operator, e.func(*e.args[:k], new, *e.args[k + 1 :])


def _here(e: sympy.Expr) -> Iterator[Mistake]:
    if isinstance(e, Norm):
        yield from _other_norms(e)
    elif e.is_Symbol and e in (n, d):
        yield "n for d", exchanged(e)
    elif e.is_Add:
        for k in range(len(e.args)):
            yield "term dropped", e.func(*e.args[:k], *e.args[k + 1 :])
            yield "sign", e - 2 * e.args[k]
            yield "constant halved", e - e.args[k] * HALF
    elif e.is_Mul:
        for k, factor in enumerate(e.args):
            if not factor.is_Rational:
                yield "factor dropped", e.func(*e.args[:k], *e.args[k + 1 :])
    elif e.is_Pow and e.exp.is_number:
        yield "exponent", e * e.base
        yield "exponent", e / e.base
    elif isinstance(e, sympy.Max):
        yield "max for min", sympy.Min(*e.args)
        for argument in e.args:
            yield "term dropped", argument
    elif isinstance(e, sympy.Min):
        yield "max for min", sympy.Max(*e.args)
    elif isinstance(e, sympy.exp):
        yield "constant halved", sympy.exp(e.args[0] * HALF)
        yield "sign", sympy.exp(-e.args[0])
    elif isinstance(e, OF_DEGREE):
        for step in (1, -1):
            yield "degree", e.func(*e.args[:-1], e.args[-1] + step)


def _other_norms(x: Norm) -> Iterator[Mistake]:
    if x.norm in OF_KIND:
        for kind, norm in OF_KIND.items():
            if kind != x.norm:
                yield "another norm", norm(x.formula)
        yield "absolute value dropped", top(x.formula)


def with_formula(x: Norm, formula: object) -> Norm:
    """The same norm of another formula."""
    build: Callable[..., Norm] = OF_KIND.get(x.norm, top)
    return build(formula)
