"""Mutants of a bound that follow from it: the same left side, or one proved equal, under a right side that is surely no smaller.

Such a mutant is no mistake that any instance could show. Norms are compared by |v| <= |v|_row, |v|_col <= |v|_1; functions of a degree
by T_g(x) = T_{g-1}(x) + x^g/g! and by tails that lose terms; the rest is a shifted polynomial or an analysis fact.
"""

from __future__ import annotations

from dataclasses import replace

import sympy

from almostlinear.theorems.functions import BesselTail, T
from almostlinear.theorems.norms import Norm
from almostlinear.theorems.statement import Bound

from ..analysis import NotProved
from ..analysis_facts import scalar
from ..engines.norms import certificate, same_matrix
from ..task import Task

BELOW = {"row": ("max",), "col": ("max",), "sum": ("row", "col", "max")}
"""Norms that a norm is never below."""


def implied(task: Task, new: Bound) -> str:
    """Why ``new`` follows from the task's claim, or nothing."""
    true = task.claim
    assert isinstance(true, Bound)
    if true.given != new.given:
        return ""
    if true.left != new.left:
        if true.right != new.right or not _same_left(task, new):
            return ""
        return "equivalent: the left sides are proved equal"
    right = _by_degree(_by_norms(new.right, true.right), true.right)
    try:
        follows = (
            certificate(true.right, right) is not None or _as_fractions(true.right, right) or _as_numbers(true, right)
        )
    except (ValueError, TypeError, sympy.PolynomialError):
        follows = False
    return "weaker and true: it follows from the true claim" if follows else ""


def _same_left(task: Task, new: Bound) -> bool:
    """Whether both left sides are one norm of matrices that are proved equal."""
    assert isinstance(task.claim, Bound)
    old, now = task.claim.left, new.left
    if not (isinstance(old, Norm) and isinstance(now, Norm) and old.norm == now.norm):
        return False
    return old.formula.shape == now.formula.shape and same_matrix(task, old.formula, now.formula)


def _as_fractions(old: sympy.Expr, new: sympy.Expr) -> bool:
    """new - old as one fraction in square roots, norms and values of functions, all of them nonnegative numbers."""
    calls = {call for call in (new - old).atoms(sympy.Function) if call.is_nonnegative}
    roots = {power for power in (new - old).atoms(sympy.Pow) if power.exp == sympy.Rational(1, 2)}
    numbers = {x: sympy.Symbol(f"y_{k}", nonnegative=True) for k, x in enumerate(sorted(calls | roots, key=str))}
    top, bottom = sympy.fraction(sympy.together((new - old).subs(numbers)))
    return all(certificate(sympy.Integer(0), sympy.expand(part)) is not None for part in (top, bottom))


def _as_numbers(true: Bound, right: sympy.Expr) -> bool:
    """The right sides compared as functions of nonnegative numbers, one for each norm."""
    numbers = {
        x: sympy.Symbol(f"x_{k}", nonnegative=True)
        for k, x in enumerate(sorted(true.right.free_symbols | right.free_symbols, key=str))
        if isinstance(x, Norm) and x.is_nonnegative
    }
    try:
        scalar(replace(true, left=true.right.subs(numbers), right=right.subs(numbers), given=(), via=None))
    except NotProved:
        return False
    return True


def _by_norms(new: sympy.Expr, old: sympy.Expr) -> sympy.Expr:
    """A norm that the true claim does not speak of, as a smaller norm of the same matrix and something nonnegative."""
    spoken = [x for x in old.free_symbols if isinstance(x, Norm)]
    for k, x in enumerate(sorted((x for x in new.free_symbols if isinstance(x, Norm) and x not in spoken), key=str)):
        for y in spoken:
            if y.formula is x.formula and y.norm in BELOW.get(x.norm, ()):
                new = new.subs(x, y + sympy.Symbol(f"slack_{k}", nonnegative=True))
                break
    return new


def _by_degree(new: sympy.Expr, old: sympy.Expr) -> sympy.Expr:
    """T and tails of one degree less, by those of the true claim."""
    for call in old.atoms(T, BesselTail):
        x, g = call.args
        if isinstance(call, T):
            new = new.subs(T(x, g - 1), call - x**g / sympy.factorial(g))
        else:
            new = new.subs(BesselTail(x, g - 1), call + sympy.Symbol("term", nonnegative=True))
    return new
