"""What a claim is made of: each side is checked where it is written, so that a mistake is named there; text is never evaluated."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import sympy
from sympy.core.relational import Relational
from sympy.logic.boolalg import BooleanAtom

from .asymptotics import Growth
from .formula import Formula
from .norms import Norm
from .shapes import as_fraction, no_formula, shape_text


class StatementError(ValueError):
    """A statement that cannot be: the message names the statement, what is wrong and what to do."""


def formula_of(value: Any, where: str) -> Formula:
    """The formula itself; OperandError where it is none."""
    if not isinstance(value, Formula):
        raise no_formula(value, where)
    return value


def norms_in(*expressions: Any) -> tuple[Norm, ...]:
    """Every norm that stands in the expressions, in a fixed order."""
    found = {x for e in expressions for x in sympy.sympify(e).free_symbols if isinstance(x, Norm)}
    return tuple(sorted(found, key=lambda x: (x.name, x.formula.digest)))


def expression_of(value: Any, where: str, *, norms: bool = True) -> sympy.Expr:
    """A number as SymPy: an expression in sizes, constants and, unless ``norms`` is false, norms.

    Raises:
        StatementError: for a matrix, text, a float, a comparison and anything else that is no exact number.
    """
    if isinstance(value, Formula):
        raise StatementError(
            f"{where}: {value} is a matrix ({shape_text(value.shape)}), and a number is needed: take a norm, such as maxnorm(...)"
        )
    if isinstance(value, str):
        raise StatementError(
            f"{where}: {value[:40]!r} is text, which is never evaluated; write the expression itself, without quotes"
        )
    if isinstance(value, (bool, BooleanAtom, Relational)):
        raise StatementError(f"{where}: {value} is a comparison or a truth value, and a number is needed")
    if isinstance(value, float):
        raise StatementError(f"{where}: {value} is a float; write it exactly: {as_fraction(value)}")
    if not isinstance(value, (int, Fraction, sympy.Expr)):
        raise StatementError(
            f"{where}: {type(value).__name__} is no exact number; use sizes, sympy numbers and norms of formulas"
        )
    found = sympy.sympify(value)
    floats = sorted(found.atoms(sympy.Float))
    if floats:
        raise StatementError(
            f"{where}: {floats[0]:.6g} is a float; write it exactly, such as {as_fraction(float(f'{floats[0]:.6g}'))}"
        )
    if not norms and norms_in(found):
        raise StatementError(f"{where}: {norms_in(found)[0]} is a norm; an expression in sizes and constants is needed")
    return found


def relations_of(given: Any) -> tuple[Relational, ...]:
    """The hypotheses of a bound; one alone need not stand in a tuple.

    Raises:
        StatementError: for anything but a <= b, and for one that holds never or always.
    """
    listed = tuple(given) if isinstance(given, Iterable) and not isinstance(given, str) else (given,)
    for one in listed:
        if one in (False, sympy.false):
            raise StatementError(
                "given: a relation is false whatever the matrices are, so that anything would follow; mend it"
            )
        if one in (True, sympy.true):
            raise StatementError("given: a relation is true whatever the matrices are; leave it out")
        if isinstance(one, str):
            raise StatementError(
                f"given: {one[:60]!r} is text; write the relation itself, such as maxnorm(X) <= 1, without quotes"
            )
        if not isinstance(one, (sympy.LessThan, sympy.GreaterThan)):
            raise StatementError(f"given: a given relation is a <= b or a >= b, not {one}")
        for side in (one.lts, one.gts):
            expression_of(side, f"given {one}")
    return listed


def growth_of_claim(value: Any, where: str) -> Growth:
    """The growth class itself; StatementError where it is none."""
    if not isinstance(value, Growth):
        raise StatementError(
            f"{where}: {value!r} is no growth class; use one such as LOG, POLYLOG, SUBPOLY, LINEAR, ALMOST_LINEAR, POLY"
        )
    return value
